//! The client's half of the conversation.
//!
//! A [`Session`] outlives its connections: what is subscribed to stays so, replicas stay readable,
//! and what was published is sent until it is settled.

mod backoff;
mod config;
mod event;
mod inbound;
mod link;
mod mailbox;
mod outbound;
mod publishing;
mod replicas;
mod subscriptions;

pub use config::{SessionConfig, SubscribeOptions};
pub use event::{
    Event, FetchedItem, Input, Lost, PublishTicket, Refusal, Replica, Request, Signal, Statistics, StreamId,
    TimerReason, TransportId, Update, UpdateKind,
};
pub use publishing::{Publication, PublicationChange};

use alloc::collections::{BTreeMap, VecDeque};
use alloc::string::String;
use alloc::vec::Vec;
use core::time::Duration;

use crate::error::ErrorCode;
use crate::path::Path;
use crate::position::{Epoch, FetchId, Partition, PublisherId, SubscriptionId, TopicNumber, Version};
use crate::selector::Selector;
use crate::time::Timestamp;
use crate::value::Value;
use crate::wire::{HistoryStart, Welcome};
use link::{Link, Phase};
use publishing::{Publishing, Verdict};
use replicas::{KnownTopic, Replicas};
use subscriptions::Subscription;

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
/// session.handle_input(Input::Opened(transport), now);
/// let mut message = Vec::new();
/// assert_eq!(session.poll_transmit(&mut message, now), Some(transport));
/// ```
#[derive(Debug)]
pub struct Session {
    config: SessionConfig,
    publisher: PublisherId,
    link: Link,
    replicas: Replicas,
    subscriptions: BTreeMap<SubscriptionId, Subscription>,
    last_subscription: u32,
    publishing: Publishing,
    fetches: BTreeMap<FetchId, Fetch>,
    last_fetch: u32,
    /// What has to be said on this connection, in this order.
    outgoing: VecDeque<Outgoing>,
    pong: Option<u64>,
    welcome: Option<Welcome>,
    epoch: Option<Epoch>,
    marks: BTreeMap<Partition, Version>,
    events: VecDeque<Event>,
    readable: VecDeque<SubscriptionId>,
    statistics: Statistics,
}

#[derive(Debug)]
struct Fetch {
    selector: Selector,
    history: Option<HistoryStart>,
    limit: u64,
    items: Vec<FetchedItem>,
}

/// Something to be said to the gateway.
#[derive(Clone, Copy, Debug)]
enum Outgoing {
    Hello,
    Subscribe(SubscriptionId),
    Unsubscribe(SubscriptionId),
    Fetch(FetchId),
    Repair(TopicNumber),
}

/// Up to where a session has been told everything: what the next connection can go on from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResumePoint {
    /// The life of the log that the marks belong to.
    pub epoch: Epoch,
    /// The mark of each partition.
    pub marks: Vec<(Partition, Version)>,
}

impl Session {
    /// A session that does nothing until [`connect`](Self::connect). `seed` feeds the jitter of its
    /// back-off. `publisher` names who publishes, for good: use the same one after a restart only
    /// together with what was not settled.
    #[must_use]
    pub fn new(config: SessionConfig, publisher: PublisherId, seed: u64, now: Timestamp) -> Self {
        Self {
            link: Link::new(&config, seed, now),
            config,
            publisher,
            replicas: Replicas::default(),
            subscriptions: BTreeMap::new(),
            last_subscription: 0,
            publishing: Publishing::default(),
            fetches: BTreeMap::new(),
            last_fetch: 0,
            outgoing: VecDeque::new(),
            pong: None,
            welcome: None,
            epoch: None,
            marks: BTreeMap::new(),
            events: VecDeque::new(),
            readable: VecDeque::new(),
            statistics: Statistics::default(),
        }
    }

    /// Connects, and from then on stays connected as well as it can.
    pub fn connect(&mut self, now: Timestamp) {
        if matches!(self.link.phase, Phase::Idle) {
            self.dial(now);
        }
    }

    /// Ends the session in order: when every publish is settled, or `flush` is over.
    pub fn close(&mut self, flush: Duration, now: Timestamp) {
        match self.link.phase {
            Phase::Closed | Phase::Closing { .. } => {}
            Phase::Live { transport, .. } if !self.publishing.is_empty() && !flush.is_zero() => {
                self.link.phase = Phase::Closing { transport, deadline: now + flush };
            }
            _ => self.finish(ErrorCode::Closed, String::new()),
        }
    }

    /// Publishes a change: it is queued, sent, sent again after a lost connection, applied once, and
    /// settled by one [`Event::PublishSettled`].
    ///
    /// # Errors
    /// [`ErrorCode::QueueFull`] if too much waits already, [`ErrorCode::TooLarge`] if the gateway
    /// does not take values of this size, [`ErrorCode::Closed`] after the end.
    pub fn publish(
        &mut self,
        path: &Path,
        publication: Publication,
        _now: Timestamp,
    ) -> Result<PublishTicket, ErrorCode> {
        if matches!(self.link.phase, Phase::Closed | Phase::Closing { .. }) {
            return Err(ErrorCode::Closed);
        }
        self.publishing.queue(path, publication, self.config.queue_count, self.config.queue_bytes)
    }

    /// Opens an update stream: of its values only what changed is sent.
    pub fn open_stream(&mut self) -> StreamId {
        self.publishing.open_stream()
    }

    /// Ends an update stream. Its publishes on their way are still settled.
    pub fn close_stream(&mut self, id: StreamId) {
        self.publishing.close_stream(id);
    }

    /// Asks once for the current values of the topics that match, or for past events. The answer is
    /// one [`Event::FetchEnded`] or [`Event::FetchFailed`]; it is asked for again after a lost connection.
    ///
    /// # Errors
    /// [`ErrorCode::Closed`] after the end.
    pub fn fetch(
        &mut self,
        selector: &Selector,
        history: Option<HistoryStart>,
        limit: u64,
        _now: Timestamp,
    ) -> Result<FetchId, ErrorCode> {
        if matches!(self.link.phase, Phase::Closed) {
            return Err(ErrorCode::Closed);
        }
        self.last_fetch += 1;
        let id = FetchId(self.last_fetch);
        self.fetches.insert(id, Fetch { selector: selector.clone(), history, limit, items: Vec::new() });
        if self.is_live() {
            self.outgoing.push_back(Outgoing::Fetch(id));
        }
        Ok(id)
    }

    /// Wants no answer to a fetch any more.
    pub fn cancel_fetch(&mut self, id: FetchId) {
        self.fetches.remove(&id);
    }

    /// The newest value or event of a topic that is subscribed to.
    #[must_use]
    pub fn replica(&self, path: &str) -> Option<Replica> {
        self.replica_of(self.replicas.get(self.replicas.at(path)?)?)
    }

    /// The replicas whose paths match, in the order of their paths.
    pub fn replicas(&self, selector: &Selector) -> impl Iterator<Item = Replica> {
        self.replicas
            .iter()
            .filter(|(_, topic)| selector.matches(topic.path.as_str()))
            .filter_map(|(_, topic)| self.replica_of(topic))
    }

    fn replica_of(&self, topic: &KnownTopic) -> Option<Replica> {
        Some(Replica {
            path: topic.path.clone(),
            value: Value::from_bytes(topic.value_type, topic.value.clone()?).ok()?,
            version: topic.version,
            received: topic.received,
            stale: topic.number.is_none() || !self.is_live(),
        })
    }

    /// Whether the session is connected and welcomed.
    #[must_use]
    pub const fn is_live(&self) -> bool {
        matches!(self.link.phase, Phase::Live { .. } | Phase::Closing { .. })
    }

    /// Up to where the session has been told everything; `None` before the first welcome.
    #[must_use]
    pub fn resume_point(&self) -> Option<ResumePoint> {
        let marks = self.marks.iter().map(|(partition, version)| (*partition, *version)).collect();
        Some(ResumePoint { epoch: self.epoch?, marks })
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

    /// The next thing that the application has to hear.
    #[must_use]
    pub fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// The next subscription that has updates to take, named once until it has been drained.
    #[must_use]
    pub fn poll_readable(&mut self) -> Option<SubscriptionId> {
        self.readable.pop_front()
    }

    /// When to say [`Input::Tick`] at the latest, and why.
    #[must_use]
    pub const fn poll_timeout(&self) -> Option<(Timestamp, TimerReason)> {
        self.link.poll_timeout()
    }

    fn settle(&mut self, verdict: Verdict) {
        let (ticket, verdict) = verdict;
        self.events.push_back(Event::PublishSettled { ticket, verdict });
    }

    /// The end: everything that waits is told so.
    fn finish(&mut self, code: ErrorCode, detail: String) {
        if let Some(transport) = self.link.transport() {
            if self.is_live() {
                self.link.say_goodbye(code);
            }
            self.link.hang_up(transport, if code == ErrorCode::Closed { 1000 } else { code.number() });
        }
        self.disconnect();
        self.link.phase = Phase::Closed;
        let verdicts: Vec<Verdict> = self.publishing.abandon(code).collect();
        for verdict in verdicts {
            self.settle(verdict);
        }
        for (id, _) in core::mem::take(&mut self.fetches) {
            self.events.push_back(Event::FetchFailed { id, code });
        }
        self.events.push_back(Event::Closed { code, detail });
    }

    /// Forgets what holds for one connection only.
    fn disconnect(&mut self) {
        self.replicas.disconnect();
        self.publishing.disconnect();
        self.outgoing.clear();
        self.pong = None;
        for fetch in self.fetches.values_mut() {
            fetch.items.clear();
        }
        for subscription in self.subscriptions.values_mut() {
            subscription.sent = false;
        }
    }
}
