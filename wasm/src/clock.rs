//! The clock that the core is told the time by.

use core::time::Duration;

use outpour_core::Timestamp;

use crate::platform::{monotonic_now, wall_now};

/// A clock that never runs backwards and counts time spent asleep.
///
/// `performance.now()` stands still during sleep on some systems; `Date.now()` does not, but may be set. What the
/// wall clock is ahead of the other by more than [`JUMP`] is taken for sleep.
#[derive(Debug)]
pub(crate) struct Clock {
    monotonic: f64,
    wall: f64,
    at: f64,
}

/// The least difference of the clocks, in milliseconds, that is taken for sleep.
const JUMP: f64 = 2000.0;

impl Clock {
    pub(crate) fn new() -> Self {
        Self { monotonic: monotonic_now(), wall: wall_now(), at: 0.0 }
    }

    pub(crate) fn now(&mut self) -> Timestamp {
        let (monotonic, wall) = (monotonic_now(), wall_now());
        let awake = (monotonic - self.monotonic).max(0.0);
        let passed = wall - self.wall;
        self.at += if passed > awake + JUMP { passed } else { awake };
        (self.monotonic, self.wall) = (monotonic, wall);
        Timestamp::from_micros((self.at * 1000.0) as u64)
    }
}

/// A duration in milliseconds. Computed in 64 bits: what computes in 128 would have to be loaded.
pub(crate) fn milliseconds(duration: Duration) -> f64 {
    duration.as_secs() as f64 * 1000.0 + f64::from(duration.subsec_micros()) / 1000.0
}
