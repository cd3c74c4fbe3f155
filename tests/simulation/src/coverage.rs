//! Whether the runs meet what they are meant to meet.

use outpour_core::ErrorCode;

use crate::sabotage::Sabotage;
use crate::world::World;

/// Traces of so many runs are enough for the rarest of them.
const SEEDS: u64 = 150;

const TROUBLES: [&str; 18] = [
    "breaks",
    "swallows everything",
    "stalls",
    "away",
    "is corrupted",
    "stops reading",
    "sleeps for",
    "says Suspending",
    "says goodbye",
    "is drained",
    "behind the log",
    "the clock of gateway",
    "is killed",
    "goes down with its machine",
    "dies in the middle of a write",
    "the disk has room for",
    "begun anew",
    "with its store",
];

const REFUSALS: [ErrorCode; 8] = [
    ErrorCode::TooLarge,
    ErrorCode::TooManyTopics,
    ErrorCode::QueueFull,
    ErrorCode::SessionTopics,
    ErrorCode::TooManySubscriptions,
    ErrorCode::VersionMismatch,
    ErrorCode::AlreadyExists,
    ErrorCode::LogUnavailable,
];

#[test]
fn every_trouble_comes_up() {
    let mut missing: Vec<&str> = TROUBLES.to_vec();
    let mut unheard: Vec<ErrorCode> = REFUSALS.to_vec();
    for seed in 1..=SEEDS {
        let mut world = World::new(seed, Sabotage::None);
        for number in 1..=200 {
            world.draw_anew(number);
            world.transition().unwrap();
        }
        missing.retain(|trouble| !world.trace.iter().any(|line| line.contains(trouble)));
        unheard.retain(|code| !world.clients.iter().any(|client| client.refusals.contains(code)));
    }
    assert!(missing.is_empty() && unheard.is_empty(), "{missing:?} and {unheard:?} never came up");
}
