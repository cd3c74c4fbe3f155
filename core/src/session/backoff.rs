//! When to connect again: full jitter over a doubling back-off.
//!
//! Source: M. Brooker, "Exponential Backoff And Jitter", AWS Architecture Blog, 2015.

use core::time::Duration;

/// The longest wait before the first attempt after a connection that had been live.
const FIRST_RETRY: Duration = Duration::from_millis(50);
/// The longest wait between two attempts of a round, at different endpoints.
const HOP: Duration = Duration::from_millis(250);
/// The longest time for which a gateway can ask a client to stay away.
pub(super) const LONGEST_ASKED: Duration = Duration::from_secs(3600);

/// A doubling back-off that draws its waits from a seed.
#[derive(Clone, Debug)]
pub(super) struct Backoff {
    base: Duration,
    cap: Duration,
    random: u64,
    failures: u32,
}

impl Backoff {
    pub(super) const fn new(base: Duration, cap: Duration, seed: u64) -> Self {
        Self { base, cap, random: seed, failures: 0 }
    }

    /// A connection has proved to last.
    pub(super) const fn reset(&mut self) {
        self.failures = 0;
    }

    /// How long to wait now. `prompt` after losing a connection that had been live: the first retry
    /// comes at once, unless such losses follow each other closely. At least `asked`, which the
    /// gateway may have named: to all of its clients, so that the random part is about as long.
    pub(super) fn next(&mut self, prompt: bool, asked: Duration) -> Duration {
        let ceiling = if prompt && asked.is_zero() && self.failures == 0 {
            FIRST_RETRY
        } else {
            self.base.saturating_mul(1 << self.failures.min(16)).min(self.cap)
        };
        self.failures = self.failures.saturating_add(1);
        asked.min(LONGEST_ASKED) + self.up_to(ceiling.max(asked.min(self.cap)))
    }

    /// How long to wait before trying another endpoint.
    pub(super) fn hop(&mut self) -> Duration {
        self.up_to(HOP.min(self.base))
    }

    /// Evenly from zero up to `ceiling`.
    pub(super) fn up_to(&mut self, ceiling: Duration) -> Duration {
        let micros = u64::try_from(ceiling.as_micros()).unwrap_or(u64::MAX);
        let drawn = (u128::from(self.draw()) * u128::from(micros)) >> 64;
        Duration::from_micros(drawn as u64)
    }

    /// SplitMix64 (G. Steele, D. Lea, C. Flood, "Fast splittable pseudorandom number generators", 2014).
    const fn draw(&mut self) -> u64 {
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.random;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grows_to_the_cap_and_is_drawn_from_the_seed() {
        let backoff = || Backoff::new(Duration::from_millis(250), Duration::from_secs(20), 7);
        let (mut one, mut same) = (backoff(), backoff());
        let mut longest = Duration::ZERO;
        for _ in 0..200 {
            let wait = one.next(false, Duration::ZERO);
            assert_eq!(wait, same.next(false, Duration::ZERO));
            assert!(wait <= Duration::from_secs(20));
            longest = longest.max(wait);
        }
        assert!(longest > Duration::from_secs(15), "full jitter reaches for the cap");
    }

    #[test]
    fn comes_back_at_once_unless_told_otherwise() {
        let backoff = || Backoff::new(Duration::from_secs(1), Duration::from_secs(20), 7);
        assert!(backoff().next(true, Duration::ZERO) <= FIRST_RETRY);
        assert!(backoff().hop() <= HOP);
        let wait = backoff().next(true, Duration::from_secs(3));
        assert!(wait >= Duration::from_secs(3) && wait <= Duration::from_secs(6));
        assert!(backoff().next(true, Duration::MAX) <= Duration::from_secs(3620), "nobody is sent away for good");
    }

    #[test]
    fn does_not_hammer_a_gateway_that_welcomes_and_drops_at_once() {
        let mut backoff = Backoff::new(Duration::from_secs(1), Duration::from_secs(20), 7);
        let waited: Duration = (0..100).map(|_| backoff.next(true, Duration::ZERO)).sum();
        assert!(waited > Duration::from_secs(500), "{waited:?}");
    }
}
