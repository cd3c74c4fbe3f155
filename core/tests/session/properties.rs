//! Whatever happens, in whatever order: nothing panics, nothing grows without bound, and in the end
//! the replicas are what the gateway has.

use std::collections::BTreeMap;
use std::time::Duration;

use outpour_core::peer::PeerConfig;
use outpour_core::session::{
    Event, Input, Lost, PublicationChange, PublishTicket, Request, SessionConfig, Signal, SubscribeOptions,
    TransportId, UpdateKind,
};
use outpour_core::wire::{
    Ack, Announce, ClientFrame, Condition, Fetched, Frames, GatewayFrame, Goodbye, HistoryStart, Move, Refused,
    RequestRef, Welcome,
};
use outpour_core::{
    Epoch, ErrorCode, FetchId, Partition, Path, PublishNumber, Selector, SubscriptionId, TopicKind, TopicNumber,
    ValueType, Version,
};
use proptest::collection::vec;
use proptest::prelude::*;

use crate::world::{Tamper, World, long, text};

const SELECTORS: [&str; 5] = ["**", "v/*", "v/1", "e/**", "*/2"];

/// What can happen to a session and the gateway that it talks to.
#[derive(Clone, Debug)]
enum Happening {
    Set(u8, u8),
    Append(u8),
    Remove(bool, u8),
    Subscribe(usize, u8),
    Unsubscribe(u8),
    Publish(u8),
    Stream(u8, u8),
    Take(u8, u8),
    Cut,
    Restart,
    Block(bool),
    Stall(bool),
    Spoil(u8),
    Pass(u16),
    Batch(u16),
}

fn happening() -> impl Strategy<Value = Happening> {
    use Happening::*;
    prop_oneof![
        8 => (0..4_u8, any::<u8>()).prop_map(|(topic, value)| Set(topic, value)),
        6 => (0..3_u8).prop_map(Append),
        1 => (any::<bool>(), 0..4_u8).prop_map(|(events, topic)| Remove(events, topic)),
        3 => (0..SELECTORS.len(), 1..20_u8).prop_map(|(selector, room)| Subscribe(selector, room)),
        1 => any::<u8>().prop_map(Unsubscribe),
        2 => (0..4_u8).prop_map(Publish),
        3 => (0..2_u8, any::<u8>()).prop_map(|(stream, value)| Stream(stream, value)),
        5 => (any::<u8>(), any::<u8>()).prop_map(|(id, count)| Take(id, count)),
        2 => Just(Cut),
        1 => Just(Restart),
        1 => any::<bool>().prop_map(Block),
        2 => any::<bool>().prop_map(Stall),
        2 => any::<u8>().prop_map(Spoil),
        3 => any::<u16>().prop_map(Pass),
        1 => (1..2000_u16).prop_map(Batch),
    ]
}

/// What an application knows of the topics of one subscription.
#[derive(Default)]
struct View {
    values: BTreeMap<String, (String, Version)>,
    events: BTreeMap<String, u64>,
    lives: usize,
}

impl View {
    /// Takes up to `count` updates and checks that they follow from those before.
    fn take(&mut self, world: &mut World, id: SubscriptionId, count: usize, lives: usize) {
        for _ in 0..count {
            let Some(update) = world.session.take_update(id) else { return };
            let path = update.path.to_string();
            match update.kind {
                UpdateKind::Value { value, version } => {
                    let before = self.values.insert(path, (value.to_string(), version));
                    if let Some((_, before)) = before {
                        assert!(version > before || self.lives < lives, "{version} after {before}");
                    }
                }
                UpdateKind::Event { sequence, .. } => {
                    let before = self.events.insert(path.clone(), sequence);
                    if let Some(before) = before {
                        assert!(sequence == before + 1 || self.lives < lives, "{path}: {sequence} after {before}");
                    }
                }
                UpdateKind::Gap { first, last } => {
                    assert!(first <= last);
                    let before = self.events.insert(path.clone(), last);
                    if let Some(before) = before {
                        assert!(first == before + 1 || self.lives < lives, "{path}: gap {first} after {before}");
                    }
                }
                UpdateKind::Removed => {
                    self.values.remove(&path);
                    self.events.remove(&path);
                }
                other => panic!("{other:?}"),
            }
        }
    }
}

fn spoil(nth: u8) -> Tamper {
    let mut left = Some(nth % 4);
    Box::new(move |message| {
        let last = Frames::new(message).last().and_then(|frame| GatewayFrame::decode(frame.unwrap()).unwrap());
        let carries_value = match last {
            Some(GatewayFrame::Snapshot { value, .. }) => !value.is_empty(),
            Some(GatewayFrame::Delta { delta, .. }) => !delta.is_empty(),
            _ => false,
        };
        if carries_value {
            left = match left {
                Some(0) => {
                    *message.last_mut().unwrap() ^= 1;
                    None
                }
                other => other.map(|count| count - 1),
            };
        }
    })
}

fn run(happenings: &[Happening], seed: u64) -> World {
    let config = SessionConfig { backoff_cap: Duration::from_secs(2), ..SessionConfig::default() };
    let mut world = World::with(config, PeerConfig { max_in_flight: 3, ..PeerConfig::default() }, seed);
    world.gateway.kept_events = 4;
    world.session.connect(world.now);
    world.settle();
    let streams = [world.session.open_stream(), world.session.open_stream()];
    let mut views: BTreeMap<SubscriptionId, (View, &str)> = BTreeMap::new();
    let mut tickets: Vec<PublishTicket> = Vec::new();
    let mut lives = 0;
    let nth = |views: &BTreeMap<SubscriptionId, (View, &str)>, wanted: u8| {
        views.keys().nth(usize::from(wanted) % views.len().max(1)).copied()
    };
    for happening in happenings {
        match *happening {
            Happening::Set(topic, value) => {
                let _version = world.gateway.set(&format!("v/{topic}"), &long(value.into()));
            }
            Happening::Append(topic) => {
                let _version = world.gateway.append(&format!("e/{topic}"), &text("event"));
            }
            Happening::Remove(events, topic) => {
                let _removed = world.gateway.remove(&format!("{}/{topic}", if events { "e" } else { "v" }));
            }
            Happening::Subscribe(selector, room) => {
                let from = [HistoryStart::Live, HistoryStart::All, HistoryStart::Last(2)][usize::from(room) % 3];
                let mailbox_count = room.into();
                let options = SubscribeOptions { mailbox_count, from, ..SubscribeOptions::default() };
                let id = world.subscribe_with(SELECTORS[selector], &options);
                // What it is told at first may be of a life that has ended.
                let epoch = world.session.epoch().map_or(1, |epoch| usize::from(epoch.0[0]));
                views.insert(id, (View { lives: epoch - 1, ..View::default() }, SELECTORS[selector]));
            }
            Happening::Unsubscribe(wanted) => {
                if let Some(id) = nth(&views, wanted) {
                    world.session.unsubscribe(id, world.now);
                    views.remove(&id);
                }
            }
            Happening::Publish(topic) => {
                let change = PublicationChange::Append(text("event"));
                tickets.push(world.publish_if(&format!("e/{topic}"), change, Condition::Always));
            }
            Happening::Stream(stream, value) => {
                let change = PublicationChange::Stream(streams[usize::from(stream)], long(value.into()));
                tickets.push(world.publish(&format!("v/s{stream}"), change));
            }
            Happening::Take(wanted, count) => {
                if let Some(id) = nth(&views, wanted)
                    && let Some((view, _)) = views.get_mut(&id)
                {
                    view.take(&mut world, id, count.into(), lives);
                }
            }
            Happening::Cut => world.cut(),
            Happening::Restart => {
                world.cut();
                world.gateway.restart();
                lives += 1;
            }
            Happening::Block(blocked) => world.blocked = blocked,
            Happening::Stall(stalled) => world.stalled = stalled,
            Happening::Spoil(nth) => world.tamper = Some(spoil(nth)),
            Happening::Pass(millis) => world.advance(Duration::from_millis(millis.into())),
            Happening::Batch(size) => world.batch = size.into(),
        }
        world.settle();
    }
    // Everything heals, and everything that is owed comes.
    (world.blocked, world.stalled, world.tamper) = (false, false, None);
    world.advance(Duration::from_secs(120));
    assert!(world.session.is_live());
    let selectors: Vec<&str> = views.values().map(|(_, selector)| *selector).collect();
    world.assert_replicas(&selectors);
    for (id, (view, selector)) in &mut views {
        view.take(&mut world, *id, usize::MAX, lives);
        let selector = Selector::new(selector).unwrap();
        for topic in world.gateway.topics().filter(|topic| selector.matches(topic.path().as_str())) {
            let path = topic.path().as_str();
            if let Some(value) = topic.value() {
                let wanted = (String::from_utf8_lossy(value).into_owned(), topic.version());
                assert_eq!(view.values.remove(path), Some(wanted), "{path}");
            } else if let Some(told) = view.events.get(path) {
                // A new log is told from where it stood when the session came to it.
                assert!(*told == topic.sequence() || view.lives < lives, "{path}: {told} of {}", topic.sequence());
            }
        }
        assert_eq!(view.values, BTreeMap::new(), "told of topics that are not there");
    }
    for ticket in tickets {
        assert!(world.verdict(ticket).is_ok());
    }
    for (stream, id) in streams.iter().enumerate() {
        let newest = happenings.iter().rev().find_map(|happening| match happening {
            Happening::Stream(other, value) if usize::from(*other) == stream => Some(long((*value).into())),
            // A topic of a log that is gone.
            Happening::Restart => Some(text("")),
            _ => None,
        });
        if let Some(newest) = newest.filter(|newest| !newest.bytes().is_empty()) {
            assert_eq!(world.value(&format!("v/s{stream}")), Some(newest.to_string()), "stream {id:?}");
        }
    }
    world
}

proptest! {
    #[test]
    fn in_the_end_everybody_has_what_the_gateway_has(happenings in vec(happening(), 1..80), seed: u64) {
        let one = run(&happenings, seed);
        let same = run(&happenings, seed);
        prop_assert_eq!(one.session.statistics(), same.session.statistics());
        prop_assert_eq!(one.events, same.events);
    }
}

/// Anything at all that can be done to a session.
#[derive(Clone, Debug)]
enum Call {
    Connect,
    Opened(u8),
    Message(u8, Vec<u8>),
    Text(u8),
    Lost(u8),
    Signal(u8),
    Tick,
    Pass(u32),
    Subscribe(usize),
    Unsubscribe(u8),
    Publish(u8, u8),
    Fetch(usize),
    CancelFetch(u8),
    Transmit,
    Take(u8),
    Hear,
    Close(u16),
}

fn frame() -> impl Strategy<Value = Vec<u8>> {
    let topic = || (0..5_u32).prop_map(TopicNumber);
    let version = || prop_oneof![9 => (0..20_u64).prop_map(Version), 1 => any::<u64>().prop_map(Version)];
    let number = || prop_oneof![9 => 0..20_u64, 1 => any::<u64>()];
    let bytes = || vec(any::<u8>(), 0..12);
    let encoded = |frame: GatewayFrame<'_>| {
        let mut message = Vec::new();
        frame.encode(&mut message);
        message
    };
    let announce = (topic(), 0..4_usize, any::<bool>(), version(), number()).prop_map(
        move |(topic, path, event, version, sequence)| {
            let path = Path::new(["v/1", "v/2", "e/1", "other"][path]).unwrap();
            let kind = if event { TopicKind::Event } else { TopicKind::Value };
            let (partition, value_type) = (Partition(topic.0 % 2), ValueType::Binary);
            encoded(GatewayFrame::Announce(Announce { topic, partition, kind, value_type, version, sequence, path }))
        },
    );
    let snapshot = (topic(), version(), bytes(), any::<bool>()).prop_map(move |(topic, version, value, sound)| {
        let check = if sound { outpour_core::check::check(&value, version) } else { 7 };
        encoded(GatewayFrame::Snapshot { topic, version, check, value: &value })
    });
    let delta = (topic(), number(), bytes()).prop_map(move |(topic, distance, delta)| {
        encoded(GatewayFrame::Delta { topic, distance, check: 7, delta: &delta })
    });
    let event = (topic(), number(), bytes())
        .prop_map(move |(topic, distance, value)| encoded(GatewayFrame::Event { topic, distance, value: &value }));
    let gap = (topic(), version(), number())
        .prop_map(move |(topic, version, sequence)| encoded(GatewayFrame::Gap { topic, version, sequence }));
    let short =
        (0..9_u8, topic(), version(), number(), 0..6_u32).prop_map(move |(kind, topic, version, number, id)| {
            let code = u16::try_from(4100 + number % 20).unwrap();
            encoded(match kind {
                0 => GatewayFrame::Removed { topic, version },
                1 => GatewayFrame::Mark { partition: Partition(id), version },
                2 => GatewayFrame::Ack(Ack {
                    number: PublishNumber(number),
                    code: if id < 3 { 0 } else { code },
                    version,
                }),
                3 if id == 0 => GatewayFrame::Move(Move { within_ms: number, redirect: "ws://a" }),
                3 if id == 1 => GatewayFrame::Unsubscribed { id: SubscriptionId(number as u32 % 6) },
                3 => GatewayFrame::Ping { token: number },
                4 => GatewayFrame::Subscribed { id: SubscriptionId(id), topics: number },
                5 => GatewayFrame::FetchEnd { id: FetchId(id), more: id > 3 },
                6 => {
                    let request = RequestRef::Subscription(SubscriptionId(id));
                    GatewayFrame::Refused(Refused { request, code, reason: "no" })
                }
                7 => {
                    let retry_after_ms = number;
                    GatewayFrame::Goodbye(Goodbye { code, retry_after_ms, ..Goodbye::default() })
                }
                _ => GatewayFrame::Fetched(Fetched {
                    id: FetchId(id),
                    path: Path::new("v/1").unwrap(),
                    kind: TopicKind::Value,
                    value_type: ValueType::Json,
                    version,
                    sequence: number,
                    value: b"1",
                }),
            })
        });
    prop_oneof![4 => announce, 4 => snapshot, 3 => delta, 3 => event, 2 => gap, 4 => short, 1 => vec(any::<u8>(), 0..20)]
}

fn welcome() -> impl Strategy<Value = Vec<u8>> {
    let numbers = (0..3_u8, any::<u64>(), prop_oneof![4 => Just(1_u64 << 16), 1 => any::<u64>()], any::<u64>());
    numbers.prop_map(|(epoch, heartbeat_ms, max_message, max_value)| {
        let mut message = Vec::new();
        GatewayFrame::Welcome(Welcome {
            major: 1,
            minor: u64::from(epoch),
            epoch: Epoch([epoch; 16]),
            heartbeat_ms,
            max_message,
            max_value,
            max_in_flight: max_value % 7,
            max_subscriptions: 4,
            applied: PublishNumber(max_value),
            resumed: max_value % 2 == 1,
            principal: "",
        })
        .encode(&mut message);
        message
    })
}

fn call() -> impl Strategy<Value = Call> {
    use Call::*;
    prop_oneof![
        2 => Just(Connect),
        4 => (0..2_u8).prop_map(Opened),
        4 => ((0..2_u8), welcome()).prop_map(|(age, message)| Message(age, message)),
        20 => ((0..2_u8), vec(frame(), 1..6)).prop_map(|(age, frames)| Message(age, frames.concat())),
        1 => (0..2_u8).prop_map(Text),
        1 => (0..2_u8).prop_map(Lost),
        1 => any::<u8>().prop_map(Signal),
        2 => Just(Tick),
        2 => any::<u32>().prop_map(Pass),
        4 => (0..SELECTORS.len()).prop_map(Subscribe),
        1 => any::<u8>().prop_map(Unsubscribe),
        3 => (any::<u8>(), any::<u8>()).prop_map(|(path, change)| Publish(path, change)),
        2 => (0..SELECTORS.len()).prop_map(Fetch),
        1 => any::<u8>().prop_map(CancelFetch),
        6 => Just(Transmit),
        3 => any::<u8>().prop_map(Take),
        3 => Just(Hear),
        1 => any::<u16>().prop_map(Close),
    ]
}

proptest! {
    #[test]
    fn nothing_that_happens_makes_a_session_panic_or_grow(calls in vec(call(), 1..120), seed: u64) {
        let config = SessionConfig { max_topics: 3, queue_count: 5, queue_bytes: 100, ..SessionConfig::default() };
        let mut world = World::with(config, PeerConfig::default(), seed);
        let mut subscriptions = Vec::new();
        let mut fetches = Vec::new();
        let mut transport = 0;
        let mut closed = false;
        let mut greeted = BTreeMap::new();
        let stream = world.session.open_stream();
        for call in calls {
            let (session, now) = (&mut world.session, world.now);
            match call {
                Call::Connect => session.connect(now),
                Call::Opened(age) => session.handle_input(Input::Opened { transport: TransportId(transport - u64::from(age).min(transport)), early_taken: false }, now),
                Call::Message(age, message) => {
                    session.handle_input(Input::Message(TransportId(transport - u64::from(age).min(transport)), &message), now);
                }
                Call::Text(age) => session.handle_input(Input::TextMessage(TransportId(transport - u64::from(age).min(transport))), now),
                Call::Lost(age) => {
                    let lost = Lost { code: ErrorCode::ConnectionLost, detail: String::new() };
                    session.handle_input(Input::Lost(TransportId(transport - u64::from(age).min(transport)), lost), now);
                }
                Call::Signal(signal) => {
                    let all = [Signal::NetworkUp, Signal::NetworkDown, Signal::Resumed, Signal::Suspending];
                    session.handle_input(Input::Signal(all[usize::from(signal) % 4]), now);
                }
                Call::Tick => session.handle_input(Input::Tick, now),
                Call::Pass(micros) => {
                    world.now = now + Duration::from_micros(micros.into()) * 100;
                    session.handle_input(Input::Tick, world.now);
                }
                Call::Subscribe(selector) => {
                    let options = SubscribeOptions { mailbox_count: 2, mailbox_bytes: 10, ..SubscribeOptions::default() };
                    let selector = Selector::new(SELECTORS[selector]).unwrap();
                    subscriptions.extend(session.subscribe(&selector, &options, now));
                }
                Call::Unsubscribe(nth) => {
                    if !subscriptions.is_empty() {
                        let id = subscriptions.remove(usize::from(nth) % subscriptions.len());
                        session.unsubscribe(id, now);
                        assert_eq!(session.take_update(id), None);
                    }
                }
                Call::Publish(path, change) => {
                    let path = Path::new(&format!("p/{}", path % 3)).unwrap();
                    let value = long(change.into());
                    let change = match change % 4 {
                        0 => PublicationChange::Set(value),
                        1 => PublicationChange::Append(value),
                        2 => PublicationChange::Stream(stream, value),
                        _ => PublicationChange::Remove,
                    };
                    let publication = outpour_core::session::Publication { change, condition: Condition::Always };
                    let _refused = session.publish(&path, publication, now);
                }
                Call::Fetch(selector) => {
                    let selector = Selector::new(SELECTORS[selector]).unwrap();
                    fetches.extend(session.fetch(&selector, None, 2, now));
                }
                Call::CancelFetch(nth) => {
                    if !fetches.is_empty() {
                        session.cancel_fetch(fetches[usize::from(nth) % fetches.len()]);
                    }
                }
                Call::Transmit => {
                    let mut message = Vec::new();
                    if let Some(id) = session.poll_transmit(&mut message, now) {
                        for frame in Frames::new(&message) {
                            let frame = ClientFrame::decode(frame.unwrap()).unwrap().unwrap();
                            let first = greeted.insert(id, ()).is_none();
                            // A goodbye may be all that is ever said.
                            let hello = matches!(frame, ClientFrame::Hello(_));
                            assert!(hello == first || first && matches!(frame, ClientFrame::Goodbye(_)), "{frame:?}");
                        }
                    } else {
                        assert!(message.is_empty());
                    }
                }
                Call::Take(nth) => {
                    if !subscriptions.is_empty() {
                        let _update = session.take_update(subscriptions[usize::from(nth) % subscriptions.len()]);
                    }
                }
                Call::Hear => while session.poll_event().inspect(|event| closed |= matches!(event, Event::Closed { .. })).is_some() {},
                Call::Close(millis) => session.close(Duration::from_millis(millis.into()), now),
            }
            while let Some(request) = world.session.poll_request() {
                if let Request::Open { transport: opened, .. } = request {
                    assert!(opened.0 > transport && !closed);
                    transport = opened.0;
                }
            }
            if let Some((deadline, _)) = world.session.poll_timeout() {
                // A tick at a deadline must move it, or a driver would spin.
                let mut probe = deadline.max(world.now);
                for _ in 0..3 {
                    world.session.handle_input(Input::Tick, probe);
                    probe = match world.session.poll_timeout() {
                        Some((next, _)) if next <= probe => panic!("the deadline {next:?} does not move"),
                        _ => probe,
                    };
                }
                world.now = probe;
            }
        }
        for id in subscriptions {
            // Its room, and a removal and a value for each topic that found none.
            let left = std::iter::from_fn(|| world.session.take_update(id)).count();
            assert!(left <= 2 + 2 * 4, "{left} updates in a mailbox");
        }
        assert!(world.session.replicas(&Selector::new("**").unwrap()).count() <= 3);
    }
}
