//! Deltas that can't be applied, connections that are lost, and sessions that come back from that.
//!
//! Scenarios of Ably's Universal Test Specs are named by their ids; `docs/testing.md` has the whole list.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use outpour_core::check::{check, short_check};
use outpour_core::session::{Event, MissedEvents, PublicationChange, ResumeOutcome, SubscribeOptions, UpdateKind};
use outpour_core::wire::{Ack, ClientFrame, Frames, GatewayFrame, HistoryStart, Refused, RequestRef};
use outpour_core::{ErrorCode, Path, PublishNumber, Selector, TopicNumber, Value, Version, delta};

use crate::world::{World, long, text};

const TOPIC: TopicNumber = TopicNumber(1);

/// A world with one topic `a` that has been told at version 1.
fn told() -> (World, outpour_core::SubscriptionId) {
    let mut world = World::connected();
    world.gateway.set("a", &long(1));
    let id = world.subscribe("**");
    assert_eq!(world.told(id), [format!("a={}", long(1))]);
    world.events.clear();
    (world, id)
}

/// The delta that leads from one value to the next version, which is this one.
fn write_delta(base: &Value, value: &Value, version: u64, message: &mut Vec<u8>) {
    let mut bytes = Vec::new();
    delta::encode(base.bytes(), value.bytes(), &mut bytes);
    let sum = short_check(check(value.bytes(), Version(version)));
    GatewayFrame::Delta { topic: TOPIC, distance: 1, check: sum, delta: &bytes }.encode(message);
}

fn outcomes(world: &World) -> Vec<(Duration, ResumeOutcome)> {
    let outcome = |event: &Event| match event {
        Event::Resumed { away, outcome } => Some((*away, outcome.clone())),
        _ => None,
    };
    world.events.iter().filter_map(outcome).collect()
}

/// What the session sends next.
fn sent(world: &mut World) -> Vec<u8> {
    let mut message = Vec::new();
    world.session.poll_transmit(&mut message, world.now).unwrap();
    message
}

/// `realtime/unit/RTL21/ascending-index-order-0`, `realtime/unit/RTL19b/stores-base-payload-0`,
/// `realtime/unit/RTL20/last-id-updated-on-decode-1`
#[test]
fn deltas_of_one_message_build_on_what_stands_before_them() {
    let (mut world, id) = told();
    let mut message = Vec::new();
    let (value, version) = (long(2), Version(2));
    let sum = check(value.bytes(), version);
    GatewayFrame::Snapshot { topic: TOPIC, version, check: sum, value: value.bytes() }.encode(&mut message);
    write_delta(&long(2), &long(3), 3, &mut message);
    write_delta(&long(3), &long(4), 4, &mut message);
    world.inject(&message);
    message.clear();
    write_delta(&long(4), &long(5), 5, &mut message);
    world.inject(&message);
    assert_eq!(world.told(id), [2, 3, 4, 5].map(|number| format!("a={}", long(number))));
    assert_eq!(world.session.statistics().repairs, 0);
}

/// `realtime/unit/RTL19c/delta-result-becomes-base-0`, `realtime/integration/PC3/delta-decode-end-to-end-0`
#[test]
fn the_result_of_a_delta_is_the_base_of_the_next() {
    let (mut world, id) = told();
    for number in 2..=5 {
        world.gateway.set("a", &long(number));
        world.settle();
    }
    assert_eq!(world.told(id), [2, 3, 4, 5].map(|number| format!("a={}", long(number))));
    let counted = world.session.statistics();
    assert_eq!((counted.snapshots, counted.deltas, counted.repairs), (1, 4, 0));
}

/// `realtime/unit/RTL19b/json-wire-form-base-1`: the base is the text as it was written, not what it means.
#[test]
fn json_is_continued_from_the_text_as_it_was_written() {
    let json = |count: u32| Value::json(format!(r#"{{"b":1.50,"a":"\u00e9","count":{count},"c":[1e0,2]}}"#));
    let mut world = World::connected();
    world.gateway.set("a", &json(1));
    let id = world.subscribe("a");
    world.gateway.set("a", &json(2));
    world.settle();
    assert_eq!(world.told(id), [format!("a={}", json(1)), format!("a={}", json(2))]);
    assert_eq!(world.session.statistics().deltas, 1);
    world.assert_replicas(&["a"]);
}

/// `realtime/unit/RTL19a/base64-decoded-before-store-0`: bytes travel as they are, and are continued as such.
#[test]
fn any_bytes_are_continued() {
    let bytes = |last: u8| Value::binary((0..=255).chain([last]).collect::<Vec<u8>>());
    let mut world = World::connected();
    world.gateway.set("a", &bytes(1));
    world.subscribe("a");
    world.gateway.set("a", &bytes(2));
    world.settle();
    assert_eq!(world.session.replica("a").unwrap().value, bytes(2));
    assert_eq!((world.session.statistics().deltas, world.session.statistics().repairs), (1, 0));
}

/// `realtime/integration/RTL19b/dissimilar-payloads-no-delta-0`
#[test]
fn values_that_resemble_nothing_before_them_come_whole() {
    let mut world = World::connected();
    let unlike = |seed: u8| Value::binary((0..64_u8).map(|at| at.wrapping_mul(seed) ^ seed).collect::<Vec<u8>>());
    let seeds = [29, 71, 113, 199];
    world.gateway.set("a", &unlike(seeds[0]));
    let id = world.subscribe("a");
    for seed in &seeds[1..] {
        world.gateway.set("a", &unlike(*seed));
        world.settle();
    }
    assert_eq!(world.updates(id).len(), seeds.len());
    world.assert_replicas(&["a"]);
    assert_eq!(world.session.statistics().repairs, 0);
}

/// `realtime/unit/RTL20/mismatched-id-triggers-recovery-0`,
/// `realtime/integration/RTL18/recovery-message-id-mismatch-0`
#[test]
fn a_delta_from_a_value_that_was_never_received_is_noticed_and_mended() {
    let (mut world, id) = told();
    let mut left = 1;
    // A delta gets lost, which no transport does: the next one counts from what the session does not have.
    world.tamper = Some(Box::new(move |message| {
        if left > 0 {
            left -= 1;
            message.clear();
        }
    }));
    world.gateway.set("a", &long(2));
    world.settle();
    assert_eq!(world.told(id), [""; 0]);
    world.gateway.set("a", &long(3));
    world.settle();
    assert_eq!(world.told(id), [format!("a={}", long(3))], "no wrong value is ever shown");
    assert_eq!(world.session.statistics().repairs, 1);
    world.gateway.set("a", &long(4));
    world.settle();
    assert_eq!(world.told(id), [format!("a={}", long(4))]);
    assert_eq!(world.session.statistics().repairs, 1, "from then on by deltas");
    world.assert_replicas(&["**"]);
}

/// `realtime/unit/RTL18/single-recovery-at-time-1`: one topic is mended, once, and the others go on.
#[test]
fn topics_that_are_sound_go_on_while_another_is_mended() {
    let (mut world, id) = told();
    world.gateway.set("b", &long(1));
    world.settle();
    world.told(id);
    world.blocked = true;
    let mut message = Vec::new();
    for _ in 0..3 {
        GatewayFrame::Delta { topic: TOPIC, distance: 1, check: 0, delta: &[0xff] }.encode(&mut message);
    }
    world.inject(&message);
    world.gateway.set("b", &long(2));
    world.settle();
    assert_eq!(world.told(id), [format!("b={}", long(2))]);
    assert!(world.session.replica("a").unwrap().stale && !world.session.replica("b").unwrap().stale);
    let message = sent(&mut world);
    let asked = Frames::new(&message).filter(|frame| {
        let frame = ClientFrame::decode(frame.unwrap()).unwrap();
        matches!(frame, Some(ClientFrame::Repair { topic: TOPIC }))
    });
    assert_eq!(asked.count(), 1);
    world.gateway.handle_message(world.wire.unwrap(), &message, world.now);
    world.blocked = false;
    world.settle();
    world.assert_replicas(&["**"]);
    assert_eq!(world.session.statistics().repairs, 1);
}

/// A repair that was asked for, or was to be, and that the connection did not live to see: the next one
/// makes up for it.
#[test]
fn a_topic_that_was_being_mended_is_sound_after_a_reconnect() {
    for is_asked in [false, true] {
        let (mut world, id) = told();
        world.blocked = true;
        let mut message = Vec::new();
        GatewayFrame::Delta { topic: TOPIC, distance: 1, check: 0, delta: &[0xff] }.encode(&mut message);
        world.inject(&message);
        if is_asked {
            sent(&mut world);
        }
        world.cut();
        world.blocked = false;
        world.advance(Duration::from_millis(60));
        world.assert_replicas(&["**"]);
        world.gateway.set("a", &long(2));
        world.settle();
        assert_eq!(world.told(id), [format!("a={}", long(2))]);
        assert!(matches!(outcomes(&world)[..], [(_, ResumeOutcome::Complete)]));
    }
}

/// `realtime/proxy/RTN15a/disconnect-triggers-resume-0`, `realtime/proxy/RTN15b/resume-preserves-connid-0`
#[test]
fn the_application_hears_that_nothing_is_missing_and_how_long_it_was_away() {
    let (mut world, id) = told();
    world.gateway.set("b", &long(1));
    world.settle();
    world.told(id);
    world.reachable = false;
    world.cut();
    world.gateway.set("a", &long(2));
    world.advance(Duration::from_secs(1));
    world.reachable = true;
    world.gateway.set("a", &long(3));
    world.advance(Duration::from_secs(60));
    let told = world.told(id);
    assert_eq!(told.last(), Some(&format!("a={}", long(3))));
    assert!(told.iter().all(|update| update.starts_with("a=")), "what changed, and nothing else: {told:?}");
    let [(away, ResumeOutcome::Complete)] = outcomes(&world)[..] else { panic!("{:?}", world.events) };
    assert!((Duration::from_secs(1)..Duration::from_secs(61)).contains(&away), "{away:?}");
    let place = |wanted: fn(&Event) -> bool| world.events.iter().position(wanted).unwrap();
    assert!(
        place(|event| matches!(event, Event::Connected { .. })) < place(|event| matches!(event, Event::Resumed { .. }))
    );
    assert_eq!(world.session.statistics().snapshots, 2, "those from before");
}

/// `realtime/proxy/RTN15g/ttl-expiry-clears-resume-0`, the other way round: nothing is kept for a session
/// that is away, so that nothing of it can expire.
#[test]
fn who_was_away_for_a_day_goes_on_all_the_same() {
    const DAY: Duration = Duration::from_secs(24 * 60 * 60);
    let (mut world, id) = told();
    world.reachable = false;
    world.cut();
    world.advance(DAY);
    world.gateway.set("a", &long(2));
    world.reachable = true;
    world.advance(Duration::from_secs(20));
    assert_eq!(world.told(id), [format!("a={}", long(2))]);
    let [(away, ResumeOutcome::Complete)] = outcomes(&world)[..] else { panic!("{:?}", outcomes(&world)) };
    assert!((DAY..DAY + Duration::from_secs(21)).contains(&away), "{away:?}");
    let counted = world.session.statistics();
    assert_eq!((counted.snapshots, counted.deltas), (1, 1));
}

/// `realtime/proxy/RTN15c7/failed-resume-new-connid-0`, `realtime/proxy/RTL12/attached-non-resumed-update-0`
#[test]
fn a_log_that_began_anew_is_told_from_the_beginning_and_said_to_be() {
    let (mut world, id) = told();
    world.cut();
    world.gateway.restart();
    world.gateway.set("a", &text("of the new log"));
    world.advance(Duration::from_millis(60));
    assert!(world.session.is_live());
    assert_eq!(world.told(id), ["a=of the new log"]);
    assert!(matches!(outcomes(&world)[..], [(_, ResumeOutcome::Afresh)]));
    world.cut();
    world.events.clear();
    world.advance(Duration::from_millis(260));
    assert!(matches!(outcomes(&world)[..], [(_, ResumeOutcome::Complete)]), "from then on it resumes as ever");
    world.assert_replicas(&["**"]);
}

/// A session whose return is cut short: of the messages on its next connection, only so many get through.
fn cut_short(world: &mut World, messages: u32) {
    let left = Cell::new(messages);
    world.tamper = Some(Box::new(move |message| {
        if left.get() == 0 {
            message.clear();
        }
        left.set(left.get().saturating_sub(1));
    }));
    world.advance(Duration::from_millis(300));
    assert!(world.session.is_live() && outcomes(world).is_empty(), "{:?}", world.events);
    world.tamper = None;
    world.cut();
    world.advance(Duration::from_secs(1));
}

#[test]
fn a_new_log_is_said_to_be_when_the_return_to_it_was_cut_short() {
    let (mut world, _) = told();
    world.batch = 1024;
    world.cut();
    world.gateway.restart();
    for topic in 0..40 {
        world.gateway.set(&format!("topic/{topic}"), &long(topic));
    }
    cut_short(&mut world, 2);
    assert!(matches!(outcomes(&world)[..], [(_, ResumeOutcome::Afresh)]), "{:?}", outcomes(&world));
    world.assert_replicas(&["**"]);
}

#[test]
fn gaps_are_named_in_the_outcome_when_the_return_was_cut_short() {
    let mut world = World::new();
    world.gateway.kept_events = 1;
    world.connect();
    world.gateway.append("e", &text("event 1"));
    let id = world.subscribe("**");
    world.told(id);
    world.events.clear();
    world.batch = 1024;
    world.cut();
    for number in 2..=5 {
        world.gateway.append("e", &text(&format!("event {number}")));
    }
    for topic in 0..40 {
        world.gateway.set(&format!("topic/{topic}"), &long(topic));
    }
    cut_short(&mut world, 3);
    let told = world.told(id);
    assert_eq!(told.iter().filter(|told| told.starts_with("e?")).collect::<Vec<_>>(), ["e?2-4"]);
    let missed = vec![MissedEvents { path: Path::new("e").unwrap(), first: 2, last: 4 }];
    let [(_, outcome)] = &outcomes(&world)[..] else { panic!("{:?}", world.events) };
    assert_eq!(*outcome, ResumeOutcome::Gaps { missed, more: 0 });
}

#[test]
fn a_value_of_the_log_before_keeps_its_version_until_there_is_another() {
    let (mut world, _) = told();
    let version = world.session.replica("a").unwrap().version;
    let epoch = world.session.epoch();
    world.cut();
    world.gateway.restart();
    world.batch = 1;
    let welcomes = Cell::new(0);
    world.tamper = Some(Box::new(move |message| {
        if welcomes.replace(1) > 0 {
            message.clear();
        }
    }));
    world.advance(Duration::from_millis(300));
    assert!(world.session.is_live() && world.session.epoch() != epoch);
    assert_eq!(world.session.replica("a").map(|held| (held.version, held.stale)), Some((version, true)));
    let id = world.subscribe("a");
    let [update] = &world.updates(id)[..] else { panic!() };
    assert_eq!((Some(update.epoch), update.stale), (epoch, true));
    assert!(matches!(update.kind, UpdateKind::Value { version: told, .. } if told == version));
}

#[test]
fn a_removal_is_told_of_a_topic_of_which_only_a_gap_was_told() {
    let mut world = World::new();
    world.gateway.kept_events = 1;
    world.connect();
    world.gateway.append("e", &text("event 1"));
    let id = world.subscribe_with("**", &SubscribeOptions { mailbox_count: 1, ..SubscribeOptions::default() });
    world.cut();
    for number in 2..=5 {
        world.gateway.append("e", &text(&format!("event {number}")));
    }
    world.advance(Duration::from_secs(1));
    world.gateway.remove("e");
    world.settle();
    assert_eq!(world.told(id), ["e?2-4", "e-"]);
}

#[test]
fn events_that_are_missing_are_named_in_the_outcome() {
    let mut world = World::new();
    world.gateway.kept_events = 2;
    world.connect();
    world.gateway.append("e", &text("event 1"));
    world.gateway.append("f", &text("event 1"));
    let id = world.subscribe("**");
    world.cut();
    for number in 2..=6 {
        world.gateway.append("e", &text(&format!("event {number}")));
    }
    world.gateway.append("f", &text("event 2"));
    world.advance(Duration::from_millis(60));
    let missed = vec![MissedEvents { path: Path::new("e").unwrap(), first: 2, last: 4 }];
    let [(_, outcome)] = &outcomes(&world)[..] else { panic!("{:?}", world.events) };
    assert_eq!(*outcome, ResumeOutcome::Gaps { missed, more: 0 });
    let mut told = world.told(id);
    told.sort();
    assert_eq!(told, ["e!event 5#5", "e!event 6#6", "e?2-4", "f!event 2#2"]);
}

/// `realtime/proxy/RTL3d/channels-reattach-on-reconnect-0`
#[test]
fn every_subscription_goes_on_those_made_and_ended_meanwhile_too() {
    let mut world = World::connected();
    for path in ["a/1", "b/1", "c/1"] {
        world.gateway.set(path, &long(1));
    }
    let (a, b) = (world.subscribe("a/*"), world.subscribe("b/*"));
    world.told(a);
    world.told(b);
    world.cut();
    world.session.unsubscribe(b, world.now);
    let c = world.subscribe("c/*");
    for path in ["a/1", "b/1", "c/1"] {
        world.gateway.set(path, &long(2));
    }
    world.advance(Duration::from_millis(60));
    assert_eq!(world.told(a), [format!("a/1={}", long(2))]);
    assert_eq!(world.told(c), [format!("c/1={}", long(2))]);
    assert_eq!(world.told(b), [""; 0]);
    world.assert_replicas(&["a/*", "c/*"]);
    assert!(matches!(outcomes(&world)[..], [(_, ResumeOutcome::Complete)]));
}

/// `realtime/proxy/RTL14/error-on-attach-0`, `realtime/proxy/RTL14/channel-error-goes-failed-1`
#[test]
fn a_refusal_ends_one_subscription_and_nothing_else() {
    let mut world = World::connected();
    world.gateway.set("a", &long(1));
    world.gateway.set("b", &long(1));
    let (refused, other) = (world.subscribe("a"), world.subscribe("b"));
    world.told(other);
    let code = ErrorCode::TooManyTopics;
    let mut message = Vec::new();
    let request = RequestRef::Subscription(refused);
    GatewayFrame::Refused(Refused { request, code: code.number(), reason: "no more" }).encode(&mut message);
    world.inject(&message);
    assert!(world.events.contains(&Event::SubscriptionRefused { id: refused, code }));
    assert!(world.session.is_live() && world.session.replica("a").is_none());
    world.gateway.set("b", &long(2));
    world.settle();
    assert_eq!(world.told(other), [format!("b={}", long(2))]);
    world.cut();
    world.advance(Duration::from_millis(60));
    assert!(world.session.is_live());
    world.assert_replicas(&["b"]);
}

/// `realtime/unit/RTN23a/any-message-resets-timer-3`
#[test]
fn anything_that_is_heard_shows_that_the_gateway_is_there() {
    let mut world = World::connected();
    world.silent = true;
    for _ in 0..10 {
        world.advance(Duration::from_secs(15));
        let ack = Ack { number: PublishNumber(0), code: 0, version: Version::NONE };
        let mut message = Vec::new();
        GatewayFrame::Ack(ack).encode(&mut message);
        world.inject(&message);
    }
    assert!(world.session.is_live() && world.closes.is_empty());
    world.reachable = false;
    world.advance(Duration::from_secs(21));
    assert!(!world.session.is_live());
    assert_eq!(world.closes.len(), 1, "the transport that was silent is closed");
}

/// `realtime/unit/RTN23a/reconnect-uses-resume-5`, `realtime/proxy/RTN23a/heartbeat-starvation-reconnect-0`
#[test]
fn after_a_silence_the_session_goes_on_where_it_was() {
    let (mut world, id) = told();
    world.silent = true;
    world.gateway.set("a", &long(2));
    world.reachable = false;
    world.advance(Duration::from_secs(25));
    assert!(!world.session.is_live());
    world.silent = false;
    world.reachable = true;
    world.advance(Duration::from_secs(20));
    assert_eq!(world.told(id), [format!("a={}", long(2))]);
    assert!(matches!(outcomes(&world)[..], [(_, ResumeOutcome::Complete)]));
    assert_eq!(world.session.statistics().snapshots, 1);
}

/// `realtime/unit/RTN23c1/ping-pong-echo-id-0`
#[test]
fn a_ping_is_answered_with_its_token() {
    let mut world = World::connected();
    world.blocked = true;
    for token in [0, 77, u64::MAX] {
        let mut message = Vec::new();
        GatewayFrame::Ping { token }.encode(&mut message);
        world.inject(&message);
        let answer = sent(&mut world);
        let frames: Vec<_> = Frames::new(&answer).map(|frame| ClientFrame::decode(frame.unwrap()).unwrap()).collect();
        assert_eq!(frames, [Some(ClientFrame::Pong { token })]);
    }
}

/// `realtime/proxy/RTN19a/unacked-resent-on-resume-0`: under its number, and so applied once.
#[test]
fn what_was_published_without_a_verdict_is_settled_after_a_reconnect() {
    let (mut world, id) = told();
    world.gateway.deaf = true;
    let ticket = world.publish("a", PublicationChange::Set(long(2)));
    assert!(!world.is_settled(ticket));
    world.cut();
    world.gateway.deaf = false;
    world.advance(Duration::from_millis(60));
    assert!(world.verdict(ticket).is_ok());
    assert_eq!(world.gateway.applied.len(), 2, "the first value and this one, once");
    assert_eq!(world.told(id), [format!("a={}", long(2))]);
    assert!(matches!(outcomes(&world)[..], [(_, ResumeOutcome::Complete)]));
}

/// On a line that never lasts until everything has been told once, each connection adds to what there is.
#[test]
fn a_first_telling_that_is_cut_short_over_and_over_comes_to_its_end() {
    const TOPICS: usize = 300;
    // Every connection carries so many messages of 4 kB, a third of what there is to tell.
    const MESSAGES: u32 = 25;
    let mut world = World::new();
    for number in 0..TOPICS {
        world.gateway.set(&format!("v/{number}"), &Value::text(format!("{number:1000}")));
    }
    for event in 1..=3 {
        world.gateway.append("v/events", &text(&format!("event {event}")));
    }
    world.batch = 4096;
    let (left, carried) = (Rc::new(Cell::new(0_u32)), Rc::new(Cell::new(0)));
    let (has, bytes) = (Rc::clone(&left), Rc::clone(&carried));
    world.tamper = Some(Box::new(move |message| {
        if has.get() == 0 {
            message.clear();
        }
        has.set(has.get().saturating_sub(1));
        bytes.set(bytes.get() + message.len());
    }));
    world.session.connect(world.now);
    let from = SubscribeOptions { from: HistoryStart::All, ..SubscribeOptions::default() };
    let id = world.session.subscribe(&Selector::new("v/*").unwrap(), &from, world.now).unwrap();
    let mut told = Vec::new();
    for connection in 1.. {
        assert!(connection < 10, "{} of {TOPICS} topics after {connection} connections", told.len());
        left.set(MESSAGES);
        while !world.session.is_live() || left.get() == MESSAGES {
            world.advance(Duration::from_millis(100));
        }
        told.extend(world.told(id));
        if world.events.iter().any(|event| matches!(event, Event::Subscribed { .. })) {
            break;
        }
        world.cut();
        // One that has been told and one that has not, perhaps.
        world.gateway.set("v/1", &Value::text(format!("{connection:1000}")));
        world.gateway.set("v/299", &Value::text(format!("{connection:1000}")));
        world.gateway.remove(&format!("v/{}", 150 + connection));
    }
    world.tamper = None;
    world.advance(Duration::from_secs(1));
    told.extend(world.told(id));
    world.assert_replicas(&["v/*"]);
    let events = told.iter().filter(|told| told.starts_with("v/events")).collect::<Vec<_>>();
    assert_eq!(events, ["v/events!event 1#1", "v/events!event 2#2", "v/events!event 3#3"]);
    assert!(carried.get() < 450_000, "{} bytes for 300 kB", carried.get());
}
