//! What JavaScript calls. Calls that can fail answer with a negative number: the code of the error.

use std::rc::Rc;

use bytes::Bytes;
use core::time::Duration;
use js_sys::Function;
use outpour_core::session::{
    Credentials, Input, Publication, PublicationChange, PublishTicket, QueueFull, Session, SessionConfig, Signal,
    StoreError, StreamId, SubscribeOptions,
};
use outpour_core::wire::{Condition, HistoryStart, TopicProperties};
use outpour_core::{
    ErrorCode, Fault, FetchId, Path, PublisherId, Selector, SubscriptionId, TopicKind, Value, ValueType, Version,
};
use wasm_bindgen::prelude::*;

use crate::clock::milliseconds;
use crate::driver::Driver;
use crate::platform::Host;
use crate::records::{Records, refusal};

/// Bits of an engine's settings.
const ASK_CREDENTIALS: u32 = 1;
const FOLLOW_REDIRECTS: u32 = 2;
const DROP_OLDEST: u32 = 4;
const NO_RECONNECT: u32 = 8;

/// Bits of a topic's properties.
const IS_EVENT_TOPIC: u32 = 1;
const RETAIN: u32 = 2;
const CONFLATE: u32 = 4;

/// A session and its driver.
#[wasm_bindgen]
#[derive(Debug)]
pub struct Engine {
    driver: Rc<Driver>,
}

#[wasm_bindgen]
impl Engine {
    /// A session that has yet to be connected. `endpoints` are URLs, a line each; `random` are 24 random bytes;
    /// `figures` are the milliseconds to connect in, the back-off's base and cap, and the count and bytes of the queue:
    /// 0 each for what is usual.
    ///
    /// # Errors
    /// The code of what is wrong with the settings.
    #[wasm_bindgen(constructor)]
    pub fn new(
        host: Host,
        constructor: Function,
        endpoints: &str,
        agent: &str,
        flags: u32,
        figures: &[f64],
        random: &[u8],
    ) -> Result<Self, JsValue> {
        let endpoints: Vec<String> = endpoints.lines().map(str::to_owned).collect();
        let usual = SessionConfig::default();
        let figure = |index: usize| figures.get(index).copied().filter(|figure| *figure > 0.0);
        let time = |index, usual| figure(index).map_or(usual, |time| Duration::from_micros((time * 1000.0) as u64));
        let config = SessionConfig {
            agent: if agent.is_empty() { usual.agent } else { agent.into() },
            endpoints: endpoints.clone(),
            follow_redirects: flags & FOLLOW_REDIRECTS != 0,
            ask_credentials: flags & ASK_CREDENTIALS != 0,
            reconnect: flags & NO_RECONNECT == 0,
            connect_timeout: time(0, usual.connect_timeout),
            backoff_base: time(1, usual.backoff_base),
            backoff_cap: time(2, usual.backoff_cap),
            queue_count: figure(3).map_or(usual.queue_count, |count| count as usize),
            queue_bytes: figure(4).map_or(usual.queue_bytes, |bytes| bytes as usize),
            queue_full: if flags & DROP_OLDEST == 0 { QueueFull::Error } else { QueueFull::DropOldest },
            ..usual
        };
        config.validate().map_err(|code| JsValue::from(code.number()))?;
        let (publisher, seed) =
            random.split_first_chunk().ok_or_else(|| JsValue::from(ErrorCode::BadOptions.number()))?;
        let seed = seed.first_chunk().copied().unwrap_or_default();
        let create = |now| Session::new(config, PublisherId(*publisher), u64::from_le_bytes(seed), now);
        Ok(Self { driver: Driver::new(create, endpoints, host, constructor) })
    }

    /// Connects, and stays connected as well as it can.
    pub fn connect(&self) {
        self.driver.ask(|state, now| state.core.connect(now));
    }

    /// Ends the session when every publish is settled, or so many milliseconds are over.
    pub fn close(&self, flush: f64) {
        let flush = Duration::from_micros((flush.max(0.0) * 1000.0) as u64);
        self.driver.ask(|state, now| state.core.close(flush, now));
    }

    /// What has happened: records as `src/records.rs` says.
    pub fn records(&self) -> Vec<u8> {
        self.driver.take_records()
    }

    /// Updates of a subscription, about `bytes` of them: records as `src/update_records.rs` says.
    pub fn take(&self, id: u32, bytes: u32) -> Vec<u8> {
        self.driver.look(|state, _| {
            let mut records = Records::default();
            state.epoch = None;
            while records.0.len() < bytes as usize
                && let Some(update) = state.core.take_update(SubscriptionId(id))
            {
                records.update(&update, &mut state.epoch);
            }
            records.0
        })
    }

    /// Subscribes. Gives the subscription's number. The most updates per topic and second are `max_rate`, 0 for all.
    pub fn subscribe(&self, selector: &str, max_rate: f64, from: u8, from_number: u64) -> f64 {
        let options = SubscribeOptions {
            max_rate: (max_rate != 0.0).then_some(max_rate),
            from: history(from, from_number).unwrap_or_default(),
            ..SubscribeOptions::default()
        };
        let subscribed = Selector::new(selector)
            .map_err(|_| ErrorCode::BadSelector)
            .and_then(|selector| self.driver.ask(|state, now| state.core.subscribe(&selector, &options, now)));
        subscribed.map_or_else(refusal, |id| f64::from(id.0))
    }

    /// Ends a subscription.
    pub fn unsubscribe(&self, id: u32) {
        self.driver.ask(|state, now| state.core.unsubscribe(SubscriptionId(id), now));
    }

    /// Publishes a change. Gives its ticket.
    #[expect(clippy::too_many_arguments, reason = "a call with plain arguments is the cheapest across the boundary")]
    pub fn publish(
        &self,
        path: &str,
        change: u8,
        value_type: u8,
        bytes: Vec<u8>,
        stream: u32,
        condition: u8,
        version: u64,
    ) -> f64 {
        let value = |bytes: Vec<u8>| {
            let value_type = ValueType::from_code(value_type).ok_or(ErrorCode::BadOptions)?;
            Value::from_bytes(value_type, bytes)
        };
        let change = match change {
            0 => value(bytes).map(PublicationChange::Set),
            1 => value(bytes).map(PublicationChange::Append),
            2 => value(bytes).map(|value| PublicationChange::Stream(StreamId(stream), value)),
            3 => Ok(PublicationChange::JsonPatch(Bytes::from(bytes))),
            4 => Ok(PublicationChange::MergePatch(Bytes::from(bytes))),
            5 => Ok(PublicationChange::Remove),
            _ => Err(ErrorCode::BadOptions),
        };
        change.map_or_else(refusal, |change| self.send(path, change, condition, version))
    }

    /// Creates a topic with a say in its properties. Gives the publish's ticket.
    pub fn create(
        &self,
        path: &str,
        flags: u32,
        value_type: u8,
        history: f64,
        history_age_ms: f64,
        condition: u8,
    ) -> f64 {
        let Some(value_type) = ValueType::from_code(value_type) else { return refusal(ErrorCode::BadOptions) };
        let properties = TopicProperties {
            kind: if flags & IS_EVENT_TOPIC == 0 { TopicKind::Value } else { TopicKind::Event },
            value_type,
            retain: flags & RETAIN != 0,
            conflate: flags & CONFLATE != 0,
            history: history as u64,
            history_age_ms: history_age_ms as u64,
        };
        self.send(path, PublicationChange::Create(properties), condition, 0)
    }

    fn send(&self, path: &str, change: PublicationChange, condition: u8, version: u64) -> f64 {
        let condition = match condition {
            0 => Condition::Always,
            1 => Condition::IfAbsent,
            _ => Condition::IfVersion(Version(version)),
        };
        let sent = Path::new(path).map_err(|_| ErrorCode::BadPath).and_then(|path| {
            let publication = Publication { change, condition };
            self.driver.ask(|state, now| state.core.publish(&path, publication, now))
        });
        sent.map_or_else(refusal, |PublishTicket(ticket)| ticket as f64)
    }

    /// Opens an update stream, and gives its number.
    pub fn open_stream(&self) -> u32 {
        self.driver.look(|state, _| state.core.open_stream().0)
    }

    /// Ends an update stream.
    pub fn close_stream(&self, id: u32) {
        self.driver.look(|state, _| state.core.close_stream(StreamId(id)));
    }

    /// Asks for values, or with a `history` other than 0 for past events. Gives the question's number.
    pub fn fetch(&self, selector: &str, history_from: u8, history_number: u64, limit: f64) -> f64 {
        let asked = Selector::new(selector).map_err(|_| ErrorCode::BadSelector).and_then(|selector| {
            let history = history(history_from, history_number);
            self.driver.ask(|state, now| state.core.fetch(&selector, history, limit as u64, now))
        });
        asked.map_or_else(refusal, |FetchId(id)| id as f64)
    }

    /// Gives up on an answer.
    pub fn cancel_fetch(&self, id: f64) {
        self.driver.look(|state, _| state.core.cancel_fetch(FetchId(id as _)));
    }

    /// What is held of a topic, as one record; nothing if there is nothing.
    pub fn replica(&self, path: &str) -> Option<Vec<u8>> {
        self.driver.look(|state, now| {
            let replica = state.core.replica(path)?;
            let mut records = Records::default();
            records.replica(&replica, milliseconds(now - replica.received));
            Some(records.0)
        })
    }

    /// What is held of the topics that match, as records; nothing if the selector is none.
    pub fn replicas(&self, selector: &str) -> Option<Vec<u8>> {
        let selector = Selector::new(selector).ok()?;
        Some(self.driver.look(|state, now| {
            let mut records = Records::default();
            for replica in state.core.replicas(&selector) {
                records.replica(&replica, milliseconds(now - replica.received));
            }
            records.0
        }))
    }

    /// Passes on a hint of the platform: 0 network up, 1 network down, 2 resumed, 3 suspending.
    pub fn signal(&self, signal: u8) {
        let signal = match signal {
            0 => Signal::NetworkUp,
            1 => Signal::NetworkDown,
            2 => Signal::Resumed,
            _ => Signal::Suspending,
        };
        self.driver.handle_input(Input::Signal(signal));
    }

    /// Asks the gateway for a sign of life.
    pub fn ping(&self) {
        self.driver.ask(|state, _| state.core.ping());
    }

    /// What has been counted: messages and bytes in, bytes out, updates, bytes of these whole, deltas, snapshots, repairs,
    /// connections, and the round trip in milliseconds (negative if it is not known).
    pub fn statistics(&self) -> Vec<f64> {
        self.driver.look(|state, _| {
            let counted = state.core.statistics();
            let round_trip = state.core.round_trip().map_or(-1.0, milliseconds);
            let counts = [
                counted.messages_in,
                counted.bytes_in,
                counted.bytes_out,
                counted.updates,
                counted.full_bytes,
                counted.deltas,
                counted.snapshots,
                counted.repairs,
                counted.connections,
            ];
            counts.into_iter().map(|count| count as f64).chain([round_trip]).collect()
        })
    }

    /// Who the session is to the gateway; empty for anybody.
    pub fn principal(&self) -> String {
        self.driver.look(|state, _| state.core.principal().to_owned())
    }

    /// Answers the question for credentials of this number, with these or with why there are none.
    pub fn provide(&self, question: f64, credentials: Option<Vec<u8>>, problem: String) {
        self.driver.ask(|state, now| {
            let Some((_, id)) = state.questions.take_if(|(asked, _)| *asked == question) else { return };
            let answer = credentials.map(Credentials::new).ok_or(problem);
            state.core.handle_input(Input::Credentials(id, answer), now);
        });
    }

    /// What the session holds, in at the most so many bytes.
    pub fn export(&self, max_bytes: u32) -> Vec<u8> {
        self.driver.look(|state, _| state.core.export(max_bytes as usize))
    }

    /// Takes up what another session held. 0, or the number of what is wrong: [`describe_store_error`].
    pub fn import(&self, bytes: &[u8]) -> u8 {
        self.driver.look(|state, now| match state.core.import(bytes, now) {
            Ok(()) => 0,
            Err(StoreError::Foreign) => 1,
            Err(StoreError::Damaged) => 2,
            Err(StoreError::TooLarge) => 3,
            Err(_) => 4,
        })
    }
}

fn history(from: u8, number: u64) -> Option<HistoryStart> {
    match from {
        0 => None,
        1 => Some(HistoryStart::Live),
        2 => Some(HistoryStart::Last(number)),
        3 => Some(HistoryStart::All),
        _ => Some(HistoryStart::After(Version(number))),
    }
}

/// What is known of a code: name, who is at fault, whether trying again can help, and a sentence, a line each. Nothing
/// for a number that is no code.
#[wasm_bindgen]
pub fn describe_code(number: u16) -> Option<String> {
    let code = ErrorCode::from_number(number)?;
    let fault = match code.fault() {
        Fault::Nobody => "nobody",
        Fault::Caller => "caller",
        Fault::Peer => "peer",
        Fault::Network => "network",
        _ => "gateway",
    };
    let (name, retryable, message) = (code.name(), u8::from(code.is_retryable()), code.message());
    Some([name, fault, if retryable == 1 { "1" } else { "0" }, message].join("\n"))
}

/// What is wrong with bytes that were not taken up.
#[wasm_bindgen]
pub fn describe_store_error(number: u8) -> String {
    let error = match number {
        1 => StoreError::Foreign,
        2 => StoreError::Damaged,
        3 => StoreError::TooLarge,
        _ => StoreError::NotFresh,
    };
    error.to_string()
}
