//! Topics told: values, deltas, events, gaps, repairs, and what the application hears of them.

use std::time::Duration;

use outpour_core::check::{check, short_check};
use outpour_core::session::{Event, PublicationChange, SubscribeOptions, UpdateKind};
use outpour_core::wire::{Frames, GatewayFrame, HistoryStart, TopicProperties};
use outpour_core::{ErrorCode, Selector, TopicKind, TopicNumber, ValueType, Version};

use crate::world::{World, brief, long, text};

#[test]
fn a_subscriber_is_told_what_is_and_what_comes() {
    let mut world = World::connected();
    world.gateway.set("a/x", &long(1));
    let id = world.subscribe("a/*");
    assert_eq!(world.session.poll_readable(), Some(id));
    assert_eq!(world.told(id), [format!("a/x={}", long(1))]);
    assert_eq!(world.events, [Event::Subscribed { id, topics: 1 }]);
    world.gateway.set("a/x", &long(2));
    world.gateway.set("a/y", &text("new"));
    world.gateway.set("b/z", &text("not selected"));
    world.settle();
    assert_eq!(world.session.poll_readable(), Some(id));
    assert_eq!(world.session.poll_readable(), None, "named once until drained");
    let updates = world.updates(id);
    assert_eq!(updates.iter().map(brief).collect::<Vec<_>>(), [format!("a/x={}", long(2)), "a/y=new".into()]);
    assert!(updates[0].wire_bytes < 20, "a delta: {} bytes", updates[0].wire_bytes);
    let counted = world.session.statistics();
    assert_eq!((counted.deltas, counted.snapshots, counted.updates, counted.repairs), (1, 2, 3, 0));
    world.assert_replicas(&["a/*"]);
    assert_eq!(world.session.mark(outpour_core::Partition(0)), Version(3));
}

#[test]
fn a_topic_removed_is_reported_and_gone() {
    let mut world = World::connected();
    world.gateway.set("a", &text("1"));
    let id = world.subscribe("**");
    world.gateway.remove("a");
    world.settle();
    assert_eq!(world.told(id), ["a=1", "a-"]);
    assert!(world.session.replica("a").is_none());
    world.gateway.append("a", &text("event again"));
    world.settle();
    assert_eq!(world.told(id), ["a!event again#1"], "the path can come back as something else");
}

#[test]
fn a_topic_that_keeps_no_value_is_told_from_the_next_one_on() {
    let mut world = World::connected();
    let properties = TopicProperties {
        kind: TopicKind::Value,
        value_type: ValueType::Text,
        retain: false,
        conflate: true,
        history: 0,
        history_age_ms: 0,
    };
    world.publish("a", PublicationChange::Create(properties));
    world.gateway.set("a", &long(1));
    let id = world.subscribe("a");
    assert_eq!(world.told(id), [""; 0]);
    world.gateway.set("a", &long(2));
    world.settle();
    assert_eq!(world.told(id), [format!("a={}", long(2))], "by way of a snapshot asked for");
    assert_eq!(world.session.statistics().repairs, 1);
    world.gateway.set("a", &long(3));
    world.settle();
    assert_eq!(world.told(id), [format!("a={}", long(3))]);
    assert_eq!(world.session.statistics().repairs, 1);
}

#[test]
fn events_come_with_their_numbers_and_from_where_they_are_wanted() {
    let mut world = World::connected();
    for number in 1..=3 {
        world.gateway.append("e", &text(&format!("event {number}")));
    }
    let from = |from| SubscribeOptions { from, ..SubscribeOptions::default() };
    let last = world.subscribe_with("e", &from(HistoryStart::Last(2)));
    world.gateway.append("e", &text("event 4"));
    world.settle();
    assert_eq!(world.told(last), ["e!event 2#2", "e!event 3#3", "e!event 4#4"]);
    let mut world2 = World::connected();
    world2.gateway.append("e", &text("event 1"));
    let live = world2.subscribe("e");
    world2.gateway.append("e", &text("event 2"));
    world2.settle();
    assert_eq!(world2.told(live), ["e!event 2#2"]);
    assert_eq!(world2.session.replica("e").unwrap().value, text("event 2"));
}

#[test]
fn events_that_the_gateway_no_longer_keeps_are_a_gap() {
    let mut world = World::new();
    world.gateway.kept_events = 2;
    world.gateway.append("e", &text("event 1"));
    world.connect();
    let id = world.subscribe("e");
    for number in 2..=7 {
        world.gateway.append("e", &text(&format!("event {number}")));
    }
    world.settle();
    assert_eq!(world.told(id), ["e?2-5", "e!event 6#6", "e!event 7#7"]);
}

#[test]
fn a_delta_that_went_wrong_is_never_shown_and_mended() {
    let mut world = World::connected();
    world.gateway.set("a", &long(1));
    let id = world.subscribe("a");
    world.told(id);
    let mut left = 1;
    world.tamper = Some(Box::new(move |message| {
        if left > 0 && frames(message).iter().any(|frame| matches!(frame, GatewayFrame::Delta { .. })) {
            left -= 1;
            *message.last_mut().unwrap() ^= 1;
        }
    }));
    world.gateway.set("a", &long(2));
    world.settle();
    assert_eq!(world.told(id), [format!("a={}", long(2))]);
    assert_eq!(world.session.statistics().repairs, 1);
    world.gateway.set("a", &long(3));
    world.settle();
    assert_eq!(world.told(id), [format!("a={}", long(3))]);
    assert_eq!((world.session.statistics().repairs, world.session.statistics().deltas), (1, 1));
}

#[test]
fn deltas_until_the_snapshot_comes_are_passed_over_and_one_repair_is_asked_for() {
    let mut world = World::connected();
    world.gateway.set("a", &long(1));
    let id = world.subscribe("a");
    world.told(id);
    let topic = TopicNumber(1);
    let mut message = Vec::new();
    for distance in [1, 1, 1] {
        GatewayFrame::Delta { topic, distance, check: 0, delta: &[0x18, 0x10, 0x32] }.encode(&mut message);
    }
    world.blocked = true;
    world.inject(&message);
    assert_eq!(world.session.statistics().repairs, 1);
    assert!(world.session.replica("a").unwrap().stale);
    world.blocked = false;
    world.settle();
    assert_eq!(world.told(id), [""; 0], "the value has not changed");
    assert!(!world.session.replica("a").unwrap().stale);
    world.assert_replicas(&["a"]);
}

#[test]
fn a_snapshot_that_went_wrong_is_asked_for_again_and_in_the_end_given_up() {
    let mut world = World::connected();
    world.gateway.set("a", &long(1));
    let mut left = 2;
    let spoil = move |message: &mut Vec<u8>| {
        if left > 0 && frames(message).iter().any(|frame| matches!(frame, GatewayFrame::Snapshot { .. })) {
            left -= 1;
            let at = message.windows(4).position(|window| window == b"a va").unwrap();
            message[at] ^= 1;
        }
    };
    world.tamper = Some(Box::new(spoil));
    let id = world.subscribe("a");
    assert_eq!(world.told(id), [format!("a={}", long(1))]);
    assert_eq!(world.session.statistics().repairs, 2);

    let mut world = World::connected();
    world.gateway.set("a", &long(1));
    world.tamper = Some(Box::new(move |message| {
        if let Some(at) = message.windows(4).position(|window| window == b"a va") {
            message[at] ^= 1;
        }
    }));
    let id = world.subscribe("a");
    assert_eq!(world.told(id), [""; 0]);
    assert!(matches!(world.events.last(), Some(Event::Disconnected { code: ErrorCode::MalformedFrame, .. })));
}

#[test]
fn a_delta_from_a_version_not_held_is_passed_over_if_older() {
    let mut world = World::connected();
    world.gateway.set("a", &long(1));
    let id = world.subscribe("a");
    world.told(id);
    // The gateway tells from version 1 again what the session has heard already: version 1 → 2 → 3.
    let (value2, value3) = (long(2), long(3));
    let mut message = Vec::new();
    let sum = check(value3.bytes(), Version(3));
    GatewayFrame::Snapshot { topic: TopicNumber(1), version: Version(3), check: sum, value: value3.bytes() }
        .encode(&mut message);
    world.inject(&message);
    let announce = |version, message: &mut Vec<u8>| {
        let path = outpour_core::Path::new("a").unwrap();
        GatewayFrame::Announce(outpour_core::wire::Announce {
            topic: TopicNumber(1),
            partition: outpour_core::Partition(0),
            kind: TopicKind::Value,
            value_type: ValueType::Text,
            version,
            sequence: 0,
            path,
        })
        .encode(message);
    };
    message.clear();
    announce(Version(1), &mut message);
    for (base, value, version) in [(long(1), &value2, 2), (long(2), &value3, 3), (long(3), &long(4), 4)] {
        let mut delta = Vec::new();
        outpour_core::delta::encode(base.bytes(), value.bytes(), &mut delta);
        let sum = short_check(check(value.bytes(), Version(version)));
        GatewayFrame::Delta { topic: TopicNumber(1), distance: 1, check: sum, delta: &delta }.encode(&mut message);
    }
    world.inject(&message);
    assert_eq!(world.told(id), [format!("a={}", long(3)), format!("a={}", long(4))]);
    assert_eq!(world.session.statistics().repairs, 0);
}

#[test]
fn an_overlapping_subscription_gets_what_is_held_at_once() {
    let mut world = World::connected();
    world.gateway.set("a/x", &text("1"));
    world.gateway.set("b/x", &text("2"));
    let one = world.subscribe("a/*");
    let selector = Selector::new("**").unwrap();
    let all = world.session.subscribe(&selector, &SubscribeOptions::default(), world.now).unwrap();
    assert_eq!(world.told(all), ["a/x=1"], "before anything was sent");
    world.settle();
    assert_eq!(world.told(all), ["b/x=2"]);
    world.gateway.set("a/x", &text("3"));
    world.settle();
    assert_eq!(world.told(one), ["a/x=1", "a/x=3"]);
    assert_eq!(world.told(all), ["a/x=3"]);
    assert_eq!(world.session.statistics().updates, 3, "told once on the wire");
}

#[test]
fn nothing_follows_the_end_of_a_subscription() {
    let mut world = World::connected();
    world.gateway.set("a", &text("1"));
    let (one, other) = (world.subscribe("a"), world.subscribe("*"));
    world.gateway.set("a", &text("2"));
    // On its way when the subscription ends.
    world.blocked = true;
    world.session.unsubscribe(one, world.now);
    world.settle();
    assert_eq!(world.session.take_update(one), None);
    assert_eq!(world.told(other), ["a=1", "a=2"]);
    world.session.unsubscribe(other, world.now);
    world.gateway.set("a", &text("3"));
    world.settle();
    assert!(world.session.replica("a").is_none(), "dropped, and late news of it is no fault");
    world.blocked = false;
    world.settle();
    assert!(world.session.is_live() && world.session.poll_readable().is_none());
    let again = world.subscribe("a");
    assert_eq!(world.told(again), ["a=3"]);
    world.gateway.set("a", &text("4"));
    world.settle();
    assert_eq!(world.told(again), ["a=4"]);
}

#[test]
fn subscribing_and_unsubscribing_while_nothing_can_be_sent_leaves_nothing() {
    let mut world = World::connected();
    world.gateway.set("a", &text("1"));
    world.blocked = true;
    for _ in 0..100 {
        let id = world.subscribe("a");
        world.session.unsubscribe(id, world.now);
    }
    let sent = world.session.statistics().bytes_out;
    world.blocked = false;
    world.settle();
    assert_eq!(world.session.statistics().bytes_out, sent);
}

#[test]
fn a_slow_application_gets_the_newest_value_of_every_topic() {
    let mut world = World::connected();
    let options = SubscribeOptions { mailbox_count: 4, ..SubscribeOptions::default() };
    let id = world.subscribe_with("**", &options);
    for round in 0..50 {
        for topic in 0..10 {
            world.gateway.set(&format!("v/{topic}"), &text(&format!("{round}")));
            world.gateway.append("e", &text(&format!("event {round}/{topic}")));
        }
        world.settle();
    }
    let updates = world.updates(id);
    assert!(updates.len() <= 4 + 11, "{} updates", updates.len());
    let mut events = 0;
    for update in &updates {
        match &update.kind {
            UpdateKind::Event { sequence, .. } => {
                assert_eq!(*sequence, events + 1);
                events = *sequence;
            }
            UpdateKind::Gap { first, last } => {
                assert_eq!(*first, events + 1);
                events = *last;
            }
            _ => {}
        }
    }
    assert_eq!(events, 500, "every event is told or named as missing");
    for topic in 0..10 {
        let newest = updates.iter().rev().map(brief).find(|brief| brief.starts_with(&format!("v/{topic}=")));
        assert_eq!(newest, Some(format!("v/{topic}=49")));
    }
}

#[test]
fn a_maximum_rate_is_kept_to() {
    let mut world = World::connected();
    let options = SubscribeOptions { max_rate: Some(2.0), ..SubscribeOptions::default() };
    let id = world.subscribe_with("a", &options);
    for number in 0..100 {
        world.gateway.set("a", &text(&format!("{number}")));
        world.advance(Duration::from_millis(20));
    }
    world.advance(Duration::from_secs(1));
    let told = world.told(id);
    assert!((4..=6).contains(&told.len()), "{told:?}");
    assert_eq!(told.last().unwrap(), "a=99");
    for rate in [0.0, -1.0, f64::NAN, f64::INFINITY, 1e9] {
        let options = SubscribeOptions { max_rate: Some(rate), ..SubscribeOptions::default() };
        let refused = world.session.subscribe(&Selector::new("a").unwrap(), &options, world.now);
        assert_eq!(refused, Err(ErrorCode::BadOptions));
    }
}

#[test]
fn a_fetch_is_answered_once() {
    let mut world = World::connected();
    for number in 1..=3 {
        world.gateway.set(&format!("v/{number}"), &text("value"));
        world.gateway.append("e", &text(&format!("event {number}")));
    }
    let selector = Selector::new("**").unwrap();
    let values = world.session.fetch(&selector, None, 2, world.now).unwrap();
    let events = world.session.fetch(&selector, Some(HistoryStart::Last(2)), 100, world.now).unwrap();
    let cancelled = world.session.fetch(&selector, None, 100, world.now).unwrap();
    world.session.cancel_fetch(cancelled);
    world.settle();
    let [Event::FetchEnded { id, items, more: true }, Event::FetchEnded { id: id2, items: items2, more: false }] =
        &world.events[..]
    else {
        panic!("{:?}", world.events)
    };
    assert_eq!((*id, items.len(), *id2, items2.len()), (values, 2, events, 2));
    assert_eq!((items2[0].sequence, items2[1].sequence), (2, 3));
    assert_eq!(world.session.fetch(&selector, None, 0, world.now), Err(ErrorCode::BadOptions));
}

#[test]
fn many_fetches_wait_their_turn_and_have_a_bound() {
    let mut world = World::connected();
    world.gateway.set("a", &text("1"));
    let selector = Selector::new("a").unwrap();
    let mut asked = 0;
    while world.session.fetch(&selector, None, 1, world.now).is_ok() {
        asked += 1;
    }
    assert_eq!(world.session.fetch(&selector, None, 1, world.now), Err(ErrorCode::QueueFull));
    world.settle();
    let answered = world.events.iter().filter(|event| matches!(event, Event::FetchEnded { .. })).count();
    assert_eq!(answered, asked);
}

fn frames(message: &[u8]) -> Vec<GatewayFrame<'_>> {
    Frames::new(message).filter_map(|frame| GatewayFrame::decode(frame.unwrap()).unwrap()).collect()
}
