//! The gateway's half of the conversation: one [`Peer`] for each connection.
//!
//! A peer knows no topics and no log. It turns messages into [`PeerRequest`]s for the gateway's
//! broker, is told what changed ([`Peer::note`]) and what was decided ([`Peer::acknowledge`] …),
//! and says, as late as possible, what to send ([`Peer::poll_transmit`]).

mod answers;
mod batch;
mod inbound;
mod outbound;
mod outbox;
mod topic;

pub use batch::Batch;
pub use inbound::{Change, FRAME_ROOM, PeerRequest};
pub use outbound::Topics;
pub use topic::{History, PastEvent, PastUpdate, Topic, TopicDescription, Update, snapshot_frame};

use alloc::collections::VecDeque;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::time::Duration;

use crate::error::ErrorCode;
use crate::path::Path;
use crate::position::{Epoch, PublishNumber, PublisherId, SubscriptionId, TopicNumber, Version};
use crate::time::Timestamp;
use crate::wire::{
    Ack, Fetched, GatewayFrame, Goodbye, MAX_TEXT_BYTES, MIN_MESSAGE_BYTES, Move, PROTOCOL_MAJOR, PROTOCOL_MINOR,
    Refused, RequestRef, Welcome,
};
use answers::Answers;
use outbox::{Dirty, Outbox, Owed};

/// The limits and timings that a gateway keeps its peers to.
#[derive(Clone, Debug)]
pub struct PeerConfig {
    /// How often a client hears from the gateway at the least, and answers.
    pub heartbeat: Duration,
    /// How long a client may take to say hello.
    pub handshake_timeout: Duration,
    /// The largest message taken, in bytes; at least [`FRAME_ROOM`] more than `max_value`.
    pub max_message: usize,
    /// The largest value taken, in bytes.
    pub max_value: usize,
    /// How many publishes of a session may wait for their verdict.
    pub max_in_flight: usize,
    /// How many subscriptions a session may have.
    pub max_subscriptions: usize,
    /// How many fetches of a session may wait for their answer.
    pub max_fetches: usize,
    /// The most bytes that a session's outbox and unsent bytes may take.
    pub max_memory: usize,
    /// The most messages a client may send in a second, averaged over ten.
    pub messages_per_second: u32,
}

impl Default for PeerConfig {
    fn default() -> Self {
        Self {
            heartbeat: Duration::from_secs(10),
            handshake_timeout: Duration::from_secs(5),
            max_message: 2 << 20,
            max_value: 1 << 20,
            max_in_flight: 256,
            max_subscriptions: 1_000,
            max_fetches: 64,
            max_memory: 64 << 20,
            messages_per_second: 50_000,
        }
    }
}

/// How much a client may be late in answering a ping, beside the heartbeat: the browser of a page
/// in the background may wake it only once a minute.
const PONG_GRACE: Duration = Duration::from_secs(60);
/// Bytes of answers that may wait for a client that sends requests but does not read. Past it the
/// driver stops reading from the client.
const CONGESTED_BYTES: usize = 64 << 10;
/// About what one owed topic costs in memory.
const OWED_BYTES: usize = 192;

/// The gateway's half of one connection.
///
/// The driver feeds whole messages to [`handle_message`](Self::handle_message) and the passing of
/// time to [`handle_timeout`](Self::handle_timeout), answers every [`poll_request`](Self::poll_request),
/// and asks [`poll_transmit`](Self::poll_transmit) while the transport can take bytes. When
/// [`poll_close`](Self::poll_close) gives a code and everything has been sent, it closes the
/// transport. Nothing a client sends makes a call fail: it ends in a goodbye with a code.
#[derive(Debug)]
pub struct Peer {
    config: Arc<PeerConfig>,
    state: State,
    publisher: PublisherId,
    requests: VecDeque<PeerRequest>,
    repairs: VecDeque<TopicNumber>,
    /// `None` for a path that is not valid.
    aliases: Vec<Option<Path>>,
    subscriptions: u32,
    fetches: u32,
    in_flight: u32,
    last_number: PublishNumber,
    outbox: Outbox,
    answers: Answers,
    /// The largest message that the client takes.
    message_limit: usize,
    /// The newest position told: the mark, but for what is held back.
    told: Version,
    mark: Version,
    heard: Timestamp,
    sent: Timestamp,
    ping: u64,
    pinged: Timestamp,
    allowance: Allowance,
    /// Whether the client has said goodbye.
    leaving: bool,
}

#[derive(Debug)]
enum State {
    /// The client has yet to say hello.
    Opening {
        deadline: Timestamp,
    },
    /// It has; the gateway has yet to welcome it.
    Greeted,
    Live,
    /// A goodbye is on its way.
    Closing {
        code: u16,
    },
    Closed {
        code: u16,
    },
}

/// A token bucket for messages.
#[derive(Debug)]
struct Allowance {
    tokens_milli: u64,
    filled: Timestamp,
}

/// How a gateway receives a client that said hello.
#[derive(Clone, Copy, Debug)]
pub struct Reception<'a> {
    /// The life of the log.
    pub epoch: Epoch,
    /// The last publish of this publisher that was judged.
    pub applied: PublishNumber,
    /// Whether subscriptions go on from the client's resume point, and topics that it knows are not announced.
    pub resumed: bool,
    /// Who the client is to the gateway; empty for anybody, and at the most 1,024 bytes.
    pub principal: &'a str,
}

impl Peer {
    /// A peer whose transport has just opened.
    #[must_use]
    pub fn new(config: Arc<PeerConfig>, now: Timestamp) -> Self {
        let allowance = Allowance { tokens_milli: u64::from(config.messages_per_second) * 10_000, filled: now };
        Self {
            state: State::Opening { deadline: now + config.handshake_timeout },
            config,
            publisher: PublisherId::default(),
            requests: VecDeque::new(),
            repairs: VecDeque::new(),
            aliases: Vec::new(),
            subscriptions: 0,
            fetches: 0,
            in_flight: 0,
            last_number: PublishNumber(0),
            outbox: Outbox::default(),
            answers: Answers::default(),
            message_limit: MIN_MESSAGE_BYTES,
            told: Version::NONE,
            mark: Version::NONE,
            heard: now,
            sent: now,
            ping: 0,
            pinged: now,
            allowance,
            leaving: false,
        }
    }

    /// The next thing that the gateway has to do for the client.
    #[must_use]
    pub fn poll_request(&mut self) -> Option<PeerRequest> {
        while let Some(request) = self.requests.pop_front() {
            if self.requests.is_empty() {
                self.requests = VecDeque::new();
                self.leave_when_settled();
            }
            match request {
                // Counted only now, when the ends of others that stood before it have been dealt with.
                PeerRequest::Subscribe { id, .. } if !self.take_subscription() => {
                    self.refuse_at_once(RequestRef::Subscription(id), ErrorCode::TooManySubscriptions);
                }
                request => return Some(request),
            }
        }
        let topic = self.repairs.pop_front();
        if topic.is_none() {
            self.repairs = VecDeque::new();
        }
        topic.map(|topic| PeerRequest::Repair { topic })
    }

    /// Counts one subscription more. `false` if that is more than the session may have.
    fn take_subscription(&mut self) -> bool {
        self.subscriptions += 1;
        self.subscriptions as usize <= self.config.max_subscriptions
    }

    /// Answers a [`PeerRequest::Hello`].
    pub fn welcome(&mut self, reception: &Reception<'_>, now: Timestamp) {
        let Reception { epoch, applied, resumed, principal } = *reception;
        if !matches!(self.state, State::Greeted) {
            return;
        }
        self.state = State::Live;
        self.sent = now;
        // Refusals of what came along with the hello may be waiting already.
        self.answers.push_front(&GatewayFrame::Welcome(Welcome {
            major: PROTOCOL_MAJOR,
            minor: PROTOCOL_MINOR,
            epoch,
            heartbeat_ms: self.config.heartbeat.as_millis() as u64,
            max_message: self.config.max_message as u64,
            max_value: self.config.max_value as u64,
            max_in_flight: self.config.max_in_flight as u64,
            max_subscriptions: self.config.max_subscriptions as u64,
            applied,
            resumed,
            principal,
        }));
        self.leave_when_settled();
    }

    /// The session selects a topic that it did not before. It is told the topic's number, and what
    /// came after `from`: [`Version::NONE`] for a value topic, or the topic's version if its value is
    /// not to be told; for an event topic what [`Topic::from_after`] gives.
    ///
    /// `since` is the position at which a new topic came to be. It is `None` for the topics that a new
    /// subscription finds: the session's mark says nothing of them until the subscription is complete.
    pub fn note_matched(&mut self, topic: TopicNumber, from: Version, since: Option<Version>, interval: Duration) {
        self.note_dirty(Dirty { topic, base: from, since, interval, what: Owed::Announcement });
    }

    /// A topic that the session goes on selecting is announced as in [`note_matched`](Self::note_matched), and before everything
    /// else that it is owed: the subscription has ended that would have gone on with it.
    pub fn note_handed_over(&mut self, topic: TopicNumber, from: Version, interval: Duration) {
        if matches!(self.state, State::Live) {
            self.outbox.note_first(Dirty { topic, base: from, since: None, interval, what: Owed::Announcement });
            self.limit_memory();
        }
    }

    /// A topic that the session selects went from `base` to `since`; it is to be told of it at the
    /// most once in an `interval`.
    pub fn note(&mut self, topic: TopicNumber, base: Version, since: Version, interval: Duration) {
        self.note_dirty(Dirty { topic, base, since: Some(since), interval, what: Owed::Changes });
    }

    /// The session goes on with a topic that it knows and was last told `base` of, which has changed
    /// since. Like what a new subscription finds, it is bound by no mark.
    pub fn note_resumed(&mut self, topic: TopicNumber, base: Version, interval: Duration) {
        self.note_dirty(Dirty { topic, base, since: None, interval, what: Owed::Changes });
    }

    /// A topic that the session selects was removed.
    pub fn note_removed(&mut self, topic: TopicNumber, version: Version) {
        self.note_dirty(Dirty {
            topic,
            base: version,
            since: Some(version),
            interval: Duration::ZERO,
            what: Owed::Removal(version),
        });
    }

    /// The session no longer selects a topic. `true` if the client never learned of it.
    pub fn forget(&mut self, topic: TopicNumber) -> bool {
        self.outbox.drop_topic(topic)
    }

    /// All topics that matched a subscription when it was made have been noted, as they stood when
    /// the log was at `head`.
    pub fn note_subscribed(&mut self, id: SubscriptionId, topics: u64, head: Version) {
        if matches!(self.state, State::Live) {
            self.outbox.note_subscribed(id, topics, head);
        }
    }

    /// A subscription ends before anything is done about it. `true` if the client was not [told](Self::note_subscribed)
    /// that it has all topics of it, and now never is.
    pub fn withdraw_subscribed(&mut self, id: SubscriptionId) -> bool {
        self.outbox.withdraw_subscribed(id)
    }

    /// A subscription has ended because the client asked for it, and what only it selected has been
    /// [forgotten](Self::forget).
    pub fn unsubscribed(&mut self, id: SubscriptionId) {
        self.subscriptions = self.subscriptions.saturating_sub(1);
        self.answer(&GatewayFrame::Unsubscribed { id });
    }

    /// The verdict on a publish.
    pub fn acknowledge(&mut self, ack: Ack) {
        self.in_flight = self.in_flight.saturating_sub(1);
        self.answer(&GatewayFrame::Ack(ack));
        self.leave_when_settled();
    }

    /// One value or event that a fetch asked for.
    pub fn fetched(&mut self, fetched: Fetched<'_>) {
        self.answer(&GatewayFrame::Fetched(fetched));
    }

    /// A fetch has been answered; `more` if its limit kept something back.
    pub fn fetch_ended(&mut self, id: crate::FetchId, more: bool) {
        self.fetches = self.fetches.saturating_sub(1);
        self.answer(&GatewayFrame::FetchEnd { id, more });
    }

    /// A request can't be met; a subscription or fetch so refused has ended.
    pub fn refuse(&mut self, request: RequestRef, code: ErrorCode) {
        match request {
            RequestRef::Subscription(_) => self.subscriptions = self.subscriptions.saturating_sub(1),
            RequestRef::Fetch(_) => self.fetches = self.fetches.saturating_sub(1),
        }
        self.answer(&GatewayFrame::Refused(Refused { request, code: code.number(), reason: code.message() }));
    }

    /// Ends the conversation in order. `retry_after` and `redirect` tell the client when and where
    /// to come back.
    pub fn close(&mut self, code: ErrorCode, reason: &str, retry_after: Duration, redirect: &str) {
        if matches!(self.state, State::Closing { .. } | State::Closed { .. }) {
            return;
        }
        let end = (0..=MAX_TEXT_BYTES).rev().find(|end| reason.is_char_boundary(*end)).unwrap_or_default();
        let reason = reason.get(..end).unwrap_or(reason);
        // What was owed is not told any more: the client resumes from its mark.
        self.outbox = Outbox::default();
        self.requests = VecDeque::new();
        self.repairs = VecDeque::new();
        self.answer(&GatewayFrame::Goodbye(Goodbye {
            code: code.number(),
            reason,
            retry_after_ms: retry_after.as_millis() as u64,
            redirect,
            speaks: if code == ErrorCode::UnsupportedVersion { [PROTOCOL_MAJOR].into() } else { Vec::new() },
        }));
        self.state = State::Closing { code: code.number() };
    }

    /// Asks the client to go on elsewhere: at `redirect`, or if that is empty at another endpoint that it
    /// knows. Serve it on until it says goodbye, and [`close`](Self::close) when `within` is over.
    pub fn move_away(&mut self, within: Duration, redirect: &str) {
        if matches!(self.state, State::Live) {
            let within_ms = u64::try_from(within.as_millis()).unwrap_or(u64::MAX);
            let redirect = if redirect.len() > MAX_TEXT_BYTES { "" } else { redirect };
            self.answer(&GatewayFrame::Move(Move { within_ms, redirect }));
        }
    }

    /// Once the goodbye has been handed out by [`poll_transmit`](Self::poll_transmit): the code to
    /// close the transport with.
    #[must_use]
    pub const fn poll_close(&self) -> Option<u16> {
        match self.state {
            State::Closed { code } => Some(code),
            _ => None,
        }
    }

    /// Whether a goodbye has been said: what has not been sent by now need not be waited for.
    #[must_use]
    pub const fn is_over(&self) -> bool {
        matches!(self.state, State::Closing { .. } | State::Closed { .. })
    }

    /// Whether the handshake is done and no goodbye has been said.
    #[must_use]
    pub const fn is_live(&self) -> bool {
        matches!(self.state, State::Live)
    }

    /// Whether so many answers wait to be sent that the driver should not read from the client.
    #[must_use]
    pub const fn is_congested(&self) -> bool {
        self.answers.len() > CONGESTED_BYTES
    }

    /// How many topics wait to be told of now. Those that wait out their rate don't count.
    #[must_use]
    pub fn owed(&self) -> usize {
        self.outbox.due()
    }

    /// Who publishes over this connection.
    #[must_use]
    pub const fn publisher(&self) -> PublisherId {
        self.publisher
    }

    /// The position up to which the session has been told everything.
    #[must_use]
    pub const fn mark(&self) -> Version {
        self.mark
    }

    /// When to call [`handle_timeout`](Self::handle_timeout) at the latest.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Timestamp> {
        match self.state {
            State::Opening { deadline } => Some(deadline),
            State::Greeted | State::Closing { .. } | State::Closed { .. } => None,
            State::Live => {
                let silence = self.heard + self.patience();
                Some(self.outbox.poll_timeout().into_iter().fold(self.next_ping().min(silence), Timestamp::min))
            }
        }
    }

    /// Time has passed. Calls that come early are harmless.
    pub fn handle_timeout(&mut self, now: Timestamp) {
        match self.state {
            State::Opening { deadline } if deadline <= now => {
                self.fail(ErrorCode::HandshakeTimeout, "the client did not say hello in time");
            }
            State::Live => {
                self.outbox.handle_timeout(now);
                if self.heard + self.patience() <= now {
                    self.fail(ErrorCode::Silence, "the client did not answer the gateway's pings");
                } else if self.next_ping() <= now {
                    self.ping += 1;
                    self.pinged = now;
                    self.answer(&GatewayFrame::Ping { token: self.ping });
                }
            }
            State::Opening { .. } | State::Greeted | State::Closing { .. } | State::Closed { .. } => {}
        }
    }

    /// A ping is due when nothing was said for a heartbeat, or nothing heard: a client that only
    /// listens, however much it is told, has to show now and then that it is there. One that takes
    /// nothing is not pinged more often.
    fn next_ping(&self) -> Timestamp {
        self.pinged.max(self.sent.min(self.heard)) + self.config.heartbeat
    }

    fn patience(&self) -> Duration {
        self.config.heartbeat * 2 + PONG_GRACE
    }

    fn note_dirty(&mut self, dirty: Dirty) {
        if !matches!(self.state, State::Live) {
            return;
        }
        self.outbox.note(dirty);
        self.limit_memory();
    }

    fn limit_memory(&mut self) {
        if self.outbox.len() * OWED_BYTES + self.answers.len() > self.config.max_memory {
            let reason = alloc::format!(
                "the client reads too slowly: what it is owed takes more than {} bytes",
                self.config.max_memory
            );
            self.fail(ErrorCode::SlowConsumer, &reason);
        }
    }

    fn answer(&mut self, frame: &GatewayFrame<'_>) {
        if !matches!(self.state, State::Closing { .. } | State::Closed { .. }) {
            self.answers.push(frame);
        }
    }

    fn fail(&mut self, code: ErrorCode, reason: &str) {
        self.close(code, reason, Duration::ZERO, "");
    }
}

#[cfg(test)]
mod tests;
