//! How fast connections are let in: the many that come back after a restart must not starve those already in.

use std::time::Duration;

use outpour_core::Timestamp;

/// How much of a second's connections may come at once.
const BURST: Duration = Duration::from_millis(50);

/// A bucket of admissions that fills at a steady rate.
#[derive(Debug)]
pub(super) struct Admission {
    /// The time that one admission takes to come up.
    interval: Duration,
    /// When the bucket would have been empty. It is never further in the past than [`BURST`].
    spent_until: Timestamp,
}

impl Admission {
    pub(super) fn new(per_second: u32, now: Timestamp) -> Self {
        Self { interval: Duration::from_secs(1) / per_second.max(1), spent_until: now }
    }

    /// How long to wait until one may be let in; `None` if that is now.
    pub(super) fn wait(&self, now: Timestamp) -> Option<Duration> {
        Some(self.spent_until - now).filter(|ahead| !ahead.is_zero())
    }

    /// One has been let in.
    pub(super) fn spend(&mut self, now: Timestamp) {
        let full = Timestamp::from_micros(now.as_micros().saturating_sub(BURST.as_micros() as u64));
        self.spent_until = self.spent_until.max(full) + self.interval;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn admit(admission: &mut Admission, now: Timestamp) -> Result<(), Duration> {
        match admission.wait(now) {
            Some(wait) => Err(wait),
            None => {
                admission.spend(now);
                Ok(())
            }
        }
    }

    const fn at(micros: u64) -> Timestamp {
        Timestamp::from_micros(micros)
    }

    /// How many come in if all who can do so at each of these times.
    fn admitted(admission: &mut Admission, times: impl Iterator<Item = u64>) -> usize {
        times.map(|time| std::iter::repeat_with(|| admit(admission, at(time))).take_while(Result::is_ok).count()).sum()
    }

    #[test]
    fn a_second_brings_as_many_as_it_may_however_often_one_asks() {
        for per_second in [1, 7, 100, 3_000, 100_000] {
            for step in [1_000, 9_999, 50_000, 1_000_000] {
                let mut admission = Admission::new(per_second, at(0));
                let seconds = 10;
                let count = admitted(&mut admission, (0..=seconds * 1_000_000).step_by(step));
                let most = u64::from(per_second) * seconds + u64::from(per_second) / 20 + 2;
                assert!(count as u64 <= most, "{per_second} every {step}: {count}");
                if step <= 50_000 {
                    assert!(count as u64 >= u64::from(per_second) * seconds * 9 / 10, "{per_second}, {step}: {count}");
                }
            }
        }
    }

    #[test]
    fn the_wait_is_just_long_enough() {
        let mut admission = Admission::new(10, at(0));
        assert_eq!(admit(&mut admission, at(0)), Ok(()));
        let wait = admit(&mut admission, at(30_000)).unwrap_err();
        assert_eq!(wait, Duration::from_millis(70));
        assert_eq!(admit(&mut admission, at(99_999)), Err(Duration::from_micros(1)));
        assert_eq!(admit(&mut admission, at(100_000)), Ok(()));
    }

    #[test]
    fn a_long_silence_saves_up_no_more_than_a_burst() {
        let mut admission = Admission::new(1_000, at(0));
        assert_eq!(admitted(&mut admission, [3_600_000_000].into_iter()), 51);
    }
}
