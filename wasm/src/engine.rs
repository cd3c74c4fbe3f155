//! What JavaScript calls. Texts and bytes cross the boundary as `src/exchange.rs` says: "the argument" is what was written
//! there, and a call that answers with bytes returns their count. Calls that can fail return a negative number: the code of
//! the error.

#![expect(unsafe_code, reason = "JavaScript calls by names")]

use bytes::Bytes;
use core::time::Duration;
use outpour_core::session::{
    Credentials, Input, Publication, PublicationChange, PublishTicket, QueueFull, Session, SessionConfig, Signal,
    StreamId, SubscribeOptions,
};
use outpour_core::wire::{Condition, HistoryStart, TopicProperties};
use outpour_core::{
    ErrorCode, Fault, FetchId, Path, PublisherId, Selector, SubscriptionId, Timestamp, TopicKind, Value, ValueType,
    Version,
};

use crate::clock::milliseconds;
use crate::driver::{Driver, State};
use crate::engines;
use crate::exchange::{give, take_bytes, take_text, take_text_and_bytes};
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

/// The bytes of randomness that a session begins with: who publishes, and a seed.
const RANDOM_BYTES: usize = 24;
/// How many figures there are in an engine's settings.
const FIGURES: usize = 5;

/// A session that has yet to be connected. The argument is 24 random bytes; the milliseconds to connect in, the back-off's
/// base and cap, and the count and bytes of the queue, doubles and 0 each for what is usual; the agent; and behind it the
/// endpoints, URLs with a line each. Gives the engine's number, or a refusal.
#[unsafe(no_mangle)]
extern "C" fn engine_new(flags: u32, agent_len: usize) -> f64 {
    let argument = take_bytes();
    start(&argument, flags, agent_len).map_or_else(refusal, f64::from)
}

fn start(argument: &[u8], flags: u32, agent_len: usize) -> Result<u32, ErrorCode> {
    let bad = ErrorCode::BadOptions;
    let (random, rest) = argument.split_at_checked(RANDOM_BYTES).ok_or(bad)?;
    let (publisher, seed) = random.split_first_chunk().ok_or(bad)?;
    let seed = seed.first_chunk().copied().unwrap_or_default();
    let (figures, texts) = rest.split_at_checked(FIGURES * 8).ok_or(bad)?;
    let (agent, endpoints) =
        core::str::from_utf8(texts).ok().and_then(|texts| texts.split_at_checked(agent_len)).ok_or(bad)?;
    let text = |line: &[u8]| String::from_utf8(line.to_vec()).unwrap_or_default();
    let endpoints: Vec<String> = endpoints.as_bytes().split(|byte| *byte == b'\n').map(text).collect();
    let usual = SessionConfig::default();
    let figure = |index: usize| {
        let bytes = figures.get(index * 8..)?.first_chunk()?;
        Some(f64::from_le_bytes(*bytes)).filter(|figure| *figure > 0.0)
    };
    let time = |index, usual| figure(index).map_or(usual, duration);
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
    config.validate()?;
    let create = |now| Session::new(config, PublisherId(*publisher), u64::from_le_bytes(seed), now);
    Ok(engines::insert(|number| Driver::new(number, create, endpoints)))
}

/// Gives an engine back. Its sockets and its timer are the caller's to close.
#[unsafe(no_mangle)]
extern "C" fn engine_free(engine: u32) {
    engines::remove(engine);
}

/// Asks an engine for something, and does what follows. What is asked of no engine comes to nothing.
fn ask<T: Default>(engine: u32, ask: impl FnOnce(&mut State, Timestamp) -> T) -> T {
    engines::get(engine).map(|driver| driver.ask(ask)).unwrap_or_default()
}

/// Looks at what an engine has.
fn look<T: Default>(engine: u32, look: impl FnOnce(&mut State, Timestamp) -> T) -> T {
    engines::get(engine).map(|driver| driver.look(look)).unwrap_or_default()
}

/// Asks an engine for something that can be refused.
fn request<T: Into<f64>>(engine: u32, request: impl FnOnce(&mut State, Timestamp) -> Result<T, ErrorCode>) -> f64 {
    let answer = engines::get(engine).map_or(Err(ErrorCode::Closed), |driver| driver.ask(request));
    answer.map_or_else(refusal, Into::into)
}

fn duration(milliseconds: f64) -> Duration {
    Duration::from_micros((milliseconds * 1000.0) as u64)
}

/// Connects, and stays connected as well as it can.
#[unsafe(no_mangle)]
extern "C" fn engine_connect(engine: u32) {
    ask(engine, |state, now| state.core.connect(now));
}

/// Ends the session when every publish is settled, or so many milliseconds are over.
#[unsafe(no_mangle)]
extern "C" fn engine_close(engine: u32, flush: f64) {
    ask(engine, |state, now| state.core.close(duration(flush), now));
}

/// What has happened: answers with records as `src/records.rs` says.
#[unsafe(no_mangle)]
extern "C" fn engine_records(engine: u32) -> usize {
    give(engines::get(engine).map(|driver| driver.take_records()).unwrap_or_default())
}

/// Updates of a subscription, about `bytes` of them: answers with records as `src/update_records.rs` says.
#[unsafe(no_mangle)]
extern "C" fn engine_take(engine: u32, id: u32, bytes: usize) -> usize {
    give(look(engine, |state, _| {
        let mut records = Records::default();
        state.epoch = None;
        while records.0.len() < bytes
            && let Some(update) = state.core.take_update(SubscriptionId(id))
        {
            records.update(&update, &mut state.epoch);
        }
        records.0
    }))
}

/// Subscribes to the selector that is the argument. Gives the subscription's number. The most updates per topic and second
/// are `max_rate`, 0 for all.
#[unsafe(no_mangle)]
extern "C" fn engine_subscribe(engine: u32, max_rate: f64, from: u8, from_number: u64) -> f64 {
    let selector = take_selector();
    let options = SubscribeOptions {
        max_rate: (max_rate != 0.0).then_some(max_rate),
        from: history(from, from_number).unwrap_or_default(),
        ..SubscribeOptions::default()
    };
    request(engine, |state, now| state.core.subscribe(&selector?, &options, now).map(|id| id.0))
}

/// Ends a subscription.
#[unsafe(no_mangle)]
extern "C" fn engine_unsubscribe(engine: u32, id: u32) {
    ask(engine, |state, now| state.core.unsubscribe(SubscriptionId(id), now));
}

/// Publishes a change. The argument is the path, and behind it the value or patch. Gives the publish's ticket.
#[unsafe(no_mangle)]
extern "C" fn engine_publish(
    engine: u32,
    path_len: usize,
    change: u8,
    value_type: u8,
    stream: u32,
    condition: u8,
    version: u64,
) -> f64 {
    let (path, bytes) = take_text_and_bytes(path_len);
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
    publish(engine, &path, change, condition, version)
}

/// Creates the topic whose path is the argument, with a say in its properties. Gives the publish's ticket.
#[unsafe(no_mangle)]
extern "C" fn engine_create(
    engine: u32,
    flags: u32,
    value_type: u8,
    history: f64,
    history_age_ms: f64,
    condition: u8,
) -> f64 {
    let path = take_text();
    let create = |value_type| {
        PublicationChange::Create(TopicProperties {
            kind: if flags & IS_EVENT_TOPIC == 0 { TopicKind::Value } else { TopicKind::Event },
            value_type,
            retain: flags & RETAIN != 0,
            conflate: flags & CONFLATE != 0,
            history: history as u64,
            history_age_ms: history_age_ms as u64,
        })
    };
    publish(engine, &path, ValueType::from_code(value_type).map(create).ok_or(ErrorCode::BadOptions), condition, 0)
}

fn publish(engine: u32, path: &str, change: Result<PublicationChange, ErrorCode>, condition: u8, version: u64) -> f64 {
    let condition = match condition {
        0 => Condition::Always,
        1 => Condition::IfAbsent,
        _ => Condition::IfVersion(Version(version)),
    };
    request(engine, |state, now| {
        let publication = Publication { change: change?, condition };
        let path = Path::new(path).map_err(|_| ErrorCode::BadPath)?;
        state.core.publish(&path, publication, now).map(|PublishTicket(ticket)| ticket as f64)
    })
}

/// Opens an update stream, and gives its number.
#[unsafe(no_mangle)]
extern "C" fn engine_open_stream(engine: u32) -> u32 {
    look(engine, |state, _| state.core.open_stream().0)
}

/// Ends an update stream.
#[unsafe(no_mangle)]
extern "C" fn engine_close_stream(engine: u32, id: u32) {
    look(engine, |state, _| state.core.close_stream(StreamId(id)));
}

/// Asks for the values, or with a `history` other than 0 for past events, of what the selector matches that is the argument.
/// Gives the question's number.
#[unsafe(no_mangle)]
extern "C" fn engine_fetch(engine: u32, history_from: u8, history_number: u64, limit: f64) -> f64 {
    let selector = take_selector();
    let history = history(history_from, history_number);
    request(engine, |state, now| state.core.fetch(&selector?, history, limit as u64, now).map(|FetchId(id)| id))
}

/// Gives up on an answer.
#[unsafe(no_mangle)]
extern "C" fn engine_cancel_fetch(engine: u32, id: u32) {
    look(engine, |state, _| state.core.cancel_fetch(FetchId(id)));
}

/// What is held of the topic whose path is the argument: answers with one record, or with nothing.
#[unsafe(no_mangle)]
extern "C" fn engine_replica(engine: u32) -> usize {
    let path = take_text();
    give(look(engine, |state, now| {
        let mut records = Records::default();
        if let Some(replica) = state.core.replica(&path) {
            records.replica(&replica, milliseconds(now - replica.received));
        }
        records.0
    }))
}

/// What is held of the topics that the argument matches: answers with records.
#[unsafe(no_mangle)]
extern "C" fn engine_replicas(engine: u32) -> usize {
    let selector = take_selector();
    give(look(engine, |state, now| {
        let mut records = Records::default();
        if let Ok(selector) = selector {
            for replica in state.core.replicas(&selector) {
                records.replica(&replica, milliseconds(now - replica.received));
            }
        }
        records.0
    }))
}

/// Passes on a hint of the platform: 0 network up, 1 network down, 2 resumed, 3 suspending.
#[unsafe(no_mangle)]
extern "C" fn engine_signal(engine: u32, signal: u8) {
    let signal = match signal {
        0 => Signal::NetworkUp,
        1 => Signal::NetworkDown,
        2 => Signal::Resumed,
        _ => Signal::Suspending,
    };
    ask(engine, |state, now| state.core.handle_input(Input::Signal(signal), now));
}

/// Asks the gateway for a sign of life.
#[unsafe(no_mangle)]
extern "C" fn engine_ping(engine: u32) {
    ask(engine, |state, _| state.core.ping());
}

/// What has been counted: answers with doubles for messages and bytes in, bytes out, updates, bytes of these whole, deltas,
/// snapshots, repairs, connections, and the round trip in milliseconds (negative if it is not known).
#[unsafe(no_mangle)]
extern "C" fn engine_statistics(engine: u32) -> usize {
    give(look(engine, |state, _| {
        let counted = state.core.statistics();
        let mut records = Records::default();
        for count in [
            counted.messages_in,
            counted.bytes_in,
            counted.bytes_out,
            counted.updates,
            counted.full_bytes,
            counted.deltas,
            counted.snapshots,
            counted.repairs,
            counted.connections,
        ] {
            records.f64(count as f64);
        }
        records.f64(state.core.round_trip().map_or(-1.0, milliseconds));
        records.0
    }))
}

/// Who the session is to the gateway: answers with a text, empty for anybody.
#[unsafe(no_mangle)]
extern "C" fn engine_principal(engine: u32) -> usize {
    give(look(engine, |state, _| state.core.principal().as_bytes().to_vec()))
}

/// Answers the question for credentials of this number. The argument is these, or why there are none.
#[unsafe(no_mangle)]
extern "C" fn engine_provide(engine: u32, question: f64, are_there: u8) {
    let argument = take_bytes();
    ask(engine, |state, now| {
        let Some((_, id)) = state.questions.take_if(|(asked, _)| *asked == question) else { return };
        let answer = match are_there {
            0 => Err(String::from_utf8(argument).unwrap_or_default()),
            _ => Ok(Credentials::new(argument)),
        };
        state.core.handle_input(Input::Credentials(id, answer), now);
    });
}

/// What the session holds, in at the most so many bytes: answers with these.
#[unsafe(no_mangle)]
extern "C" fn engine_export(engine: u32, max_bytes: usize) -> usize {
    give(look(engine, |state, _| state.core.export(max_bytes)))
}

/// Takes up what another session held, the argument. 1 if it was taken up.
#[unsafe(no_mangle)]
extern "C" fn engine_import(engine: u32) -> u8 {
    let bytes = take_bytes();
    look(engine, |state, now| state.core.import(&bytes, now).is_ok().into())
}

fn take_selector() -> Result<Selector, ErrorCode> {
    Selector::new(&take_text()).map_err(|_| ErrorCode::BadSelector)
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

/// What is known of a code: answers with name, who is at fault, whether trying again can help, and a sentence, a line each.
/// With nothing for a number that is no code.
#[unsafe(no_mangle)]
extern "C" fn describe_code(number: u16) -> usize {
    let mut text = String::new();
    if let Some(code) = ErrorCode::from_number(number) {
        let fault = match code.fault() {
            Fault::Nobody => "\nnobody\n",
            Fault::Caller => "\ncaller\n",
            Fault::Peer => "\npeer\n",
            Fault::Network => "\nnetwork\n",
            _ => "\ngateway\n",
        };
        for part in [code.name(), fault, if code.is_retryable() { "1\n" } else { "0\n" }, code.message()] {
            text.push_str(part);
        }
    }
    give(text.into_bytes())
}
