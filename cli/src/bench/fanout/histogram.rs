//! A histogram of latencies with a bounded relative error.

/// Sub-buckets per power of two, as a power of two: 128 of them keep the relative error below 0.8 %.
const PRECISION_BITS: u32 = 7;
const SUB_BUCKETS: u64 = 1 << PRECISION_BITS;
const BUCKETS: usize = (64 - PRECISION_BITS as usize + 1) << PRECISION_BITS;

/// Counts nanosecond values in logarithmic buckets: constant memory and constant time for each value, however many.
#[derive(Clone, Debug)]
pub(super) struct Histogram {
    counts: Vec<u64>,
    total: u64,
    max: u64,
}

impl Histogram {
    pub(super) fn new() -> Self {
        Self { counts: vec![0; BUCKETS], total: 0, max: 0 }
    }

    pub(super) fn record(&mut self, nanos: u64) {
        if let Some(count) = self.counts.get_mut(bucket_of(nanos)) {
            *count += 1;
        }
        self.total += 1;
        self.max = self.max.max(nanos);
    }

    pub(super) fn count(&self) -> u64 {
        self.total
    }

    /// The largest value recorded, exactly.
    pub(super) fn max(&self) -> u64 {
        self.max
    }

    /// The smallest value that at least the fraction `q` (0 to 1) of all values do not exceed, rounded up by at most
    /// 0.8 %. `None` when nothing was recorded.
    pub(super) fn quantile(&self, q: f64) -> Option<u64> {
        let wanted = ((q * self.total as f64).ceil() as u64).clamp(1, self.total.max(1));
        let mut seen = 0;
        for (bucket, count) in self.counts.iter().enumerate() {
            seen += count;
            if seen >= wanted {
                return Some(upper_bound_of(bucket).min(self.max));
            }
        }
        None
    }
}

/// Values below 128 have a bucket each; above, the leading bit chooses the group and the next seven bits the bucket.
fn bucket_of(value: u64) -> usize {
    if value < SUB_BUCKETS {
        return value as usize;
    }
    let shift = value.ilog2() - PRECISION_BITS;
    let group = u64::from(shift) + 1;
    ((group << PRECISION_BITS) + ((value >> shift) - SUB_BUCKETS)) as usize
}

fn upper_bound_of(bucket: usize) -> u64 {
    let bucket = bucket as u64;
    let (group, sub) = (bucket >> PRECISION_BITS, bucket & (SUB_BUCKETS - 1));
    if group == 0 {
        return sub;
    }
    let shift = group - 1;
    ((SUB_BUCKETS + sub) << shift) + ((1 << shift) - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_are_contiguous_and_hold_their_values() {
        for value in (0..100_000).chain([u64::from(u32::MAX), 1 << 40, (1 << 63) + 12_345, u64::MAX]) {
            let bucket = bucket_of(value);
            assert!(bucket < BUCKETS, "{value} has no bucket");
            assert!(upper_bound_of(bucket) >= value);
            assert!(bucket == 0 || upper_bound_of(bucket - 1) < value, "{value} is in two buckets");
        }
    }

    #[test]
    fn quantiles_are_within_a_hundredth() {
        let mut histogram = Histogram::new();
        for value in 1..=1_000_000 {
            histogram.record(value);
        }
        for (q, exact) in [(0.5, 500_000.0), (0.99, 990_000.0), (0.999, 999_000.0), (1.0, 1_000_000.0)] {
            let found = histogram.quantile(q).unwrap() as f64;
            assert!((found / exact - 1.0).abs() < 0.01, "q {q}: {found} instead of {exact}");
            assert!(found >= exact);
        }
        assert_eq!(histogram.max(), 1_000_000);
        assert_eq!(histogram.count(), 1_000_000);
    }

    #[test]
    fn nothing_recorded_has_no_quantile() {
        assert_eq!(Histogram::new().quantile(0.99), None);
    }

    #[test]
    fn one_value_is_every_quantile() {
        let mut histogram = Histogram::new();
        histogram.record(1_234_567);
        assert_eq!(histogram.quantile(0.0), Some(1_234_567));
        assert_eq!(histogram.quantile(0.999), Some(1_234_567));
    }
}
