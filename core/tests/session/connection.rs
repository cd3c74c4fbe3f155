//! Connections: opened, greeted, lost, replaced and ended.

use std::time::Duration;

use outpour_core::peer::PeerConfig;
use outpour_core::session::{
    Event, Input, PublicationChange, Request, SessionConfig, Signal, SubscribeOptions, TimerReason,
};
use outpour_core::wire::{GatewayFrame, Goodbye, HistoryStart};
use outpour_core::{ErrorCode, Selector};

use crate::world::{World, long, text};

fn disconnections(world: &World) -> Vec<ErrorCode> {
    let codes = world.events.iter().filter_map(|event| match event {
        Event::Disconnected { code, .. } => Some(*code),
        _ => None,
    });
    codes.collect()
}

fn closed(world: &World) -> Option<ErrorCode> {
    world.events.iter().find_map(|event| match event {
        Event::Closed { code, .. } => Some(*code),
        _ => None,
    })
}

#[test]
fn connecting_is_announced_and_welcomed() {
    let mut world = World::new();
    world.session.connect(world.now);
    world.settle();
    let epoch = world.gateway.epoch;
    assert_eq!(world.events, [Event::Connecting { attempt: 1 }, Event::Connected { epoch }]);
    assert_eq!(world.session.epoch(), Some(epoch));
}

#[test]
fn an_idle_connection_stays() {
    let mut world = World::connected();
    world.advance(Duration::from_secs(600));
    assert!(world.session.is_live() && world.events.is_empty());
    assert_eq!(world.session.statistics().connections, 1);
}

#[test]
fn a_silent_gateway_is_given_up_after_two_heartbeats() {
    let mut world = World::connected();
    world.advance(Duration::from_secs(10));
    world.silent = true;
    world.reachable = false;
    world.advance(Duration::from_secs(19));
    assert!(world.session.is_live());
    world.advance(Duration::from_secs(2));
    assert_eq!(disconnections(&world).first(), Some(&ErrorCode::Silence));
    world.silent = false;
    world.reachable = true;
    world.advance(Duration::from_secs(30));
    assert!(world.session.is_live());
}

#[test]
fn after_a_sleep_the_gateway_is_given_a_chance() {
    let mut world = World::connected();
    world.now = world.now + Duration::from_secs(3600);
    world.session.handle_input(Input::Tick, world.now);
    assert!(world.session.is_live(), "what was sent meanwhile is only now being read");
    let (deadline, reason) = world.session.poll_timeout().unwrap();
    assert_eq!((deadline - world.now, reason), (Duration::from_secs(3), TimerReason::Silence));
    world.now = deadline;
    world.session.handle_input(Input::Tick, world.now);
    assert!(!world.session.is_live());
}

#[test]
fn what_was_told_is_not_told_again_after_a_reconnect() {
    let mut world = World::connected();
    for topic in ["v/1", "v/2", "v/3"] {
        world.gateway.set(topic, &long(1));
    }
    world.gateway.append("e", &text("event 1"));
    let from = SubscribeOptions { from: HistoryStart::All, ..SubscribeOptions::default() };
    let id = world.subscribe_with("**", &from);
    assert_eq!(world.told(id).len(), 4);
    world.cut();
    assert!(world.session.replica("v/1").unwrap().stale);
    world.gateway.set("v/2", &long(2));
    world.gateway.remove("v/3");
    world.gateway.append("e", &text("event 2"));
    world.advance(Duration::from_millis(60));
    assert_eq!(world.session.statistics().connections, 2, "the first retry comes at once");
    let told = world.told(id);
    assert_eq!(told, ["v/3-".into(), format!("v/2={}", long(2)), "e!event 2#2".into()]);
    world.assert_replicas(&["**"]);
}

#[test]
fn events_missed_for_good_are_a_gap() {
    let mut world = World::new();
    world.gateway.kept_events = 2;
    world.connect();
    world.gateway.append("e", &text("event 1"));
    let id = world.subscribe("**");
    world.gateway.append("e", &text("event 2"));
    world.settle();
    world.cut();
    for number in 3..=7 {
        world.gateway.append("e", &text(&format!("event {number}")));
    }
    world.advance(Duration::from_millis(60));
    assert_eq!(world.told(id), ["e!event 2#2", "e?3-5", "e!event 6#6", "e!event 7#7"]);
}

#[test]
fn losing_the_connection_while_being_told_again_loses_no_event() {
    let mut world = World::connected();
    world.gateway.append("e", &text("event 1"));
    world.gateway.set("v", &text("1"));
    let id = world.subscribe("**");
    world.gateway.append("e", &text("event 2"));
    world.settle();
    world.cut();
    world.gateway.append("e", &text("event 3"));
    world.gateway.set("v", &text("2"));
    // The gateway sends one small message at a time, and the connection breaks after each.
    world.batch = 1;
    for _ in 0..10 {
        let mut allowed = 1 + world.session.statistics().connections % 4;
        world.advance(Duration::from_secs(20));
        let before = world.session.statistics().connections;
        world.cut();
        while world.session.statistics().connections == before {
            let (deadline, _) = world.session.poll_timeout().unwrap();
            world.now = deadline;
            world.session.handle_input(Input::Tick, world.now);
            let Some(Request::Open { transport, .. }) = world.session.poll_request() else { panic!() };
            world.wire = Some(transport);
            world.gateway.accept(transport, world.now);
            world.session.handle_input(Input::Opened { transport, early_taken: false }, world.now);
            while allowed > 0 {
                let mut message = Vec::new();
                if let Some(id) = world.session.poll_transmit(&mut message, world.now) {
                    world.gateway.handle_message(id, &message, world.now);
                }
                let Some(message) = world.gateway.transmit(transport, 1, world.now) else { break };
                world.session.handle_input(Input::Message(transport, &message), world.now);
                allowed -= 1;
            }
        }
        world.cut();
    }
    world.advance(Duration::from_secs(60));
    let events: Vec<_> = world.told(id).into_iter().filter(|told| told.starts_with('e')).collect();
    assert_eq!(events, ["e!event 2#2", "e!event 3#3"]);
}

#[test]
fn a_new_epoch_starts_afresh() {
    let mut world = World::connected();
    for number in 1..=5 {
        world.gateway.set("a", &text(&format!("{number}")));
        world.gateway.append("e", &text("event"));
    }
    world.gateway.set("gone", &text("1"));
    let id = world.subscribe("**");
    assert_eq!(world.told(id).len(), 2);
    world.cut();
    world.gateway.restart();
    world.gateway.append("e", &text("event of the new log"));
    world.gateway.set("a", &text("new"));
    assert_eq!(world.session.replica("a").unwrap().value, text("5"), "readable meanwhile");
    world.advance(Duration::from_millis(60));
    assert_eq!(world.told(id), ["a=new", "gone-"], "versions of two epochs are not compared, and no gap is made up");
    world.gateway.append("e", &text("event"));
    world.settle();
    assert_eq!(world.told(id), ["e!event#2"]);
    world.assert_replicas(&["**"]);
}

#[test]
fn back_off_grows_and_begins_anew_after_a_connection_that_lasted() {
    let mut world = World::connected();
    world.reachable = false;
    world.cut();
    world.advance(Duration::from_secs(600));
    let attempts = world.endpoints.len();
    assert!((30..200).contains(&attempts), "{attempts} attempts in ten minutes");
    world.reachable = true;
    world.advance(Duration::from_secs(60));
    assert!(world.session.is_live());
    world.cut();
    world.advance(Duration::from_millis(50));
    assert!(world.session.is_live());
}

#[test]
fn a_gateway_that_drops_everyone_at_once_is_not_hammered() {
    let mut world = World::connected();
    for _ in 0..50 {
        world.cut();
        while !world.session.is_live() {
            world.advance(Duration::from_millis(100));
        }
    }
    assert!(world.now.as_micros() > 100_000_000, "{:?}", world.now);
}

#[test]
fn a_goodbye_says_when_to_come_back() {
    let mut world = World::connected();
    world.gateway.close(ErrorCode::ShuttingDown, Duration::from_secs(30));
    world.advance(Duration::from_secs(29));
    assert_eq!(disconnections(&world), [ErrorCode::ShuttingDown]);
    assert_eq!(world.endpoints.len(), 1);
    world.advance(Duration::from_secs(21));
    assert!(world.session.is_live());
    let Some(Event::Disconnected { retry_in: Some(wait), .. }) = world.events.first() else { panic!() };
    assert!(*wait >= Duration::from_secs(30));
}

#[test]
fn versions_without_a_common_one_are_the_end() {
    let mut world = World::new();
    world.session.connect(world.now);
    let Some(Request::Open { transport, .. }) = world.session.poll_request() else { panic!() };
    world.session.handle_input(Input::Opened { transport, early_taken: false }, world.now);
    let goodbye = Goodbye {
        code: ErrorCode::UnsupportedVersion.number(),
        reason: "this gateway speaks version 2",
        speaks: vec![2],
        ..Goodbye::default()
    };
    let mut message = Vec::new();
    GatewayFrame::Goodbye(goodbye).encode(&mut message);
    world.session.handle_input(Input::Message(transport, &message), world.now);
    world.settle();
    assert_eq!(closed(&world), Some(ErrorCode::UnsupportedVersion));
    assert_eq!(world.session.poll_timeout(), None);
}

#[test]
fn a_client_that_takes_too_small_messages_is_told_so_once() {
    let config = SessionConfig { max_message: 4096, ..SessionConfig::default() };
    let mut world = World::with(config, PeerConfig::default(), 1);
    world.session.connect(world.now);
    world.settle();
    assert_eq!(closed(&world), Some(ErrorCode::MessageTooLarge));
}

#[test]
fn without_reconnecting_a_loss_is_the_end() {
    let config = SessionConfig { reconnect: false, ..SessionConfig::default() };
    let mut world = World::with(config.clone(), PeerConfig::default(), 1);
    world.connect();
    world.gateway.deaf = true;
    let ticket = world.publish("a", PublicationChange::Set(text("1")));
    world.cut();
    world.settle();
    assert_eq!(closed(&world), Some(ErrorCode::ConnectionLost));
    assert_eq!(world.verdict(ticket).unwrap_err().0, ErrorCode::ConnectionLost);
    let mut world = World::with(config, PeerConfig::default(), 1);
    world.reachable = false;
    world.session.connect(world.now);
    world.settle();
    assert_eq!(closed(&world), Some(ErrorCode::ConnectFailed));
}

#[test]
fn opening_has_a_deadline() {
    let mut world = World::new();
    world.silent = true;
    world.session.connect(world.now);
    world.settle();
    assert_eq!(world.session.poll_timeout().unwrap().1, TimerReason::Connect);
    world.advance(Duration::from_secs(10));
    assert_eq!(disconnections(&world), [ErrorCode::ConnectFailed]);
    world.silent = false;
    world.advance(Duration::from_secs(30));
    assert!(world.session.is_live());
}

#[test]
fn the_network_coming_back_is_reason_to_try_at_once() {
    let mut world = World::connected();
    world.reachable = false;
    world.cut();
    world.advance(Duration::from_secs(300));
    world.reachable = true;
    if !world.session.is_live() {
        world.session.handle_input(Input::Signal(Signal::NetworkUp), world.now);
        world.settle();
    }
    assert!(world.session.is_live());
    for signal in [Signal::NetworkDown, Signal::Resumed, Signal::NetworkUp] {
        world.session.handle_input(Input::Signal(signal), world.now);
        world.advance(Duration::from_secs(60));
        assert!(world.session.is_live(), "a hint alone ends nothing: {signal:?}");
    }
}

#[test]
fn late_news_of_an_old_transport_is_ignored() {
    let mut world = World::connected();
    let old = world.wire.unwrap();
    world.cut();
    world.advance(Duration::from_secs(1));
    let lost = outpour_core::session::Lost { code: ErrorCode::ConnectionLost, detail: String::new() };
    world.session.handle_input(Input::Lost(old, lost), world.now);
    world.session.handle_input(Input::Message(old, &[0xff; 10]), world.now);
    world.session.handle_input(Input::TextMessage(old), world.now);
    world.session.handle_input(Input::Opened { transport: old, early_taken: false }, world.now);
    world.settle();
    assert!(world.session.is_live());
    assert_eq!(world.session.statistics().connections, 2);
}

#[test]
fn subscriptions_beyond_the_limit_are_refused() {
    let peers = PeerConfig { max_subscriptions: 2, ..PeerConfig::default() };
    let mut world = World::with(SessionConfig::default(), peers, 1);
    let ids: Vec<_> = (0..3).map(|_| world.subscribe("a")).collect();
    world.session.connect(world.now);
    world.settle();
    let refused = Event::SubscriptionRefused { id: ids[2], code: ErrorCode::TooManySubscriptions };
    assert!(world.events.contains(&refused));
    let options = SubscribeOptions::default();
    let again = world.session.subscribe(&Selector::new("b").unwrap(), &options, world.now);
    assert_eq!(again, Err(ErrorCode::TooManySubscriptions));
    world.session.unsubscribe(ids[0], world.now);
    let id = world.subscribe("b");
    let subscribed =
        world.events.iter().any(|event| matches!(event, Event::Subscribed { id: other, .. } if *other == id));
    assert!(subscribed, "{:?}", world.events);
}

#[test]
fn a_fetch_without_an_answer_is_asked_again() {
    let mut world = World::connected();
    world.gateway.set("a", &text("1"));
    let selector = Selector::new("a").unwrap();
    let id = world.session.fetch(&selector, None, 10, world.now).unwrap();
    let mut message = Vec::new();
    world.session.poll_transmit(&mut message, world.now).unwrap();
    world.cut();
    world.advance(Duration::from_secs(1));
    let answers: Vec<_> = world.events.iter().filter(|event| matches!(event, Event::FetchEnded { .. })).collect();
    let [Event::FetchEnded { id: answered, items, more: false }] = answers[..] else { panic!("{answers:?}") };
    assert_eq!((*answered, items.len()), (id, 1));
}

#[test]
fn the_end_is_told_to_everything_that_waits() {
    let mut world = World::new();
    let ticket = world.publish("a", PublicationChange::Set(text("1")));
    let selector = Selector::new("a").unwrap();
    let fetch = world.session.fetch(&selector, None, 10, world.now).unwrap();
    world.session.close(Duration::ZERO, world.now);
    world.settle();
    assert_eq!(world.verdict(ticket).unwrap_err().0, ErrorCode::Closed);
    assert!(world.events.contains(&Event::FetchFailed { id: fetch, code: ErrorCode::Closed }));
    assert!(matches!(world.events.last(), Some(Event::Closed { .. })));
    assert_eq!(world.session.fetch(&selector, None, 1, world.now), Err(ErrorCode::Closed));
    let options = SubscribeOptions::default();
    assert_eq!(world.session.subscribe(&selector, &options, world.now), Err(ErrorCode::Closed));
    world.session.connect(world.now);
    assert_eq!(world.session.poll_request(), None);
}

#[test]
fn a_transport_that_takes_no_goodbye_is_closed_all_the_same() {
    let mut world = World::connected();
    world.blocked = true;
    world.session.close(Duration::ZERO, world.now);
    world.settle();
    assert!(world.closes.is_empty());
    let (deadline, reason) = world.session.poll_timeout().unwrap();
    assert_eq!(reason, TimerReason::Close);
    world.now = deadline;
    world.session.handle_input(Input::Tick, world.now);
    world.settle();
    assert_eq!(world.closes, [1000]);
}

#[test]
fn the_same_seed_and_the_same_calls_give_the_same_run() {
    let run = |seed| {
        let mut world = World::with(SessionConfig::default(), PeerConfig::default(), seed);
        world.session.connect(world.now);
        for round in 0..20 {
            world.reachable = round % 3 == 0;
            world.cut();
            world.advance(Duration::from_secs(2));
        }
        (world.endpoints.len(), world.events)
    };
    assert_eq!(run(1), run(1));
    assert_ne!(run(1), run(2));
}
