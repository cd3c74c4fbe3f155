//! A gateway asks its sessions to go on elsewhere: make before break, and nothing missed.

use std::time::Duration;

use outpour_core::peer::PeerConfig;
use outpour_core::session::{Endpoint, Event, PublicationChange, ResumeOutcome, SessionConfig, Signal, TimerReason};
use outpour_core::wire::{ClientFrame, Frames, GatewayFrame, Move};
use outpour_core::{ErrorCode, SubscriptionId};

use crate::world::{World, long, text};

const SECOND: Duration = Duration::from_secs(1);

fn world(endpoints: &[&str]) -> (World, SubscriptionId) {
    let endpoints = endpoints.iter().map(ToString::to_string).collect();
    let config = SessionConfig { endpoints, ..SessionConfig::default() };
    let mut world = World::with(config, PeerConfig::default(), 21);
    world.connect();
    world.gateway.set("a", &long(0));
    world.gateway.append("e", &text("event 1"));
    let id = world.subscribe("**");
    assert_eq!(world.told(id).len(), 1);
    world.advance(10 * SECOND);
    world.events.clear();
    (world, id)
}

fn until_held(world: &mut World) {
    while world.held.is_none() {
        world.advance(Duration::from_millis(10));
    }
}

fn names(world: &World) -> Vec<&'static str> {
    let name = |event: &Event| match event {
        Event::Moving { .. } => Some("moving"),
        Event::Moved { .. } => Some("moved"),
        Event::Connecting { .. } => Some("connecting"),
        Event::Connected { .. } => Some("connected"),
        Event::Disconnected { .. } => Some("disconnected"),
        Event::Resumed { outcome: ResumeOutcome::Complete, .. } => Some("complete"),
        Event::Resumed { .. } => Some("incomplete"),
        Event::Suspended => Some("suspended"),
        Event::Closed { .. } => Some("closed"),
        _ => None,
    };
    world.events.iter().filter_map(name).collect()
}

#[test]
fn the_old_connection_serves_until_the_new_one_is_open() {
    let (mut world, id) = world(&["ws://a", "ws://b"]);
    world.gateway.move_away(30 * SECOND, "");
    world.holds = true;
    world.settle();
    assert_eq!(names(&world), ["moving"]);
    assert_eq!(world.session.poll_timeout().unwrap().1, TimerReason::Move);
    let asked = world.now;
    until_held(&mut world);
    assert!(world.now - asked <= 15 * SECOND, "in the first half of the time");
    assert_eq!(world.endpoints.last(), Some(&Endpoint::Listed(1)));

    // Everything goes on meanwhile, both ways.
    world.gateway.set("a", &long(1));
    let ticket = world.publish("b", PublicationChange::Set(text("1")));
    assert!(world.session.is_live() && world.verdict(ticket).is_ok());
    assert_eq!(world.told(id).len(), 2);

    // What is on its way when the session leaves is neither lost nor told or applied twice.
    world.gateway.deaf = true;
    let on_its_way = world.publish("b", PublicationChange::Append(text("x")));
    let second = world.publish("p", PublicationChange::Set(text("2")));
    world.gateway.deaf = false;
    world.gateway.set("a", &long(2));
    world.gateway.append("e", &text("event 2"));
    let applied = world.gateway.applied.len();
    world.release(true);
    assert!(world.session.is_live());
    assert_eq!(names(&world), ["moving", "moved", "complete"]);
    assert_eq!(world.closes, [1000]);
    assert_eq!(world.gateway.connections(), 1);
    assert!(world.is_settled(on_its_way) && world.verdict(second).is_ok());
    assert_eq!(world.gateway.applied.len(), applied + 2);
    let mut told = world.told(id);
    told.sort();
    assert_eq!(told, [format!("a={}", long(2)), "e!event 2#2".into(), "p=2".into()]);
    world.assert_replicas(&["**"]);
    // The one that worked is where the session goes from now on.
    world.endpoints.clear();
    world.advance(10 * SECOND);
    world.cut();
    world.advance(SECOND);
    assert_eq!(world.endpoints, [Endpoint::Listed(1)]);
}

#[test]
fn the_goodbye_comes_before_the_hello() {
    let (mut world, _) = world(&["ws://a"]);
    world.gateway.move_away(SECOND, "");
    world.settle();
    let old = world.wire.unwrap();
    world.blocked = true;
    world.advance(SECOND);
    let new = world.wire.unwrap();
    assert_ne!(old, new);
    let mut said = Vec::new();
    for _ in 0..2 {
        let mut message = Vec::new();
        let transport = world.session.poll_transmit(&mut message, world.now).unwrap();
        let first = Frames::new(&message).next().unwrap().unwrap();
        said.push((transport, matches!(ClientFrame::decode(first), Ok(Some(ClientFrame::Hello(_))))));
    }
    assert_eq!(said, [(old, false), (new, true)]);
}

#[test]
fn a_redirect_is_gone_to_if_it_may_be() {
    for (redirect, expected) in [
        ("wss://b.org:9", Endpoint::Redirect("wss://b.org:9".into())),
        ("wss://elsewhere.org", Endpoint::Listed(1)),
        ("ws://b.org", Endpoint::Listed(1)),
        ("", Endpoint::Listed(1)),
    ] {
        let (mut world, _) = world(&["wss://a.org", "wss://b.org"]);
        world.gateway.move_away(10 * SECOND, redirect);
        world.advance(10 * SECOND);
        assert_eq!(names(&world), ["moving", "moved", "complete"]);
        assert_eq!(world.endpoints.last(), Some(&expected), "{redirect}");
    }
}

#[test]
fn without_another_gateway_the_session_stays_to_the_end() {
    let (mut world, id) = world(&["ws://a", "ws://b"]);
    world.gateway.move_away(60 * SECOND, "ws://b:77");
    world.reachable = false;
    world.settle();
    world.advance(59 * SECOND);
    assert!(world.session.is_live());
    assert_eq!(names(&world), ["moving"]);
    assert_eq!(world.endpoints[1..], [Endpoint::Redirect("ws://b:77".into()), Endpoint::Listed(1)]);
    world.gateway.set("a", &long(1));
    world.settle();
    assert_eq!(world.told(id).len(), 1, "it is served on");
    world.gateway.close(ErrorCode::ShuttingDown, Duration::ZERO);
    world.reachable = true;
    world.advance(SECOND);
    assert_eq!(names(&world), ["moving", "disconnected", "connecting", "connected", "complete"]);
}

#[test]
fn the_transport_that_is_being_opened_takes_over_when_the_old_one_breaks() {
    let (mut world, id) = world(&["ws://a", "ws://b"]);
    world.gateway.move_away(10 * SECOND, "");
    world.holds = true;
    until_held(&mut world);
    world.gateway.set("a", &long(1));
    world.cut();
    world.settle();
    assert_eq!(names(&world), ["moving", "disconnected", "connecting"]);
    let opened = world.endpoints.len();
    world.release(true);
    assert!(world.session.is_live());
    assert_eq!(world.endpoints.len(), opened, "no other one was asked for");
    assert_eq!(world.told(id).len(), 1);
}

#[test]
fn a_new_gateway_that_does_not_welcome_is_a_lost_connection() {
    let (mut world, _) = world(&["ws://a", "ws://b"]);
    world.gateway.move_away(2 * SECOND, "");
    world.holds = true;
    until_held(&mut world);
    world.silent = true;
    world.holds = false;
    world.release(true);
    world.advance(10 * SECOND);
    assert!(names(&world).contains(&"disconnected"));
    world.silent = false;
    world.advance(30 * SECOND);
    assert!(world.session.is_live());
    assert_eq!(names(&world).last(), Some(&"complete"));
    assert!(!names(&world).contains(&"moved"), "it is a new connection");
}

#[test]
fn an_opening_that_takes_too_long_is_given_up() {
    let (mut world, _) = world(&["ws://a", "ws://b"]);
    world.gateway.move_away(100 * SECOND, "");
    world.holds = true;
    world.advance(100 * SECOND);
    assert!(world.session.is_live());
    assert_eq!(world.held, None);
    assert_eq!(world.closes.len(), 2, "two attempts were given up");
    assert_eq!(names(&world), ["moving"]);
}

#[test]
fn sleep_and_the_end_give_the_other_transport_up() {
    for sleeps in [true, false] {
        let (mut world, _) = world(&["ws://a", "ws://b"]);
        world.gateway.move_away(10 * SECOND, "");
        world.holds = true;
        until_held(&mut world);
        if sleeps {
            world.signal(Signal::Suspending);
        } else {
            world.session.close(Duration::ZERO, world.now);
            world.settle();
        }
        assert_eq!((world.held, world.wire, world.session.poll_timeout()), (None, None, None));
    }
}

#[test]
fn gateways_that_pass_a_session_on_and_on_are_not_obeyed_for_long() {
    let (mut world, _) = world(&["ws://a", "ws://b"]);
    for _ in 0..100 {
        world.gateway.move_away(Duration::from_millis(10), "");
        world.advance(Duration::from_millis(20));
    }
    assert!(world.session.is_live());
    assert_eq!(world.endpoints.len(), 1 + 5);
    // Once a connection has lasted, it is a new matter.
    world.advance(10 * SECOND);
    world.gateway.move_away(SECOND, "");
    world.advance(SECOND);
    assert_eq!(world.endpoints.len(), 1 + 6);
}

#[test]
fn asking_again_and_again_changes_nothing() {
    let (mut world, _) = world(&["ws://a", "ws://b"]);
    world.holds = true;
    for _ in 0..50 {
        let mut message = Vec::new();
        GatewayFrame::Move(Move { within_ms: u64::MAX, redirect: "ws://b" }).encode(&mut message);
        world.inject(&message);
    }
    world.advance(61 * SECOND);
    assert_eq!(names(&world), ["moving"]);
    assert!(world.endpoints.len() <= 3, "{:?}", world.endpoints);
}

/// A thousand sessions are asked at the same time.
#[test]
fn those_who_are_asked_to_leave_spread_over_the_time_they_have() {
    let mut waits: Vec<Duration> = (0..1000)
        .map(|seed| {
            let mut world = World::with(SessionConfig::default(), PeerConfig::default(), seed);
            world.connect();
            world.gateway.move_away(20 * SECOND, "");
            world.settle();
            world.session.poll_timeout().unwrap().0 - world.now
        })
        .collect();
    waits.sort();
    for (nth, wait) in waits.iter().enumerate() {
        let even = 10 * SECOND * nth as u32 / 1000;
        assert!(wait.abs_diff(even) < SECOND, "the {nth}th leaves after {wait:?}");
    }
}
