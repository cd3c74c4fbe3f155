//! What a client asks for: messages in, requests to the gateway out.

use alloc::format;
use bytes::Bytes;
use core::time::Duration;

use super::{Peer, State};
use crate::error::ErrorCode;
use crate::path::Path;
use crate::position::{FetchId, PublishNumber, PublisherId, ResumePoint, SubscriptionId, TopicNumber, Version};
use crate::selector::Selector;
use crate::time::Timestamp;
use crate::value::ValueType;
use crate::wire::{
    Ack, ClientFrame, Condition, Frames, GatewayFrame, Hello, HistoryStart, Operation, PROTOCOL_MAJOR, Publish,
    PublishPath, RequestRef, Resume, Subscribe, TopicProperties,
};

/// How many paths a connection may give an alias.
const MAX_ALIASES: usize = 1024;
/// How many requests may wait beside those that have limits of their own.
const SPARE_REQUESTS: usize = 1024;
/// What refusing a request takes off the allowance: a refusal is much longer than what it refuses.
const REFUSAL_COST: u64 = 20;
/// Interval of the slowest rate that can be asked for.
const MAX_INTERVAL: Duration = Duration::from_secs(3600);
/// Bytes that a message has to have room for beside the largest value: a client must be able to take as much.
pub const FRAME_ROOM: usize = 2048;

/// Something that only the gateway can do for a client.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PeerRequest {
    /// The client said hello: answer with [`Peer::welcome`].
    Hello {
        /// Who publishes over the connection.
        publisher: PublisherId,
        /// What the client knows to be answered.
        settled: PublishNumber,
        /// Where subscriptions that say so go on from.
        resume: Option<ResumePoint>,
        /// Shows who the client is; empty for none.
        credentials: Bytes,
    },
    /// Note every topic that matches, then [`Peer::note_subscribed`]; or [`Peer::refuse`].
    Subscribe {
        /// The subscription.
        id: SubscriptionId,
        /// Which topics.
        selector: Selector,
        /// The least time between two tellings of one topic.
        interval: Duration,
        /// From where event topics are told.
        from: HistoryStart,
        /// What of the resume point of the hello it goes on from.
        resume: Resume,
    },
    /// Forget what only this subscription selects, then [`Peer::unsubscribed`].
    Unsubscribe {
        /// The subscription.
        id: SubscriptionId,
    },
    /// Append a record to the log; answer with [`Peer::acknowledge`].
    Publish {
        /// The publisher's number.
        number: PublishNumber,
        /// The topic.
        path: Path,
        /// When the change may be made.
        condition: Condition,
        /// The change.
        change: Change,
    },
    /// Answer with [`Peer::fetched`] for each and [`Peer::fetch_ended`]; or [`Peer::refuse`].
    Fetch {
        /// The fetch.
        id: FetchId,
        /// Which topics.
        selector: Selector,
        /// Past events, or current values if `None`.
        history: Option<HistoryStart>,
        /// The most to answer with.
        limit: u64,
    },
    /// The client's replica of a topic can't be continued: if the session selects it, note it as
    /// changed from [`Version::NONE`].
    Repair {
        /// The topic.
        topic: TopicNumber,
    },
}

/// A change to a topic that a publisher asks for, as the log keeps it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Change {
    /// Sets a value topic.
    Set(ValueType, Bytes),
    /// Appends an event.
    Append(ValueType, Bytes),
    /// Changes the value set by an earlier publish of the same publisher.
    Delta {
        /// That publish.
        base: PublishNumber,
        /// The CRC-32 of the result.
        check: u32,
        /// The delta.
        delta: Bytes,
    },
    /// Applies an RFC 6902 JSON Patch.
    JsonPatch(Bytes),
    /// Applies an RFC 7386 JSON Merge Patch.
    MergePatch(Bytes),
    /// Removes the topic.
    Remove,
    /// Creates the topic.
    Create(TopicProperties),
}

impl Peer {
    /// A whole binary message came. What is wrong with it ends in a goodbye.
    pub fn handle_message(&mut self, message: &[u8], now: Timestamp) {
        self.heard = self.heard.max(now);
        if message.len() > self.config.max_message {
            let reason =
                format!("a message of {} bytes exceeds the limit of {}", message.len(), self.config.max_message);
            return self.fail(ErrorCode::MessageTooLarge, &reason);
        }
        if !self.take_allowance(now) {
            return;
        }
        for frame in Frames::new(message) {
            // What stands behind a goodbye is not looked at, whoever said it.
            if self.leaving || matches!(self.state, State::Closing { .. } | State::Closed { .. }) {
                return;
            }
            match frame.and_then(ClientFrame::decode) {
                Ok(Some(frame)) => self.handle_frame(frame),
                Ok(None) => {}
                Err(error) => {
                    return self.fail(ErrorCode::MalformedFrame, &format!("a frame could not be decoded: {error}"));
                }
            }
        }
    }

    /// A text message came.
    pub fn handle_text(&mut self) {
        self.fail(ErrorCode::TextMessage, ErrorCode::TextMessage.message());
    }

    /// A ping or pong of the transport came. It counts as a message.
    pub fn handle_control(&mut self, now: Timestamp) {
        self.heard = self.heard.max(now);
        self.take_allowance(now);
    }

    /// Takes `work` off the client's allowance, which counts in messages: for a request that makes
    /// much more of it than most. `false` if there is not so much, and then the conversation ends.
    pub fn charge(&mut self, work: u64) -> bool {
        match self.allowance.tokens_milli.checked_sub(work.saturating_mul(1000)) {
            Some(left) => self.allowance.tokens_milli = left,
            None => {
                let reason =
                    format!("the client asked for more than {} messages a second", self.config.messages_per_second);
                self.fail(ErrorCode::RateExceeded, &reason);
                return false;
            }
        }
        true
    }

    fn handle_frame(&mut self, frame: ClientFrame<'_>) {
        // Publishes are bounded by how many may wait for their verdict.
        if !matches!(frame, ClientFrame::Publish(_)) && !self.charge(1) {
            return;
        }
        match (&self.state, frame) {
            (State::Opening { .. }, ClientFrame::Hello(hello)) => self.handle_hello(hello),
            (_, ClientFrame::Goodbye(_)) => {
                self.leaving = true;
                self.leave_when_settled();
            }
            (State::Opening { .. }, _) => {
                self.fail(ErrorCode::UnexpectedFrame, "the first frame of a connection must be a hello");
            }
            (_, ClientFrame::Hello(_)) => self.fail(ErrorCode::UnexpectedFrame, "a second hello"),
            (_, ClientFrame::Subscribe(subscribe)) => self.handle_subscribe(subscribe),
            (_, ClientFrame::Unsubscribe { id }) => self.request(PeerRequest::Unsubscribe { id }),
            (_, ClientFrame::Publish(publish)) => self.handle_publish(&publish),
            (_, ClientFrame::Fetch { id, selector, history, limit }) => {
                self.handle_fetch(id, selector, history, limit);
            }
            (_, ClientFrame::Repair { topic }) => self.repairs.push_back(topic),
            (_, ClientFrame::Pong { .. }) => {}
            (_, ClientFrame::Ping { token }) => self.answer(&GatewayFrame::Pong { token }),
        }
    }

    fn request(&mut self, request: PeerRequest) {
        let limits = [self.config.max_subscriptions, self.config.max_subscriptions, self.config.max_in_flight];
        let most = limits.iter().fold(SPARE_REQUESTS, |sum, limit| sum.saturating_add(*limit));
        if self.requests.len() > most {
            self.fail(ErrorCode::RateExceeded, &format!("the client made more than {most} requests at once"));
        } else {
            self.requests.push_back(request);
        }
    }

    pub(super) fn refuse_at_once(&mut self, request: RequestRef, code: ErrorCode) {
        if self.charge(REFUSAL_COST) {
            self.refuse(request, code);
        }
    }

    /// Says goodbye to a client that did, once it has been welcomed and has the verdicts on its publishes.
    pub(super) fn leave_when_settled(&mut self) {
        let greeted = matches!(self.state, State::Greeted);
        if self.leaving && !greeted && self.in_flight == 0 && self.requests.is_empty() {
            self.fail(ErrorCode::Closed, "the client said goodbye");
        }
    }

    fn handle_hello(&mut self, hello: Hello<'_>) {
        if hello.major != PROTOCOL_MAJOR {
            let reason = format!(
                "the client speaks version {} of the protocol and this gateway {PROTOCOL_MAJOR}: update the older one",
                hello.major
            );
            return self.fail(ErrorCode::UnsupportedVersion, &reason);
        }
        let needed = self.config.max_value + FRAME_ROOM;
        if hello.max_message < needed as u64 {
            let reason = format!(
                "the client takes messages of {} bytes, and values here may need {needed}: raise the client's limit",
                hello.max_message
            );
            return self.fail(ErrorCode::MessageTooLarge, &reason);
        }
        self.message_limit = usize::try_from(hello.max_message).unwrap_or(usize::MAX);
        self.publisher = hello.publisher;
        self.state = State::Greeted;
        let Hello { publisher, settled, resume, credentials, .. } = hello;
        self.request(PeerRequest::Hello {
            publisher,
            settled,
            resume,
            credentials: Bytes::copy_from_slice(credentials),
        });
    }

    fn handle_subscribe(&mut self, subscribe: Subscribe<'_>) {
        let id = subscribe.id;
        let Ok(selector) = Selector::from_bytes(subscribe.selector) else {
            self.subscriptions += 1;
            return self.refuse_at_once(RequestRef::Subscription(id), ErrorCode::BadSelector);
        };
        let interval = match subscribe.max_rate_millihertz {
            0 => Duration::ZERO,
            rate => Duration::from_micros(1_000_000_000 / rate).min(MAX_INTERVAL),
        };
        let Subscribe { from, resume, .. } = subscribe;
        self.request(PeerRequest::Subscribe { id, selector, interval, from, resume });
    }

    fn handle_publish(&mut self, publish: &Publish<'_>) {
        let number = publish.number;
        if number.0 == 0 || number <= self.last_number {
            return self.fail(ErrorCode::UnexpectedFrame, "publishes must be numbered from 1 on and in order");
        }
        self.last_number = number;
        self.in_flight += 1;
        if self.in_flight as usize > self.config.max_in_flight {
            let reason = format!("more than {} publishes wait for their verdict", self.config.max_in_flight);
            return self.fail(ErrorCode::RateExceeded, &reason);
        }
        match self.publish_request(publish) {
            Ok(Some(request)) => self.request(request),
            Ok(None) => self.fail(ErrorCode::UnexpectedFrame, "a publish uses an alias that was not defined"),
            Err(code) => self.acknowledge(Ack { number, code: code.number(), version: Version::NONE }),
        }
    }

    /// The request that a publish makes; `None` if its alias can't be; an error if it is to be refused.
    fn publish_request(&mut self, publish: &Publish<'_>) -> Result<Option<PeerRequest>, ErrorCode> {
        let path = match publish.path {
            PublishPath::Whole(path) => Path::from_bytes(path).map_err(|_| ErrorCode::BadPath)?,
            PublishPath::Define(alias, path) => {
                if alias as usize != self.aliases.len() || self.aliases.len() >= MAX_ALIASES {
                    return Ok(None);
                }
                let path = Path::from_bytes(path).ok();
                self.aliases.push(path.clone());
                path.ok_or(ErrorCode::BadPath)?
            }
            PublishPath::Alias(alias) => match self.aliases.get(alias as usize) {
                // An alias of a bad path is refused each time, for the same reason.
                Some(path) => path.clone().ok_or(ErrorCode::BadPath)?,
                None => return Ok(None),
            },
        };
        let change = self.change(publish.operation)?;
        Ok(Some(PeerRequest::Publish { number: publish.number, path, condition: publish.condition, change }))
    }

    fn change(&self, operation: Operation<'_>) -> Result<Change, ErrorCode> {
        let fits = |bytes: &[u8]| {
            if bytes.len() > self.config.max_value {
                Err(ErrorCode::TooLarge)
            } else {
                Ok(Bytes::copy_from_slice(bytes))
            }
        };
        let typed = |value_type: ValueType, value: &[u8]| {
            if value_type.admits(value) { fits(value) } else { Err(ErrorCode::BadValue) }
        };
        Ok(match operation {
            Operation::Set { value_type, value } => Change::Set(value_type, typed(value_type, value)?),
            Operation::Append { value_type, value } => Change::Append(value_type, typed(value_type, value)?),
            Operation::Delta { base, check, delta } => Change::Delta { base, check, delta: fits(delta)? },
            Operation::JsonPatch { patch } => Change::JsonPatch(fits(patch)?),
            Operation::MergePatch { patch } => Change::MergePatch(fits(patch)?),
            Operation::Remove => Change::Remove,
            Operation::Create(properties) => Change::Create(properties),
        })
    }

    fn handle_fetch(&mut self, id: FetchId, selector: &[u8], history: Option<HistoryStart>, limit: u64) {
        let request = RequestRef::Fetch(id);
        self.fetches += 1;
        if self.fetches as usize > self.config.max_fetches {
            return self.refuse_at_once(request, ErrorCode::QueueFull);
        }
        match Selector::from_bytes(selector) {
            Ok(selector) => self.request(PeerRequest::Fetch { id, selector, history, limit }),
            Err(_) => self.refuse_at_once(request, ErrorCode::BadSelector),
        }
    }

    /// Takes one message off the allowance, which fills up with time to that of ten seconds.
    /// `false` if there was none, and then the conversation ends.
    fn take_allowance(&mut self, now: Timestamp) -> bool {
        let rate = u64::from(self.config.messages_per_second);
        let allowance = &mut self.allowance;
        let passed = (now - allowance.filled).as_micros() as u64;
        allowance.filled = allowance.filled.max(now);
        allowance.tokens_milli =
            allowance.tokens_milli.saturating_add(passed.saturating_mul(rate) / 1000).min(rate * 10_000);
        self.charge(1)
    }
}
