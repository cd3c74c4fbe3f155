//! One worker's sessions.

use core::time::Duration;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use outpour_core::peer::{Batch, Change, Peer, PeerConfig, PeerRequest, Topic};
use outpour_core::wire::Condition;
use outpour_core::{ErrorCode, Path, PublishNumber, SubscriptionId, Timestamp, TopicKind, TopicNumber, Version};
use slab::Slab;

use super::fetching::Fetching;
use super::greeting::Hello;
use super::matching::Start;
use super::session::Session;
use super::views::{View, Views};
use crate::auth::{Anonymous, Authenticator};
use crate::broker::{Broker, Outcome, SessionId};
use crate::log::Record;
use crate::topics::SelectorIndex;

/// How many requests are served before the broker is given back for others to use.
const REQUESTS_AT_ONCE: usize = 1024;
/// How many pages of subscriptions and fetches.
const PAGES_AT_ONCE: usize = 8;

/// The limits a shard keeps its sessions to.
#[derive(Clone, Debug)]
pub struct ShardConfig {
    /// Limits and timings of the conversation.
    pub peer: Arc<PeerConfig>,
    /// The most topics that a session may select.
    pub max_topics_per_session: usize,
    /// Who says who a client is.
    pub authenticator: Arc<dyn Authenticator>,
    /// How long a session goes on after its credentials have expired.
    pub credentials_grace: Duration,
}

impl Default for ShardConfig {
    fn default() -> Self {
        Self {
            peer: Arc::new(PeerConfig::default()),
            max_topics_per_session: 1_000_000,
            authenticator: Arc::new(Anonymous),
            credentials_grace: Duration::ZERO,
        }
    }
}

/// The sessions of one worker, and what they follow.
///
/// The driver feeds messages ([`handle_message`](Self::handle_message)), lends the broker for what
/// they ask ([`serve`](Self::serve)), hands every [`Outcome`] of the broker to every shard in order
/// ([`handle_outcome`](Self::handle_outcome)), and only then sends what
/// [`poll_ready`](Self::poll_ready) and [`poll_transmit`](Self::poll_transmit) give.
#[derive(Debug)]
pub struct Shard {
    number: u32,
    pub(super) config: ShardConfig,
    pub(super) sessions: Slab<Box<Session>>,
    generation: u32,
    pub(super) views: Views,
    pub(super) interests: SelectorIndex<(u32, SubscriptionId)>,
    /// Sessions with requests.
    pub(super) asking: VecDeque<u32>,
    /// Sessions that were told more elsewhere than the broker has read.
    pub(super) parked: Vec<u32>,
    /// Whether something may have changed for these.
    pub(super) stirred: bool,
    /// Sessions with subscriptions or fetches that can go on.
    working: VecDeque<u32>,
    ready: VecDeque<u32>,
    alarms: BTreeSet<(Timestamp, u32)>,
    found: Vec<(u32, SubscriptionId)>,
}

impl Shard {
    /// A shard without sessions.
    #[must_use]
    pub fn new(number: u32, config: ShardConfig) -> Self {
        Self {
            number,
            config,
            sessions: Slab::new(),
            generation: 0,
            views: Views::default(),
            interests: SelectorIndex::new(),
            asking: VecDeque::new(),
            parked: Vec::new(),
            stirred: false,
            working: VecDeque::new(),
            ready: VecDeque::new(),
            alarms: BTreeSet::new(),
            found: Vec::new(),
        }
    }

    /// How many sessions there are.
    #[must_use]
    pub fn sessions(&self) -> usize {
        self.sessions.len()
    }

    /// A transport has opened. Returns the session's key, which is valid until [`close`](Self::close).
    pub fn open(&mut self, now: Timestamp) -> u32 {
        self.generation = self.generation.wrapping_add(1);
        let entry = self.sessions.vacant_entry();
        let key = entry.key() as u32;
        entry.insert(Box::new(Session {
            id: SessionId { shard: self.number, key, generation: self.generation },
            peer: Peer::new(Arc::clone(&self.config.peer), now),
            resume: None,
            resumed: false,
            parked_until: None,
            expires: None,
            subscriptions: Vec::new(),
            topics: BTreeMap::new(),
            matching: VecDeque::new(),
            fetching: VecDeque::new(),
            ready: false,
            asking: false,
            working: false,
            alarm: None,
        }));
        self.reschedule(key);
        key
    }

    /// A transport is gone. The shard keeps nothing of its session.
    pub fn close(&mut self, key: u32) {
        let Some(session) = self.sessions.try_remove(key as usize) else { return };
        if let Some(alarm) = session.alarm {
            self.alarms.remove(&(alarm, key));
        }
        self.parked.retain(|parked| *parked != key);
        for subscription in &session.subscriptions {
            self.interests.remove(&subscription.selector, (key, subscription.id));
        }
        for (number, index) in &session.topics {
            self.leave(*number, *index);
        }
    }

    /// A whole binary message came.
    pub fn handle_message(&mut self, key: u32, message: &[u8], now: Timestamp) {
        let Some(session) = self.sessions.get_mut(key as usize) else { return };
        session.peer.handle_message(message, now);
        if !session.asking {
            session.asking = true;
            self.asking.push_back(key);
        }
        self.wake(key);
    }

    /// A ping or pong of the transport came.
    pub fn handle_control(&mut self, key: u32, now: Timestamp) {
        if let Some(session) = self.sessions.get_mut(key as usize) {
            session.peer.handle_control(now);
        }
    }

    /// A text message came.
    pub fn handle_text(&mut self, key: u32) {
        if let Some(session) = self.sessions.get_mut(key as usize) {
            session.peer.handle_text();
            self.wake(key);
        }
    }

    /// Whether [`serve`](Self::serve) has something to do.
    #[must_use]
    pub fn wants_broker(&self) -> bool {
        !self.asking.is_empty() || !self.working.is_empty() || self.stirred && !self.parked.is_empty()
    }

    /// Does what sessions ask for, as far as that is quickly done; the rest is left to the next call.
    /// `wall_ms` is the time of the log's clock, in milliseconds.
    pub fn serve(&mut self, broker: &mut Broker, wall_ms: u64, now: Timestamp) {
        let mut left = REQUESTS_AT_ONCE;
        self.unpark(broker, now);
        while let Some(key) = self.asking.pop_front() {
            while let Some(session) = self.sessions.get_mut(key as usize) {
                if left == 0 {
                    self.asking.push_front(key);
                    return broker.commit();
                }
                let request = if session.parked_until.is_none() { session.peer.poll_request() } else { None };
                let Some(request) = request else {
                    session.asking = false;
                    break;
                };
                left = left.saturating_sub(cost(&request));
                self.handle_request(key, request, broker, wall_ms, now);
            }
            self.wake(key);
        }
        broker.commit();
        for _ in 0..PAGES_AT_ONCE {
            let Some(key) = self.working.pop_front() else { return };
            let Some(session) = self.sessions.get_mut(key as usize) else { continue };
            session.working = false;
            let (may_match, may_fetch) = (session.may_match(), session.may_fetch());
            if may_match {
                self.match_page(key, broker, wall_ms);
            }
            if may_fetch {
                self.fetch_page(key, broker, wall_ms);
            }
            self.seek_work(key);
        }
    }

    /// Has [`serve`](Self::serve) go on with a session's subscriptions and fetches, if it may.
    pub(super) fn seek_work(&mut self, key: u32) {
        if let Some(session) = self.sessions.get_mut(key as usize)
            && !session.working
            && (session.may_match() || session.may_fetch())
        {
            session.working = true;
            self.working.push_back(key);
        }
    }

    fn handle_request(&mut self, key: u32, request: PeerRequest, broker: &mut Broker, wall_ms: u64, now: Timestamp) {
        let Some(session) = self.sessions.get_mut(key as usize) else { return };
        // A client reads its own writes.
        if !matches!(request, PeerRequest::Publish { .. }) {
            broker.commit();
        }
        match request {
            PeerRequest::Hello { publisher, settled, resume, credentials } => {
                let hello = Hello { publisher, settled, resume, credentials };
                self.greet(key, hello, broker, wall_ms, now);
            }
            PeerRequest::Subscribe { id, selector, interval, from, resume } => {
                self.subscribe(key, id, &selector, interval, from, resume);
                // What the client asks for next comes after the topics as they are now.
                if self.sessions.get(key as usize).is_some_and(|session| session.matching.len() == 1) {
                    self.match_page(key, broker, wall_ms);
                }
            }
            PeerRequest::Unsubscribe { id } => self.unsubscribe(key, id),
            PeerRequest::Publish { number, path, condition, change } => {
                let record = record(session, number, path, condition, change, wall_ms);
                broker.publish(session.id, record);
            }
            PeerRequest::Fetch { id, selector, history, limit } => {
                session.fetching.push_back(Fetching::new(id, selector, history, limit));
                self.seek_work(key);
            }
            PeerRequest::Repair { topic } => {
                let Some(index) = session.topics.get(&topic).copied() else { return };
                let Some(View { topic: kept, subscribers }) = self.views.get(topic) else { return };
                let interval = subscribers.get(index as usize).map_or(Duration::ZERO, |subscriber| subscriber.interval);
                match kept.kind() {
                    // Events only lead on from one another: the telling starts anew with all that are kept.
                    TopicKind::Event => {
                        session.peer.note_matched(topic, kept.before_last(u64::MAX), Some(kept.version()), interval);
                    }
                    _ => session.peer.note(topic, Version::NONE, kept.version(), interval),
                }
            }
            _ => {}
        }
    }

    /// Something followed from a record. Every shard is told every outcome, in order.
    pub fn handle_outcome(&mut self, outcome: &Outcome) {
        self.stirred = true;
        match outcome {
            Outcome::Updated(update) => {
                let Some(view) = self.views.get_mut(update.topic) else { return };
                if update.version <= view.topic.version() {
                    return;
                }
                view.topic.update(update);
                for subscriber in &mut view.subscribers {
                    if update.version <= subscriber.joined {
                        continue;
                    }
                    let was_blank = core::mem::take(&mut subscriber.is_blank);
                    let base = if was_blank { Version::NONE } else { update.base };
                    let Some(session) = self.sessions.get_mut(subscriber.key as usize) else { continue };
                    session.peer.note(update.topic, base, update.version, subscriber.interval);
                    if !session.ready {
                        session.ready = true;
                        self.ready.push_back(subscriber.key);
                    }
                }
            }
            Outcome::Created { topic, version } => {
                let mut found = core::mem::take(&mut self.found);
                found.clear();
                self.interests.matching(topic.path.as_str(), &mut found);
                if !found.is_empty() {
                    let topic = Topic::new((**topic).clone());
                    for (key, id) in found.drain(..) {
                        self.join(key, id, &topic, Start::New { since: Some(*version) });
                    }
                }
                self.found = found;
            }
            Outcome::Removed { topic, version } => {
                let Some(view) = self.views.remove(*topic) else { return };
                for subscriber in view.subscribers {
                    if let Some(session) = self.sessions.get_mut(subscriber.key as usize) {
                        session.topics.remove(topic);
                        session.peer.note_removed(*topic, *version);
                        self.wake(subscriber.key);
                    }
                }
            }
            Outcome::Acknowledged { session: id, ack } => {
                if let Some(session) = self.sessions.get_mut(id.key as usize)
                    && session.id == *id
                {
                    session.peer.acknowledge(*ack);
                    self.wake(id.key);
                }
            }
        }
    }

    /// Whether [`poll_ready`](Self::poll_ready) has a session to name.
    #[must_use]
    pub fn has_ready(&self) -> bool {
        !self.ready.is_empty()
    }

    /// The next session that may have something to say.
    pub fn poll_ready(&mut self) -> Option<u32> {
        let key = self.ready.pop_front()?;
        if let Some(session) = self.sessions.get_mut(key as usize) {
            session.ready = false;
        }
        Some(key)
    }

    /// Has [`poll_ready`](Self::poll_ready) name this session again: its transport takes bytes again.
    pub fn wake(&mut self, key: u32) {
        if let Some(session) = self.sessions.get_mut(key as usize)
            && !session.ready
        {
            session.ready = true;
            self.ready.push_back(key);
        }
    }

    /// Writes a session's next message. To be called while its transport takes bytes, until `false`.
    #[must_use]
    pub fn poll_transmit(&mut self, key: u32, batch: &mut Batch, limit: usize, now: Timestamp) -> bool {
        let Some(session) = self.sessions.get_mut(key as usize) else { return false };
        let due = session.peer.poll_transmit(&self.views, batch, limit, now);
        self.reschedule(key);
        self.seek_work(key);
        due
    }

    /// The code to close a session's transport with, once all it is told has been sent.
    #[must_use]
    pub fn poll_close(&self, key: u32) -> Option<u16> {
        self.sessions.get(key as usize)?.peer.poll_close()
    }

    /// Whether a session has been said goodbye to, so that a transport that takes no more bytes need
    /// not be waited for.
    #[must_use]
    pub fn is_over(&self, key: u32) -> bool {
        self.sessions.get(key as usize).is_none_or(|session| session.peer.is_over())
    }

    /// Whether the driver should leave a session's transport unread for now.
    #[must_use]
    pub fn is_congested(&self, key: u32) -> bool {
        self.sessions.get(key as usize).is_some_and(|session| session.peer.is_congested())
    }

    /// Ends a session in order.
    pub fn say_goodbye(&mut self, key: u32, code: ErrorCode, reason: &str, retry_after: Duration) {
        self.send_away(key, code, reason, retry_after, "");
    }

    /// Ends every session in order.
    pub fn say_goodbye_to_all(&mut self, code: ErrorCode, reason: &str, retry_after: Duration) {
        let keys: Vec<u32> = self.sessions.iter().map(|(key, _)| key as u32).collect();
        for key in keys {
            self.say_goodbye(key, code, reason, retry_after);
        }
    }

    /// Ends a session in order, and tells its client where to go on.
    pub fn send_away(&mut self, key: u32, code: ErrorCode, reason: &str, retry_after: Duration, redirect: &str) {
        if let Some(session) = self.sessions.get_mut(key as usize) {
            session.peer.close(code, reason, retry_after, redirect);
            self.wake(key);
        }
    }

    /// Asks a session's client to go on elsewhere within a time, and serves it until it has. `false` if the session
    /// has not begun, so that it can't be asked yet.
    pub fn move_away<'a>(&mut self, key: u32, within: Duration, redirect: impl FnOnce() -> &'a str) -> bool {
        let Some(session) = self.sessions.get_mut(key as usize) else { return true };
        if session.peer.is_over() {
            return true;
        }
        if !session.peer.is_live() {
            return false;
        }
        session.peer.move_away(within, redirect());
        self.wake(key);
        true
    }

    /// When to call [`handle_timeout`](Self::handle_timeout) at the latest.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Timestamp> {
        self.alarms.first().map(|(alarm, _)| *alarm)
    }

    /// Time has passed.
    pub fn handle_timeout(&mut self, now: Timestamp) {
        // Each alarm rings once, even if a session should ask for one in the past.
        for _ in 0..self.alarms.len() {
            let Some((alarm, key)) = self.alarms.first().copied().filter(|(alarm, _)| *alarm <= now) else { return };
            self.alarms.remove(&(alarm, key));
            self.stirred = true;
            let Some(session) = self.sessions.get_mut(key as usize) else { continue };
            session.alarm = None;
            session.peer.handle_timeout(now);
            session.end_expired(now);
            self.reschedule(key);
            self.wake(key);
        }
    }

    /// Sets the session's alarm if it has to ring earlier than it would. That it may have to ring
    /// later is found out when it rings, so that sending costs no change of alarms.
    pub(super) fn reschedule(&mut self, key: u32) {
        let Some(session) = self.sessions.get_mut(key as usize) else { return };
        let timeouts = session.peer.poll_timeout().into_iter().chain(session.parked_until).chain(session.expires);
        let Some(timeout) = timeouts.min() else { return };
        if session.alarm.is_some_and(|alarm| alarm <= timeout) {
            return;
        }
        if let Some(alarm) = session.alarm.replace(timeout) {
            self.alarms.remove(&(alarm, key));
        }
        self.alarms.insert((timeout, key));
    }

    /// Takes a subscriber out of a topic's list, and tells the one that takes over its index.
    pub(super) fn leave(&mut self, number: TopicNumber, index: u32) {
        if let Some(moved) = self.views.leave(number, index)
            && let Some(session) = self.sessions.get_mut(moved as usize)
            && let Some(place) = session.topics.get_mut(&number)
        {
            *place = index;
        }
    }
}

/// What a request takes of [`REQUESTS_AT_ONCE`]: topics may have to be looked at for a selector with
/// wildcards.
fn cost(request: &PeerRequest) -> usize {
    match request {
        PeerRequest::Subscribe { selector, .. } if selector.exact().is_none() => REQUESTS_AT_ONCE / PAGES_AT_ONCE,
        _ => 1,
    }
}

fn record(
    session: &Session,
    number: PublishNumber,
    path: Path,
    condition: Condition,
    change: Change,
    at_ms: u64,
) -> Record {
    Record { path, author: session.peer.publisher(), number, condition, change, at_ms }
}
