//! Hints of the platform, sleep, silence, and clocks that jump: a hint ends nothing, and starts no storm.

use std::time::Duration;

use outpour_core::peer::PeerConfig;
use outpour_core::session::{Event, Input, PublicationChange, ResumeOutcome, SessionConfig, Signal, TimerReason};
use outpour_core::wire::{ClientFrame, Frames, GatewayFrame};
use outpour_core::{ErrorCode, Timestamp};

use crate::world::{World, long, text};

const SECOND: Duration = Duration::from_secs(1);

/// The frames of the next message of the session, by name.
fn said(world: &mut World) -> Vec<String> {
    let mut message = Vec::new();
    let _transport = world.session.poll_transmit(&mut message, world.now);
    let frame = |raw| match ClientFrame::decode(raw).unwrap().unwrap() {
        ClientFrame::Publish(_) => "publish".to_owned(),
        ClientFrame::Goodbye(goodbye) => format!("goodbye {}", goodbye.code),
        ClientFrame::Ping { token } => format!("ping {token}"),
        other => format!("{other:?}"),
    };
    Frames::new(&message).map(|raw| frame(raw.unwrap())).collect()
}

fn count(world: &World, wanted: fn(&Event) -> bool) -> usize {
    world.events.iter().filter(|event| wanted(event)).count()
}

fn disconnected(world: &World) -> Option<ErrorCode> {
    world.events.iter().find_map(|event| match event {
        Event::Disconnected { code, .. } => Some(*code),
        _ => None,
    })
}

/// A session that has been looking for a gateway for five minutes, and waits.
fn waiting() -> World {
    let mut world = World::connected();
    world.reachable = false;
    world.cut();
    world.advance(300 * SECOND);
    // Hints have an effect only some time before the next attempt.
    while world.session.poll_timeout().unwrap().0 - world.now < 5 * SECOND {
        world.advance(SECOND);
    }
    world
}

/// `realtime/unit/RTN20b/network-available-disconnected-connects-0`
#[test]
fn a_network_that_is_there_again_is_reason_to_dial_at_once() {
    for signal in [Signal::NetworkUp, Signal::Resumed] {
        let mut world = waiting();
        world.reachable = true;
        world.signal(signal);
        assert!(world.session.is_live(), "{signal:?}");
    }
}

#[test]
fn hints_are_no_reason_to_forget_the_back_off() {
    let mut world = waiting();
    world.signal(Signal::NetworkUp);
    let waits: Vec<Duration> = (0..10)
        .map(|_| {
            world.events.clear();
            let (deadline, _) = world.session.poll_timeout().unwrap();
            world.advance(deadline - world.now);
            let Some(Event::Disconnected { retry_in, .. }) = world.events.last() else { panic!("{:?}", world.events) };
            retry_in.unwrap()
        })
        .collect();
    assert!(waits.iter().sum::<Duration>() > 30 * SECOND, "{waits:?}");
}

#[test]
fn many_hints_are_no_storm() {
    let mut world = waiting();
    let before = world.endpoints.len();
    for _ in 0..1000 {
        for signal in [Signal::NetworkUp, Signal::NetworkDown, Signal::Resumed] {
            world.signal(signal);
        }
        world.advance(Duration::from_millis(10));
    }
    let dials = world.endpoints.len() - before;
    assert!((5..=20).contains(&dials), "{dials} attempts in ten seconds");
    let mut world = World::connected();
    for _ in 0..1000 {
        world.signal(Signal::NetworkUp);
    }
    assert_eq!((world.session.is_live(), world.endpoints.len()), (true, 1));
}

/// `realtime/unit/RTN20a/network-loss-connected-disconnects-0`, the other way round: what a platform says of
/// networks is often wrong, so the gateway is asked, and only if it does not answer the connection is lost.
#[test]
fn a_live_session_asks_the_gateway_before_it_hangs_up() {
    for signal in [Signal::NetworkUp, Signal::NetworkDown, Signal::Resumed] {
        let mut world = World::connected();
        world.signal(signal);
        world.advance(60 * SECOND);
        assert!(world.session.is_live() && world.events.is_empty(), "{signal:?} ends nothing");

        world.silent = true;
        world.reachable = false;
        world.signal(signal);
        world.advance(3 * SECOND - Duration::from_millis(1));
        assert!(world.session.is_live());
        world.advance(Duration::from_millis(1));
        assert_eq!(disconnected(&world), Some(ErrorCode::Silence));
    }
}

#[test]
fn a_ping_is_sent_once_for_many_hints() {
    let mut world = World::connected();
    world.blocked = true;
    world.signal(Signal::NetworkUp);
    world.signal(Signal::Resumed);
    assert_eq!(said(&mut world), ["ping 1"]);
    world.signal(Signal::NetworkUp);
    assert!(said(&mut world).is_empty(), "it is under way");
    let mut pong = Vec::new();
    GatewayFrame::Pong { token: 1 }.encode(&mut pong);
    world.inject(&pong);
    world.signal(Signal::NetworkUp);
    assert_eq!(said(&mut world), ["ping 2"]);
}

#[test]
fn what_was_on_its_way_before_does_not_pass_for_an_answer() {
    let mut world = World::connected();
    world.silent = true;
    world.reachable = false;
    world.signal(Signal::NetworkUp);
    world.advance(2 * SECOND);
    let mut old = Vec::new();
    GatewayFrame::Pong { token: 77 }.encode(&mut old);
    GatewayFrame::Ping { token: 3 }.encode(&mut old);
    world.inject(&old);
    world.advance(2 * SECOND);
    assert!(world.session.is_live(), "a slow answer may stand behind it");
    world.advance(SECOND);
    assert_eq!(disconnected(&world), Some(ErrorCode::Silence));
}

/// `realtime/unit/RTN20a/network-loss-connecting-disconnects-1`, the other way round: the attempt goes on.
#[test]
fn an_attempt_goes_on_when_the_network_seems_to_be_gone() {
    let mut world = World::new();
    world.holds = true;
    world.session.connect(world.now);
    world.settle();
    world.signal(Signal::NetworkDown);
    world.release(true);
    assert!(world.session.is_live());
    assert_eq!(world.endpoints.len(), 1);
}

/// `realtime/unit/RTN20c/network-available-connecting-restarts-0`
#[test]
fn an_attempt_over_an_old_network_is_begun_anew() {
    let mut world = World::new();
    world.holds = true;
    world.session.connect(world.now);
    world.settle();
    world.signal(Signal::NetworkUp);
    assert_eq!(world.endpoints.len(), 1, "it has only just begun");
    world.advance(Duration::from_millis(100));
    world.signal(Signal::NetworkUp);
    assert_eq!(world.endpoints.len(), 2, "at once");
    for _ in 0..29 {
        world.advance(Duration::from_millis(100));
        world.signal(Signal::NetworkUp);
        assert_eq!(world.endpoints.len(), 2, "it gets its time");
    }
    world.advance(Duration::from_millis(100));
    world.holds = false;
    world.signal(Signal::NetworkUp);
    assert!(world.session.is_live());
    assert_eq!((world.endpoints.len(), world.closes.len()), (3, 2));
    assert_eq!(count(&world, |event| matches!(event, Event::Disconnected { .. })), 0);
}

#[test]
fn a_suspended_session_sends_what_is_due_and_sleeps() {
    let mut world = World::connected();
    world.gateway.set("a", &long(1));
    let id = world.subscribe("a");
    assert_eq!(world.told(id).len(), 1);
    world.events.clear();
    world.blocked = true;
    let ticket = world.publish("b", PublicationChange::Set(text("last words")));
    world.signal(Signal::Suspending);
    assert_eq!(world.events, [Event::Suspended]);
    assert!(!world.session.is_live());
    world.blocked = false;
    world.settle();
    assert_eq!(world.value("b").as_deref(), Some("last words"));
    assert_eq!(world.closes, [1000]);
    assert_eq!(world.session.poll_timeout(), None, "no timers");

    world.gateway.set("a", &long(2));
    for signal in [Signal::NetworkUp, Signal::NetworkDown, Signal::Suspending] {
        world.signal(signal);
        world.advance(3600 * SECOND);
    }
    assert_eq!(world.endpoints.len(), 1, "nothing wakes it but the application");
    assert_eq!(world.session.replica("a").unwrap().value, long(1), "readable meanwhile");
    assert!(world.session.replica("a").unwrap().stale);

    world.signal(Signal::Resumed);
    assert!(world.session.is_live(), "at once");
    assert_eq!(world.told(id), [format!("a={}", long(2))]);
    assert!(world.verdict(ticket).is_ok());
    assert_eq!(world.gateway.applied.len(), 3, "what was sent twice is applied once");
    let resumed = world.events.iter().find_map(|event| match event {
        Event::Resumed { away, outcome } => Some((*away, outcome.clone())),
        _ => None,
    });
    assert_eq!(resumed, Some((3 * 3600 * SECOND, ResumeOutcome::Complete)));
    assert_eq!(count(&world, |event| matches!(event, Event::Disconnected { .. })), 0);
}

#[test]
fn a_session_goes_to_sleep_wherever_it_stands() {
    for live in [false, true] {
        let mut world = waiting();
        world.holds = live;
        world.events.clear();
        if live {
            world.signal(Signal::NetworkUp);
            assert!(world.held.is_some());
        }
        world.signal(Signal::Suspending);
        assert_eq!(world.held, None, "the attempt is given up");
        assert_eq!((world.session.poll_timeout(), world.events.last()), (None, Some(&Event::Suspended)));
        world.holds = false;
        world.reachable = true;
        world.signal(Signal::Resumed);
        assert!(world.session.is_live());
    }
}

#[test]
fn a_sleeper_that_is_to_be_closed_flushes_first() {
    let mut world = World::connected();
    world.signal(Signal::Suspending);
    let ticket = world.publish("a", PublicationChange::Set(text("1")));
    world.session.close(5 * SECOND, world.now);
    world.settle();
    assert!(world.verdict(ticket).is_ok());
    assert!(matches!(world.events.last(), Some(Event::Closed { code: ErrorCode::Closed, .. })));

    let mut world = World::connected();
    world.signal(Signal::Suspending);
    world.session.close(5 * SECOND, world.now);
    world.settle();
    assert!(matches!(world.events.last(), Some(Event::Closed { code: ErrorCode::Closed, .. })));
    assert_eq!(world.endpoints.len(), 1);
}

#[test]
fn a_transport_that_takes_nothing_does_not_keep_a_sleeper_awake() {
    let mut world = World::connected();
    world.blocked = true;
    world.signal(Signal::Suspending);
    let (deadline, reason) = world.session.poll_timeout().unwrap();
    assert_eq!((deadline - world.now, reason), (2 * SECOND, TimerReason::Close));
    world.advance(2 * SECOND);
    assert_eq!((world.closes.len(), world.session.poll_timeout()), (1, None));
}

#[test]
fn silence_is_noticed_after_two_heartbeats_exactly() {
    for heartbeat in [SECOND, 10 * SECOND, 60 * SECOND] {
        let peers = PeerConfig { heartbeat, ..PeerConfig::default() };
        let mut world = World::with(SessionConfig::default(), peers, 1);
        world.connect();
        let heard = world.now;
        world.silent = true;
        world.reachable = false;
        let (deadline, reason) = world.session.poll_timeout().unwrap();
        assert_eq!((deadline - heard, reason), (heartbeat * 2, TimerReason::Silence));
        world.advance(heartbeat * 2 - Duration::from_micros(1));
        assert!(world.session.is_live());
        world.advance(Duration::from_micros(1));
        assert_eq!(disconnected(&world), Some(ErrorCode::Silence));
    }
}

#[test]
fn a_clock_that_jumps_ahead_is_no_reason_to_hang_up() {
    for late in [SECOND * 2, 3600 * SECOND, 1_000_000 * SECOND] {
        let mut world = World::connected();
        world.now = world.now + 20 * SECOND + late;
        world.session.handle_input(Input::Tick, world.now);
        assert!(world.session.is_live());
        world.settle();
        let (deadline, _) = world.session.poll_timeout().unwrap();
        assert_eq!(deadline - world.now, 20 * SECOND, "the gateway has answered");
        assert!(world.events.is_empty());
    }
}

#[test]
fn a_jump_of_the_clock_makes_no_burst() {
    let mut world = World::connected();
    world.reachable = false;
    world.cut();
    for _ in 0..10 {
        world.settle();
        let before = world.endpoints.len();
        world.now = world.now + 5 * 3600 * SECOND;
        world.session.handle_input(Input::Tick, world.now);
        world.settle();
        assert_eq!(world.endpoints.len() - before, 1, "one attempt, however much time seems to have passed");
        assert!(world.session.poll_timeout().unwrap().0 > world.now);
    }
}

#[test]
fn a_clock_that_was_set_back_stops_nothing() {
    let mut world = World::connected();
    world.now = world.now + 10_000 * SECOND;
    world.session.handle_input(Input::Tick, world.now);
    world.settle();
    world.now = Timestamp::from_micros(5);
    world.session.handle_input(Input::Tick, world.now);
    let (deadline, reason) = world.session.poll_timeout().unwrap();
    assert_eq!(reason, TimerReason::Silence);
    assert!(deadline - world.now <= 20 * SECOND, "{:?}", deadline - world.now);
    // From now on nothing is heard, and it is noticed when it should be by the new clock.
    world.reachable = false;
    world.now = deadline;
    world.session.handle_input(Input::Tick, world.now);
    world.settle();
    assert_eq!(disconnected(&world), Some(ErrorCode::Silence));
    world.reachable = true;
    let (deadline, _) = world.session.poll_timeout().unwrap();
    assert!(deadline - world.now <= SECOND);
    world.now = deadline;
    world.session.handle_input(Input::Tick, world.now);
    world.settle();
    assert!(world.session.is_live());
}
