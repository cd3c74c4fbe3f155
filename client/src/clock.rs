//! The clock that the core is told the time by.

use std::time::{Duration, Instant, SystemTime};

use outpour_core::Timestamp;

/// A clock that never runs backwards and counts time spent asleep.
///
/// The monotonic clock of most systems stands still during sleep; the wall clock does not, but may
/// be set. So the monotonic clock is followed, and what the wall clock is ahead of it by more than
/// [`JUMP`] is taken for sleep. A wall clock that was set forward looks like sleep too: the
/// session then checks its connection early, and no harm is done.
#[derive(Debug)]
pub(crate) struct Clock {
    instant: Instant,
    wall: SystemTime,
    at: Timestamp,
}

/// The least difference of the clocks that is taken for sleep.
const JUMP: Duration = Duration::from_secs(2);

impl Clock {
    pub(crate) fn new() -> Self {
        Self { instant: Instant::now(), wall: SystemTime::now(), at: Timestamp::ZERO }
    }

    pub(crate) fn now(&mut self) -> Timestamp {
        self.advance(Instant::now(), SystemTime::now())
    }

    fn advance(&mut self, instant: Instant, wall: SystemTime) -> Timestamp {
        let awake = instant.saturating_duration_since(self.instant);
        let passed = wall.duration_since(self.wall).unwrap_or_default();
        self.at = self.at + if passed > awake + JUMP { passed } else { awake };
        (self.instant, self.wall) = (instant, wall);
        self.at
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_sleep_and_never_runs_backwards() {
        let mut clock = Clock::new();
        let (instant, wall) = (clock.instant, clock.wall);
        let second = Duration::from_secs(1);
        let start = clock.advance(instant, wall);
        assert_eq!(clock.advance(instant + second, wall + second) - start, second);
        // Asleep for an hour: the monotonic clock saw two seconds.
        assert_eq!(clock.advance(instant + second * 3, wall + second * 3601) - start, second * 3601);
        // The wall clock was set back.
        assert_eq!(clock.advance(instant + second * 4, wall) - start, second * 3602);
    }
}
