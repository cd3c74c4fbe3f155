//! The client's half of the conversation.
//!
//! A [`Session`] outlives its connections: what is subscribed to stays so, replicas stay readable,
//! and what was published is sent until it is settled.

mod aliases;
mod backoff;
mod config;
mod credentials;
mod endings;
mod endpoints;
mod event;
mod events;
mod fetches;
mod handover;
mod inbound;
mod link;
mod mailbox;
mod ordered;
mod outbound;
mod pings;
mod publishing;
mod replicas;
mod returning;
mod signals;
mod store;
mod subscriptions;
mod telling;

pub use config::{QueueFull, SessionConfig, SubscribeOptions};
pub use credentials::{Credentials, CredentialsId};
pub use endpoints::Endpoint;
pub use event::{
    Event, FetchedItem, Input, Lost, MissedEvents, PublishTicket, Refusal, Replica, Request, ResumeOutcome, Signal,
    Statistics, StreamId, TimerReason, TransportId, Update, UpdateKind,
};
pub use publishing::{Publication, PublicationChange};
pub use store::StoreError;

use alloc::collections::VecDeque;
use alloc::string::String;
use alloc::vec::Vec;
use core::time::Duration;

use crate::error::ErrorCode;
use crate::path::Path;
use crate::position::{Epoch, Partition, PublisherId, SubscriptionId, Version};
use crate::selector::Selector;
use crate::time::Timestamp;
use crate::value::Value;
use crate::wire::Welcome;
use credentials::Keyring;
use endings::Endings;
use events::Events;
use fetches::Fetches;
use link::{Link, NORMAL_CLOSE, Phase};
use ordered::{Numbers, Table};
use publishing::{Publishing, Verdict};
use replicas::{KnownTopic, Replicas};
use returning::Returning;
use subscriptions::Subscriptions;

/// The client's half of the protocol.
///
/// After every call that takes `&mut self` the driver
/// 1. drains [`poll_request`](Self::poll_request) and does what it asks,
/// 2. drains [`poll_transmit`](Self::poll_transmit) while the transport can take bytes,
/// 3. hands on [`poll_event`](Self::poll_event), and wakes whoever reads the subscriptions that
///    [`poll_readable`](Self::poll_readable) names; these take their updates with
///    [`take_update`](Self::take_update), when they are ready: one that is slow loses intermediate
///    values of value topics, never memory;
/// 4. sets one timer for [`poll_timeout`](Self::poll_timeout), and says [`Input::Tick`] when it rings.
///
/// Nothing that a gateway sends makes a call fail or panic: it becomes an event, a goodbye with a
/// code, and another attempt. The same seed and the same calls give the same run.
///
/// ```
/// use outpour_core::session::{Input, Request, Session, SessionConfig, SubscribeOptions};
/// use outpour_core::{PublisherId, Selector, Timestamp};
///
/// let now = Timestamp::ZERO;
/// let mut session = Session::new(SessionConfig::default(), PublisherId([1; 16]), 42, now);
/// let prices = Selector::new("prices/**").unwrap();
/// session.subscribe(&prices, &SubscribeOptions::default(), now).unwrap();
/// session.connect(now);
///
/// let Some(Request::Open { transport, .. }) = session.poll_request() else { panic!() };
/// session.handle_input(Input::Opened { transport, early_taken: false }, now);
/// let mut message = Vec::new();
/// assert_eq!(session.poll_transmit(&mut message, now), Some(transport));
/// ```
#[derive(Debug)]
pub struct Session {
    config: SessionConfig,
    publisher: PublisherId,
    link: Link,
    keyring: Keyring,
    replicas: Replicas,
    subscriptions: Subscriptions,
    publishing: Publishing,
    fetches: Fetches,
    /// What has to be said of subscriptions on this connection, in this order.
    outgoing: VecDeque<Outgoing>,
    endings: Endings,
    /// How many of these there have been.
    requests: u64,
    /// The numbers of the topics of which a snapshot is to be asked for.
    repairs: Numbers,
    pong: Option<u64>,
    /// The newest welcome, without its principal.
    welcome: Option<Welcome<'static>>,
    /// Who the session is to the gateway; empty for anybody.
    principal: String,
    epoch: Option<Epoch>,
    /// Up to where everything has been told on this connection to the subscriptions that are up to date.
    marks: Table<u64, Version>,
    /// Up to where it has been told to every subscription that was up to date once: where the next
    /// connection goes on from.
    resume_marks: Table<u64, Version>,
    /// Whether the hello of this connection said so.
    has_resumed: bool,
    /// Whether the gateway took it up, so that topics which were carried over are not announced.
    is_resumed: bool,
    /// Subscriptions wait for the welcome: what they ask for depends on the epoch.
    asks_late: bool,
    /// Until all subscriptions are up to date again after a reconnect.
    returning: Option<Returning>,
    /// What came of the last return, if the connection was lost again before it was done.
    cut_short: Option<Returning>,
    /// When the connection was lost that the session is to come back from.
    lost_at: Option<Timestamp>,
    /// What was imported is complete for these selectors, until it has been taken up.
    stored: Vec<Selector>,
    /// Everything was forgotten because the gateway knows the session as somebody else.
    begins_afresh: bool,
    events: Events,
    readable: VecDeque<SubscriptionId>,
    /// The session is to be closed when every publish is settled, and by then at the latest.
    flush_until: Option<Timestamp>,
    statistics: Statistics,
}

/// Something to be said to the gateway of subscriptions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outgoing {
    Subscribe(SubscriptionId),
    Unsubscribe(SubscriptionId),
}

impl Session {
    /// A session that does nothing until [`connect`](Self::connect). `seed` feeds the jitter of its
    /// back-off. `publisher` names who publishes, for good: use the same one after a restart only
    /// together with what was not settled.
    #[must_use]
    pub fn new(config: SessionConfig, publisher: PublisherId, seed: u64, now: Timestamp) -> Self {
        Self {
            link: Link::new(&config, seed, now),
            keyring: Keyring::default(),
            config,
            publisher,
            replicas: Replicas::default(),
            subscriptions: Subscriptions::default(),
            publishing: Publishing::default(),
            fetches: Fetches::default(),
            outgoing: VecDeque::new(),
            endings: Endings::default(),
            requests: 0,
            repairs: Numbers::new(),
            pong: None,
            welcome: None,
            epoch: None,
            principal: String::new(),
            marks: Table::new(),
            resume_marks: Table::new(),
            has_resumed: false,
            is_resumed: false,
            asks_late: false,
            returning: None,
            cut_short: None,
            lost_at: None,
            stored: Vec::new(),
            begins_afresh: false,
            events: Events::default(),
            readable: VecDeque::new(),
            flush_until: None,
            statistics: Statistics::default(),
        }
    }

    /// Connects, and from then on stays connected as well as it can.
    pub fn connect(&mut self, now: Timestamp) {
        let now = self.link.advance(now);
        if matches!(self.link.phase, Phase::Idle | Phase::Asleep) {
            self.dial(now);
        }
    }

    /// Ends the session in order: when every publish is settled, or `flush` is over. Connections
    /// lost meanwhile are replaced as before.
    pub fn close(&mut self, flush: Duration, now: Timestamp) {
        let now = self.link.advance(now);
        match self.link.phase {
            Phase::Closed => {}
            Phase::Idle => self.finish(ErrorCode::Closed, String::new()),
            _ if flush.is_zero() || self.publishing.is_empty() => self.finish(ErrorCode::Closed, String::new()),
            _ => {
                let until = now + flush;
                self.flush_until = Some(self.flush_until.map_or(until, |earlier| earlier.min(until)));
                if matches!(self.link.phase, Phase::Asleep) {
                    self.dial(now);
                }
            }
        }
    }

    /// Publishes a change: it is queued, sent, sent again after a lost connection, applied once, and
    /// settled by one [`Event::PublishSettled`].
    ///
    /// # Errors
    /// [`ErrorCode::QueueFull`] if too much waits already, or too many verdicts wait to be heard;
    /// [`ErrorCode::TooLarge`] if the gateway is known not to take values of this size;
    /// [`ErrorCode::BadOptions`] for a stream that is not open; [`ErrorCode::Closed`] after the end.
    pub fn publish(
        &mut self,
        path: &Path,
        publication: Publication,
        _now: Timestamp,
    ) -> Result<PublishTicket, ErrorCode> {
        if self.is_ending() {
            return Err(ErrorCode::Closed);
        }
        if self.welcome.is_some_and(|welcome| publication.size() as u64 > welcome.max_value) {
            return Err(ErrorCode::TooLarge);
        }
        self.publishing.check(&publication)?;
        self.make_room(publication.size())?;
        Ok(self.publishing.queue(path, publication))
    }

    /// Opens an update stream: of its values only what changed is sent.
    pub fn open_stream(&mut self) -> StreamId {
        self.publishing.open_stream()
    }

    /// Ends an update stream. Its publishes on their way are still settled.
    pub fn close_stream(&mut self, id: StreamId) {
        self.publishing.close_stream(id);
    }

    /// The newest value or event of a topic that is subscribed to.
    #[must_use]
    pub fn replica(&self, path: &str) -> Option<Replica> {
        self.replica_of(self.replicas.get(self.replicas.at(path)?)?)
    }

    /// The replicas whose paths match, in the order of their paths.
    pub fn replicas(&self, selector: &Selector) -> impl Iterator<Item = Replica> {
        let keys = self.replicas.matching(selector);
        keys.into_iter().filter_map(|key| self.replica_of(self.replicas.get(key)?))
    }

    fn replica_of(&self, topic: &KnownTopic) -> Option<Replica> {
        Some(Replica {
            path: topic.path.clone(),
            value: Value::from_bytes(topic.value_type, topic.value.clone()?).ok()?,
            version: topic.told_as.1,
            received: self.link.told(topic.received),
            stale: self.is_stale(topic),
        })
    }

    /// Whether there may be a newer value of a topic than the one that is held.
    fn is_stale(&self, topic: &KnownTopic) -> bool {
        topic.repairing || !self.is_live() || !self.is_confirmed(topic)
    }

    /// Whether a topic is known to be there on this connection.
    fn is_confirmed(&self, topic: &KnownTopic) -> bool {
        self.replicas.is_announced(topic) || self.is_carried(topic) && self.returning.is_none()
    }

    /// Whether the gateway goes on with a topic from where the last connection was lost, so that it speaks
    /// of it only if something became of it.
    fn is_carried(&self, topic: &KnownTopic) -> bool {
        self.is_resumed && self.replicas.is_carried(topic)
    }

    /// Whether the session is connected and welcomed.
    #[must_use]
    pub const fn is_live(&self) -> bool {
        matches!(self.link.phase, Phase::Live { .. })
    }

    /// Whether the session is over or on its way there, and takes no more requests.
    const fn is_ending(&self) -> bool {
        self.flush_until.is_some() || matches!(self.link.phase, Phase::Closed)
    }

    /// The life of the log that versions belong to; `None` before the first welcome.
    #[must_use]
    pub const fn epoch(&self) -> Option<Epoch> {
        self.epoch
    }

    /// Up to where the session has been told everything of a partition, on this connection.
    #[must_use]
    pub fn mark(&self, partition: Partition) -> Version {
        self.marks.get(&partition.0.into()).copied().unwrap_or_default()
    }

    /// Who the session is to the gateway; empty for anybody, and before the first welcome.
    #[must_use]
    pub fn principal(&self) -> &str {
        &self.principal
    }

    /// What has been counted.
    #[must_use]
    pub const fn statistics(&self) -> Statistics {
        self.statistics
    }

    /// The next thing that the driver has to do.
    #[must_use]
    pub fn poll_request(&mut self) -> Option<Request> {
        self.link.requests.pop_front()
    }

    /// The next subscription that has updates to take, named once until it has been drained.
    #[must_use]
    pub fn poll_readable(&mut self) -> Option<SubscriptionId> {
        self.readable.pop_front()
    }

    /// When to say [`Input::Tick`] at the latest, and why.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<(Timestamp, TimerReason)> {
        let flush = self.flush_until.map(|until| (until, TimerReason::Close));
        let (deadline, reason) =
            self.link.poll_timeout().into_iter().chain(flush).min_by_key(|(deadline, _)| *deadline)?;
        Some((self.link.told(deadline), reason))
    }

    fn settle(&mut self, verdict: Verdict) {
        let (ticket, verdict) = verdict;
        self.push_event(Event::PublishSettled { ticket, verdict });
    }

    /// When the last publish is settled, a session that is to be closed is.
    fn close_if_settled(&mut self) {
        if self.flush_until.is_some() && self.publishing.is_empty() {
            self.finish(ErrorCode::Closed, String::new());
        }
    }

    /// The end: everything that waits is told so.
    fn finish(&mut self, code: ErrorCode, detail: String) {
        self.link.part(code, if code == ErrorCode::Closed { NORMAL_CLOSE } else { code.number() });
        self.link.abandon_handover();
        self.disconnect();
        self.link.phase = Phase::Closed;
        self.flush_until = None;
        for verdict in self.publishing.abandon(code) {
            self.settle(verdict);
        }
        for id in self.fetches.abandon() {
            self.push_event(Event::FetchFailed { id, code });
        }
        self.push_event(Event::Closed { code, detail });
    }

    /// Forgets what holds for one connection only.
    fn disconnect(&mut self) {
        let was_live = self.is_live();
        if was_live {
            // Until every subscription is up to date, the next connection goes on where this one did.
            if self.returning.is_none() {
                self.resume_marks = self.marks.clone();
            }
            self.lost_at.get_or_insert(self.link.now());
            // The marks have moved on without what nobody has claimed.
            self.drop_unclaimed();
        }
        if let Some(returning) = self.returning.take() {
            self.cut_short = Some(returning);
        }
        self.is_resumed = false;
        self.subscriptions.disconnect(was_live);
        self.replicas.disconnect();
        self.publishing.disconnect();
        self.fetches.disconnect();
        self.outgoing.clear();
        self.endings.disconnect();
        self.repairs.clear();
        self.pong = None;
        self.link.pings.disconnect();
    }
}
