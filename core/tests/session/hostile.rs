//! A gateway that breaks the rules: it is told so, left, and tried again; nothing else happens.

use std::time::Duration;

use outpour_core::peer::PeerConfig;
use outpour_core::session::{Event, Input, Request, SessionConfig};
use outpour_core::wire::{
    Announce, ClientFrame, Fetched, Frames, GatewayFrame, PROTOCOL_MAJOR, PROTOCOL_MINOR, Welcome, write_varint,
};
use outpour_core::{
    Epoch, ErrorCode, FetchId, Partition, Path, PublishNumber, Selector, TopicKind, TopicNumber, ValueType, Version,
};

use crate::world::{World, text};

const VALUE: TopicNumber = TopicNumber(1);
const EVENTS: TopicNumber = TopicNumber(2);

/// A world with a value topic and an event topic that have been told.
fn told() -> World {
    let mut world = World::connected();
    world.gateway.set("value", &text("1"));
    world.gateway.append("events", &text("event 1"));
    world.subscribe("**");
    world.events.clear();
    world
}

fn message(frames: &[GatewayFrame<'_>]) -> Vec<u8> {
    frames.iter().fold(Vec::new(), |mut message, frame| {
        frame.encode(&mut message);
        message
    })
}

fn announce(topic: TopicNumber, path: &str) -> GatewayFrame<'static> {
    GatewayFrame::Announce(Announce {
        topic,
        partition: Partition(0),
        kind: TopicKind::Value,
        value_type: ValueType::Text,
        version: Version(1),
        sequence: 0,
        path: Path::new(path).unwrap(),
    })
}

fn welcome() -> Welcome<'static> {
    Welcome {
        major: PROTOCOL_MAJOR,
        minor: PROTOCOL_MINOR,
        epoch: Epoch([1; 16]),
        heartbeat_ms: 10_000,
        max_message: 1 << 20,
        max_value: 1 << 20,
        max_in_flight: 16,
        max_subscriptions: 16,
        applied: PublishNumber(0),
        resumed: false,
        principal: "",
    }
}

/// The session leaves the gateway with this code and comes back.
#[track_caller]
fn assert_left(mut world: World, code: ErrorCode) {
    let left = world.events.iter().find_map(|event| match event {
        Event::Disconnected { code, .. } => Some(*code),
        _ => None,
    });
    assert_eq!(left, Some(code), "{:?}", world.events);
    assert_eq!(world.closes, [code.number()]);
    world.advance(Duration::from_secs(60));
    assert!(world.session.is_live());
    world.assert_replicas(&["**"]);
}

#[test]
fn each_violation_has_its_code() {
    let empty = |topic| GatewayFrame::Delta { topic, distance: 1, check: 0, delta: &[] };
    let event = |topic, distance| GatewayFrame::Event { topic, distance, value: b"event" };
    let snapshot = |topic| GatewayFrame::Snapshot { topic, version: Version(9), check: 0, value: b"x" };
    let gap = |topic, version, sequence| GatewayFrame::Gap { topic, version: Version(version), sequence };
    let unexpected = [
        GatewayFrame::Welcome(welcome()),
        empty(EVENTS),
        event(VALUE, 1),
        event(EVENTS, 0),
        event(EVENTS, u64::MAX),
        GatewayFrame::Delta { topic: VALUE, distance: 0, check: 0, delta: &[] },
        GatewayFrame::Delta { topic: VALUE, distance: u64::MAX, check: 0, delta: &[] },
        GatewayFrame::Event { topic: EVENTS, distance: 1, value: b"\xff not UTF-8" },
        snapshot(EVENTS),
        gap(VALUE, 9, 9),
        gap(EVENTS, 1, 9),
        gap(EVENTS, 9, 0),
        announce(VALUE, "another"),
    ];
    for frame in unexpected {
        let mut world = told();
        world.inject(&message(&[frame]));
        assert_left(world, ErrorCode::UnexpectedFrame);
    }
    let unknown = TopicNumber(99);
    for frame in [empty(unknown), event(unknown, 1), snapshot(unknown), gap(unknown, 9, 9)] {
        let mut world = told();
        world.inject(&message(&[frame]));
        assert_left(world, ErrorCode::UnknownTopic);
    }
    for bytes in [&[0xff; 20][..], &[0x12], &[0x9a, 0], &[0x41, 1, 1]] {
        let mut world = told();
        world.inject(bytes);
        assert_left(world, ErrorCode::MalformedFrame);
    }
}

#[test]
fn a_text_message_is_none() {
    let mut world = told();
    let id = world.wire.unwrap();
    world.session.handle_input(Input::TextMessage(id), world.now);
    let mut last = Vec::new();
    assert_eq!(world.session.poll_transmit(&mut last, world.now), Some(id));
    let frame = Frames::new(&last).next().unwrap().unwrap();
    let Ok(Some(ClientFrame::Goodbye(goodbye))) = ClientFrame::decode(frame) else { panic!() };
    assert_eq!(goodbye.code, ErrorCode::TextMessage.number());
    world.settle();
    assert_left(world, ErrorCode::TextMessage);
}

#[test]
fn a_message_larger_than_announced_is_refused() {
    let config = SessionConfig { max_message: 2 << 20, ..SessionConfig::default() };
    let mut world = World::with(config, PeerConfig::default(), 1);
    world.connect();
    world.inject(&vec![0; (2 << 20) + 1]);
    assert_left(world, ErrorCode::MessageTooLarge);
}

#[test]
fn a_goodbye_ends_a_message_and_what_follows_is_not_heard() {
    let mut world = told();
    let goodbye = outpour_core::wire::Goodbye { code: ErrorCode::ShuttingDown.number(), ..Default::default() };
    let both = message(&[GatewayFrame::Goodbye(goodbye), GatewayFrame::Welcome(welcome())]);
    world.inject(&both);
    assert!(matches!(world.events[..], [Event::Disconnected { code: ErrorCode::ShuttingDown, .. }]));
}

#[test]
fn the_first_frame_must_be_a_sound_welcome() {
    let tiny = Welcome { max_message: 100, ..welcome() };
    let sound = GatewayFrame::Welcome(welcome());
    let frames = [GatewayFrame::Ping { token: 1 }, announce(VALUE, "value"), GatewayFrame::Welcome(tiny), sound];
    for frame in frames {
        let mut world = World::new();
        world.session.connect(world.now);
        let Some(Request::Open { transport, .. }) = world.session.poll_request() else { panic!() };
        world.wire = Some(transport);
        world.session.handle_input(Input::Opened { transport, early_taken: false }, world.now);
        // A welcome is sound only as the answer to a hello.
        if frame != GatewayFrame::Welcome(welcome()) {
            let mut hello = Vec::new();
            assert_eq!(world.session.poll_transmit(&mut hello, world.now), Some(transport));
        }
        world.session.handle_input(Input::Message(transport, &message(&[frame])), world.now);
        world.settle();
        assert_left(world, ErrorCode::UnexpectedFrame);
    }
    let mut world = World::new();
    world.session.connect(world.now);
    let Some(Request::Open { transport, .. }) = world.session.poll_request() else { panic!() };
    world.session.handle_input(Input::Opened { transport, early_taken: false }, world.now);
    assert_eq!(world.session.poll_transmit(&mut Vec::new(), world.now), Some(transport));
    let other = message(&[GatewayFrame::Welcome(Welcome { major: 2, ..welcome() })]);
    world.session.handle_input(Input::Message(transport, &other), world.now);
    world.settle();
    assert!(matches!(world.events.last(), Some(Event::Closed { code: ErrorCode::UnsupportedVersion, .. })));
}

#[test]
fn frames_of_a_newer_minor_version_are_passed_over() {
    let mut world = told();
    let mut message = Vec::new();
    write_varint(&mut message, 3 << 4 | 15);
    message.extend_from_slice(&[77, 1, 2]);
    GatewayFrame::Ping { token: 7 }.encode(&mut message);
    world.blocked = true;
    world.inject(&message);
    assert!(world.session.is_live());
    let mut answer = Vec::new();
    world.session.poll_transmit(&mut answer, world.now).unwrap();
    let frame = Frames::new(&answer).next().unwrap().unwrap();
    assert_eq!(ClientFrame::decode(frame), Ok(Some(ClientFrame::Pong { token: 7 })));
}

#[test]
fn more_topics_than_the_session_may_hold_are_the_end() {
    let config = SessionConfig { max_topics: 3, ..SessionConfig::default() };
    let mut world = World::with(config.clone(), PeerConfig::default(), 1);
    for topic in 0..4 {
        world.gateway.set(&format!("a/{topic}"), &text("1"));
    }
    world.connect();
    world.subscribe("**");
    assert!(matches!(world.events.last(), Some(Event::Closed { code: ErrorCode::SessionTopics, .. })));
    // Topics that nothing selects count as well, for the numbers that they take.
    let mut world = World::with(config, PeerConfig::default(), 1);
    world.connect();
    for number in 10..17 {
        world.inject(&message(&[announce(TopicNumber(number), &format!("unasked/{number}"))]));
    }
    assert!(matches!(world.events.last(), Some(Event::Closed { code: ErrorCode::SessionTopics, .. })));
}

#[test]
fn more_than_was_fetched_is_not_taken() {
    let mut world = World::connected();
    let selector = Selector::new("**").unwrap();
    let id = world.session.fetch(&selector, None, 1, world.now).unwrap();
    let fetched = |id| {
        GatewayFrame::Fetched(Fetched {
            id,
            path: Path::new("a").unwrap(),
            kind: TopicKind::Value,
            value_type: ValueType::Text,
            version: Version(1),
            sequence: 0,
            value: b"1",
        })
    };
    // Answers to what was never asked are for a fetch that was cancelled, as far as the session knows.
    world.blocked = true;
    world.inject(&message(&[fetched(FetchId(99)), GatewayFrame::FetchEnd { id: FetchId(99), more: false }]));
    assert!(world.session.is_live());
    world.inject(&message(&[fetched(id), fetched(id)]));
    world.blocked = false;
    world.settle();
    assert_left(world, ErrorCode::UnexpectedFrame);
}

#[test]
fn verdicts_and_ends_of_what_was_never_asked_are_passed_over() {
    let mut world = told();
    let ack = outpour_core::wire::Ack { number: PublishNumber(9), code: 0, version: Version(1) };
    let id = outpour_core::SubscriptionId(99);
    let refused = outpour_core::wire::Refused {
        request: outpour_core::wire::RequestRef::Subscription(id),
        code: 65_535,
        reason: "",
    };
    world.inject(&message(&[
        GatewayFrame::Ack(ack),
        GatewayFrame::Subscribed { id, topics: u64::MAX },
        GatewayFrame::Refused(refused),
        GatewayFrame::Mark { partition: Partition(u32::MAX), version: Version(u64::MAX) },
    ]));
    assert!(world.session.is_live());
    assert!(world.events.is_empty());
}
