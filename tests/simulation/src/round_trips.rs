//! How long it takes to come back, where a round trip is exact.

use outpour_core::session::PublicationChange;
use outpour_core::wire::{Condition, HistoryStart};
use outpour_core::{Path, Selector, Timestamp, Value};

use crate::sabotage::Sabotage;
use crate::world::World;

/// Longer than anything takes that goes well.
const QUIET: u64 = 20_000_000;

/// Two clients in step: the first follows what the second publishes.
fn followed(seed: u64) -> World {
    let mut world = World::new(seed, Sabotage::None);
    let now = Timestamp::ZERO;
    world.clients[0].subscribe(Selector::new("v/**").unwrap(), None, HistoryStart::Live, now);
    publish(&mut world);
    world.advance(QUIET).unwrap();
    assert_eq!(version(&world), newest(&world));
    world
}

fn publish(world: &mut World) {
    let now = Timestamp::from_micros(world.now);
    world.last_value += 1;
    let text = world.last_value.to_string();
    let change = PublicationChange::Set(Value::json(text.clone()));
    world.clients[1].publish(&Path::new("v/a").unwrap(), change, Condition::Always, text.into_bytes(), now);
}

fn version(world: &World) -> Option<u64> {
    world.clients[0].session.replica("v/a").map(|replica| replica.version.0)
}

fn newest(world: &World) -> Option<u64> {
    world.model.topics.get("v/a").map(|topic| topic.version.0)
}

/// When the transport of the first client opens next, and when it is up to date again.
fn come_back(world: &mut World) -> (u64, u64) {
    let mut opened_at = None;
    while version(world) != newest(world) {
        if let Some(opening) = &world.clients[0].opening {
            opened_at = Some(opening.opens_at);
        }
        world.advance(world.next_at()).unwrap();
        assert!(world.now < 10 * QUIET, "it does not come back");
    }
    (opened_at.unwrap(), world.now)
}

/// The connection is lost, and meanwhile the topic changes.
fn away(seed: u64, sends_early: bool) -> (World, u64) {
    let mut world = followed(seed);
    world.sends_early[0] = sends_early;
    world.latency[0] = 100_000 + seed * 1_000;
    world.link_of(1).unwrap().latency = 100;
    world.cut(0);
    for _ in 0..3 {
        publish(&mut world);
    }
    // Known to every gateway long before the first client is back.
    world.advance(world.now + 10_000).unwrap();
    assert_ne!(version(&world), newest(&world));
    let latency = world.latency[0];
    (world, latency)
}

#[test]
fn a_resume_point_in_the_request_is_answered_right_behind_the_101() {
    for seed in 1..100 {
        let (mut world, _) = away(seed, true);
        let (opened_at, told_at) = come_back(&mut world);
        assert_eq!(told_at, opened_at, "seed {seed}");
    }
}

#[test]
fn a_resume_point_behind_the_handshake_is_answered_within_one_round_trip() {
    for seed in 1..100 {
        let (mut world, latency) = away(seed, false);
        let (opened_at, told_at) = come_back(&mut world);
        assert_eq!(told_at, opened_at + 2 * latency, "seed {seed}");
    }
}
