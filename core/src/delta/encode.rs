use alloc::vec::Vec;

use super::search::{Scratch, Search};
use super::{HEAD_WHOLE, MAX_OVERHEAD, varint};

/// How much memory an [`Encoder`] keeps between updates, in entries of four bytes.
const KEPT: usize = 64 * 1024;

/// Appends to `delta` the instructions that turn `base` into `target`.
///
/// Never appends more than `target.len()` + [`MAX_OVERHEAD`] bytes. Takes time proportional to the sizes of `base` and
/// `target`, whatever they hold. To encode many updates, keep an [`Encoder`] instead.
pub fn encode(base: &[u8], target: &[u8], delta: &mut Vec<u8>) {
    Encoder::new().encode(base, target, delta);
}

/// Encodes deltas and keeps its tables from one to the next, so that most updates take no memory.
///
/// ```
/// let mut encoder = outpour_core::delta::Encoder::new();
/// let mut delta = Vec::new();
/// let mut value = String::from("engine 1: 17.5 degrees");
/// for next in ["engine 1: 17.6 degrees", "engine 1: 18.1 degrees"] {
///     delta.clear();
///     encoder.encode(value.as_bytes(), next.as_bytes(), &mut delta);
///     assert!(delta.len() < 8);
///     value = next.into();
/// }
/// ```
///
/// While it encodes, its tables take at most four bytes for each byte of the base and 32 KiB; in between it keeps at
/// most 288 KiB.
#[derive(Debug, Default)]
pub struct Encoder {
    scratch: Scratch,
}

impl Encoder {
    /// An encoder that has taken no memory yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Appends to `delta` the instructions that turn `base` into `target`; see [`encode`].
    pub fn encode(&mut self, base: &[u8], target: &[u8], delta: &mut Vec<u8>) {
        let begin = delta.len();
        // Positions are held in 32 bits.
        let fits = u32::try_from(base.len().max(target.len())).is_ok();
        if fits {
            Search::new(base, target, &mut self.scratch, delta).run();
        }
        if !fits || delta.len() - begin > target.len() {
            delta.truncate(begin);
            delta.reserve(target.len() + MAX_OVERHEAD);
            varint::write(delta, HEAD_WHOLE);
            delta.extend_from_slice(target);
        }
        self.scratch.shrink(KEPT);
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec;

    use super::*;

    /// Bytes that look random, the same on every run.
    fn noise(len: usize, alphabet: u64) -> Vec<u8> {
        let mut state = 0x243f_6a88_85a3_08d3_u64;
        let mut next = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            ((state >> 33) % alphabet) as u8
        };
        (0..len).map(|_| next()).collect()
    }

    fn work(base: &[u8], target: &[u8]) -> u64 {
        let mut encoder = Encoder::new();
        let mut delta = Vec::new();
        encoder.encode(base, target, &mut delta);
        let mut value = Vec::new();
        super::super::apply(base, &delta, target.len(), &mut value).unwrap();
        assert!(value == target, "does not come back");
        encoder.scratch.work
    }

    /// Pairs of values that are hard to match, of about `size` bytes.
    fn hostile(size: usize) -> Vec<(&'static str, Vec<u8>, Vec<u8>)> {
        let period = |pattern: &[u8]| pattern.iter().copied().cycle().take(size).collect::<Vec<u8>>();
        let spoilt = |mut value: Vec<u8>, every: usize, by: u8| {
            value.iter_mut().step_by(every).for_each(|byte| *byte = by);
            value
        };
        let zeros = vec![0; size];
        let two = noise(size, 2);
        let mut backwards = two.clone();
        backwards.reverse();
        let blocks: Vec<u8> = noise(size, 251).rchunks(64).flatten().copied().collect();
        let records: Vec<u8> = (0..size / 16).flat_map(|n| alloc::format!("record {n:08} ").into_bytes()).collect();
        vec![
            ("zeros", zeros.clone(), vec![0; size * 2]),
            ("zeros, spoilt", zeros.clone(), spoilt(zeros.clone(), 9, 1)),
            ("zeros, spoilt otherwise", spoilt(zeros.clone(), 13, 1), spoilt(zeros.clone(), 11, 1)),
            ("periods of 8 and 9", period(b"abcdefgh"), period(b"abcdefghi")),
            ("periods of 12, spoilt", period(b"abcdefgh1234"), spoilt(period(b"abcdefgh5678"), 25, b'-')),
            ("noise", noise(size, 256), spoilt(noise(size, 251), 1, 255)),
            ("two letters", two.clone(), backwards.clone()),
            ("two letters, spoilt", two, spoilt(backwards, 10, 7)),
            ("moved blocks", noise(size, 251), blocks),
            ("records", records.clone(), spoilt(records, 16, b'R')),
        ]
    }

    #[test]
    fn work_is_linear_on_hostile_values() {
        for ((name, base, target), (_, base_4, target_4)) in hostile(16 << 10).into_iter().zip(hostile(64 << 10)) {
            let (one, four) = (work(&base, &target), work(&base_4, &target_4));
            let most = 5 * (base_4.len() + target_4.len()) as u64;
            assert!(four <= 5 * one + 1000, "{name}: {one} then {four}");
            assert!(four <= most, "{name}: {four} places for at most {most}");
        }
    }

    #[test]
    fn memory_is_bounded() {
        for (name, base, target) in hostile(256 << 10) {
            let mut encoder = Encoder::new();
            encoder.encode(&base, &target, &mut Vec::new());
            let taken = 4 * encoder.scratch.entries();
            assert!(encoder.scratch.peak <= 4 * base.len() + (32 << 10), "{name}: {}", encoder.scratch.peak);
            assert!(taken <= 288 << 10, "{name}: keeps {taken}");
        }
    }
}
