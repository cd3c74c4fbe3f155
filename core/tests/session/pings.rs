//! Whether what a session says gets there, and how long an answer takes.

use std::time::Duration;

use outpour_core::ErrorCode;
use outpour_core::session::{Event, PublicationChange, TimerReason};

use crate::world::{World, text};

/// What the gateway of these tests announces.
const HEARTBEAT: Duration = Duration::from_secs(10);
const MOMENT: Duration = Duration::from_millis(1);

fn is_given_up(world: &World) -> bool {
    world.events.iter().any(|event| matches!(event, Event::Disconnected { code: ErrorCode::Silence, .. }))
}

#[test]
fn a_gateway_that_is_heard_but_hears_nothing_is_given_up_after_two_heartbeats() {
    let mut world = World::connected();
    world.subscribe("**");
    world.advance(HEARTBEAT);
    world.unheard = true;
    world.publish("a", PublicationChange::Set(text("1")));
    world.advance(HEARTBEAT * 2 - MOMENT);
    assert!(!is_given_up(&world));
    world.unheard = false;
    world.advance(HEARTBEAT / 10);
    assert!(is_given_up(&world) && world.session.is_live(), "{:?}", world.events);
    assert_eq!(world.value("a").as_deref(), Some("1"), "it was sent again");
}

#[test]
fn what_is_said_right_after_an_answer_is_asked_about_a_heartbeat_later() {
    let mut world = World::connected();
    world.publish("a", PublicationChange::Set(text("1")));
    world.advance(HEARTBEAT / 10);
    world.unheard = true;
    world.publish("a", PublicationChange::Set(text("2")));
    world.advance(HEARTBEAT * 3);
    assert!(is_given_up(&world));
}

#[test]
fn an_answer_may_stand_behind_much_else() {
    let mut world = World::connected();
    world.subscribe("**");
    world.advance(HEARTBEAT);
    world.unheard = true;
    world.publish("a", PublicationChange::Set(text("1")));
    for round in 0..60 {
        world.gateway.set("large", &text(&format!("{round}").repeat(1000)));
        world.advance(HEARTBEAT / 10);
    }
    assert!(!is_given_up(&world), "after six heartbeats");
    world.advance(HEARTBEAT * 4);
    assert!(is_given_up(&world));
}

#[test]
fn whoever_says_nothing_asks_nothing() {
    let mut world = World::connected();
    world.subscribe("**");
    world.advance(HEARTBEAT * 2);
    let before = world.session.statistics().bytes_out;
    world.advance(HEARTBEAT * 10);
    let pongs = world.session.statistics().bytes_out - before;
    assert!(pongs <= 10 * 4, "{pongs} bytes");
    assert!(matches!(world.session.poll_timeout(), Some((_, TimerReason::Silence))));
}

#[test]
fn the_round_trip_is_measured_when_asked_for_and_beside_what_is_said() {
    let mut world = World::connected();
    assert_eq!(world.session.round_trip(), None);
    world.stalled = true;
    world.session.ping();
    world.settle();
    world.advance(Duration::from_millis(80));
    world.stalled = false;
    world.settle();
    assert_eq!(world.session.round_trip(), Some(Duration::from_millis(80)));
    world.advance(HEARTBEAT * 2);
    world.publish("a", PublicationChange::Set(text("1")));
    assert_eq!(world.session.round_trip(), Some(Duration::ZERO));
    world.cut();
    world.session.ping();
    assert_eq!(world.session.round_trip(), Some(Duration::ZERO), "what was measured last");
}
