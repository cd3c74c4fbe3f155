//! Any sequence of calls and of messages: a session does not panic, does not spin, keeps bounded memory,
//! and says only what a gateway can read.
#![no_main]

use std::collections::BTreeSet;
use std::time::Duration;

use libfuzzer_sys::arbitrary::{self, Arbitrary};
use libfuzzer_sys::fuzz_target;
use outpour_core::check::check;
use outpour_core::session::{
    Event, Input, Lost, Publication, PublicationChange, Request, Session, SessionConfig, Signal, SubscribeOptions,
    TransportId,
};
use outpour_core::wire::{Announce, ClientFrame, Condition, Frames, GatewayFrame, Welcome};
use outpour_core::{
    Epoch, ErrorCode, Partition, Path, PublishNumber, PublisherId, Selector, Timestamp, TopicKind, TopicNumber, Value,
    ValueType, Version,
};

const SELECTORS: [&str; 4] = ["**", "a/*", "a/1", "*/1"];
const PATHS: [&str; 4] = ["a/1", "a/2", "b/1", "c"];
const MAX_TOPICS: usize = 3;

#[derive(Arbitrary, Debug)]
enum Step<'a> {
    Opened { old: bool },
    Message { old: bool, bytes: &'a [u8] },
    Welcome { epoch: u8, heartbeat_ms: u16, max_message: u32, max_in_flight: u8 },
    Announce { topic: u8, path: u8, event: bool, version: u8, sequence: u8 },
    Snapshot { topic: u8, version: u8, value: &'a [u8] },
    Delta { topic: u8, distance: u8, check: u16, delta: &'a [u8] },
    Event { topic: u8, distance: u8, value: &'a [u8] },
    Removed { topic: u8, version: u8 },
    Text,
    Lost { old: bool },
    Signal(u8),
    Pass { millis: u32 },
    Connect,
    Subscribe(u8),
    Unsubscribe(u8),
    Publish { path: u8, kind: u8, value: &'a [u8] },
    Fetch { selector: u8, limit: u8 },
    CancelFetch(u8),
    Transmit,
    Take(u8),
    Hear,
    Close { millis: u16 },
}

fn frame(step: &Step<'_>) -> Option<Vec<u8>> {
    let topic_of = |number: u8| TopicNumber(u32::from(number) % 6);
    let version_of = |version: u8| Version(version.into());
    let frame = match *step {
        Step::Welcome { epoch, heartbeat_ms, max_message, max_in_flight } => GatewayFrame::Welcome(Welcome {
            major: 1,
            minor: 0,
            epoch: Epoch([epoch % 2; 16]),
            heartbeat_ms: heartbeat_ms.into(),
            max_message: u64::from(max_message) + 4000,
            max_value: max_message.into(),
            max_in_flight: max_in_flight.into(),
            max_subscriptions: 8,
            applied: PublishNumber(0),
            resumed: max_in_flight % 2 == 1,
            principal: "",
        }),
        Step::Announce { topic, path, event, version, sequence } => GatewayFrame::Announce(Announce {
            topic: topic_of(topic),
            partition: Partition(u32::from(topic) / 128),
            kind: if event { TopicKind::Event } else { TopicKind::Value },
            value_type: ValueType::Binary,
            version: version_of(version),
            sequence: sequence.into(),
            path: Path::new(PATHS[usize::from(path) % PATHS.len()]).ok()?,
        }),
        Step::Snapshot { topic, version, value } => {
            let version = version_of(version);
            GatewayFrame::Snapshot { topic: topic_of(topic), version, check: check(value, version), value }
        }
        Step::Delta { topic, distance, check, delta } => {
            GatewayFrame::Delta { topic: topic_of(topic), distance: distance.into(), check, delta }
        }
        Step::Event { topic, distance, value } => {
            GatewayFrame::Event { topic: topic_of(topic), distance: distance.into(), value }
        }
        Step::Removed { topic, version } => {
            GatewayFrame::Removed { topic: topic_of(topic), version: version_of(version) }
        }
        _ => return None,
    };
    let mut message = Vec::new();
    frame.encode(&mut message);
    Some(message)
}

fuzz_target!(|input: (u64, Vec<Step<'_>>)| {
    let (seed, steps) = input;
    let config = SessionConfig { max_topics: MAX_TOPICS, queue_count: 8, queue_bytes: 256, ..SessionConfig::default() };
    let mut now = Timestamp::ZERO;
    let mut session = Session::new(config, PublisherId([1; 16]), seed, now);
    let stream = session.open_stream();
    let (mut transport, mut closed) = (0_u64, false);
    let (mut subscriptions, mut fetches, mut greeted) = (Vec::new(), Vec::new(), BTreeSet::new());
    session.connect(now);
    for step in &steps {
        let id = |old: bool| TransportId(transport.saturating_sub(u64::from(old)));
        match *step {
            Step::Opened { old } => session.handle_input(Input::Opened { transport: id(old), early_taken: false }, now),
            Step::Message { old, bytes } => session.handle_input(Input::Message(id(old), bytes), now),
            Step::Text => session.handle_input(Input::TextMessage(id(false)), now),
            Step::Lost { old } => {
                let lost = Lost { code: ErrorCode::ConnectionLost, detail: String::new() };
                session.handle_input(Input::Lost(id(old), lost), now);
            }
            Step::Signal(signal) => {
                let all = [Signal::NetworkUp, Signal::NetworkDown, Signal::Resumed, Signal::Suspending];
                session.handle_input(Input::Signal(all[usize::from(signal) % 4]), now);
            }
            Step::Pass { millis } => {
                now = now + Duration::from_millis(millis.into());
                session.handle_input(Input::Tick, now);
            }
            Step::Connect => session.connect(now),
            Step::Subscribe(nth) => {
                let options = SubscribeOptions { mailbox_count: 2, mailbox_bytes: 16, ..SubscribeOptions::default() };
                let selector = Selector::new(SELECTORS[usize::from(nth) % SELECTORS.len()]).unwrap();
                subscriptions.extend(session.subscribe(&selector, &options, now));
            }
            Step::Unsubscribe(nth) if !subscriptions.is_empty() => {
                let id = subscriptions.swap_remove(usize::from(nth) % subscriptions.len());
                session.unsubscribe(id, now);
                assert_eq!(session.take_update(id), None);
            }
            Step::Publish { path, kind, value } => {
                let path = Path::new(PATHS[usize::from(path) % PATHS.len()]).unwrap();
                let value = Value::binary(value.to_vec());
                let change = match kind % 4 {
                    0 => PublicationChange::Set(value),
                    1 => PublicationChange::Append(value),
                    2 => PublicationChange::Stream(stream, value),
                    _ => PublicationChange::Remove,
                };
                let _refused = session.publish(&path, Publication { change, condition: Condition::Always }, now);
            }
            Step::Fetch { selector, limit } => {
                let selector = Selector::new(SELECTORS[usize::from(selector) % SELECTORS.len()]).unwrap();
                fetches.extend(session.fetch(&selector, None, limit.into(), now));
            }
            Step::CancelFetch(nth) if !fetches.is_empty() => {
                session.cancel_fetch(fetches[usize::from(nth) % fetches.len()]);
            }
            Step::Transmit => {
                let mut message = Vec::new();
                if let Some(id) = session.poll_transmit(&mut message, now) {
                    for raw in Frames::new(&message) {
                        let frame = ClientFrame::decode(raw.unwrap()).unwrap().unwrap();
                        let is_first = greeted.insert(id);
                        match frame {
                            ClientFrame::Hello(_) => assert!(is_first),
                            ClientFrame::Goodbye(_) => {}
                            _ => assert!(!is_first),
                        }
                    }
                }
            }
            Step::Take(nth) if !subscriptions.is_empty() => {
                let _update = session.take_update(subscriptions[usize::from(nth) % subscriptions.len()]);
            }
            Step::Hear => {
                while let Some(event) = session.poll_event() {
                    assert!(!closed, "something follows the end");
                    closed = matches!(event, Event::Closed { .. });
                }
            }
            Step::Close { millis } => session.close(Duration::from_millis(millis.into()), now),
            ref told => {
                if let Some(message) = frame(told) {
                    session.handle_input(Input::Message(id(false), &message), now);
                }
            }
        }
        while let Some(request) = session.poll_request() {
            if let Request::Open { transport: opened, .. } = request {
                assert!(opened.0 > transport && !closed);
                transport = opened.0;
            }
        }
        if let Some((deadline, _)) = session.poll_timeout()
            && deadline <= now
        {
            session.handle_input(Input::Tick, now);
            assert!(session.poll_timeout().is_none_or(|(next, _)| next > now), "the deadline does not move");
        }
    }
    for id in subscriptions {
        // Its room, and for each topic that found none a removal and what came after it.
        let left = std::iter::from_fn(|| session.take_update(id)).count();
        assert!(left <= 2 + 2 * PATHS.len());
    }
    assert!(session.replicas(&Selector::new("**").unwrap()).count() <= MAX_TOPICS);
});
