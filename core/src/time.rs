//! Time as an argument: the core never asks a clock.

use core::ops::{Add, Sub};
use core::time::Duration;

/// A point on the driver's clock, counted in microseconds from a start that the driver chooses.
///
/// The driver's clock must never run backwards and should count time spent asleep, so that a
/// laptop that wakes up knows at once how long it was away.
///
/// ```
/// use core::time::Duration;
/// use outpour_core::Timestamp;
///
/// let start = Timestamp::ZERO;
/// let later = start + Duration::from_secs(2);
/// assert_eq!(later - start, Duration::from_secs(2));
/// assert_eq!(start - later, Duration::ZERO);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(u64);

impl Timestamp {
    /// The start of the driver's clock.
    pub const ZERO: Self = Self(0);
    /// Later than any other timestamp.
    pub const MAX: Self = Self(u64::MAX);

    /// The timestamp `micros` microseconds after the clock's start.
    #[must_use]
    pub const fn from_micros(micros: u64) -> Self {
        Self(micros)
    }

    /// Microseconds since the clock's start.
    #[must_use]
    pub const fn as_micros(self) -> u64 {
        self.0
    }
}

impl Add<Duration> for Timestamp {
    type Output = Self;
    // Called in many places: not worth its code in each of them where that is downloaded.
    #[cfg_attr(target_arch = "wasm32", inline(never))]
    fn add(self, duration: Duration) -> Self {
        let micros = duration.as_secs().saturating_mul(1_000_000).saturating_add(duration.subsec_micros().into());
        Self(self.0.saturating_add(micros))
    }
}

impl Sub for Timestamp {
    type Output = Duration;
    /// The time from `earlier` to `self`; zero if `earlier` is in fact later.
    #[cfg_attr(target_arch = "wasm32", inline(never))]
    fn sub(self, earlier: Self) -> Duration {
        Duration::from_micros(self.0.saturating_sub(earlier.0))
    }
}
