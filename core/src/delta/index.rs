//! Where eight bytes of the target stand in the base.

use alloc::vec::Vec;
use core::ops::Range;

/// How many places are looked at for the same hash.
const DEPTH: usize = 8;

const NOWHERE: u32 = u32::MAX;

/// A hash table of every second position in a part of the base, with chains in ascending order.
///
/// It takes at most four bytes for each byte of that part, and 4 KiB.
#[derive(Debug, Default)]
pub(super) struct Index {
    /// The first position of each hash.
    heads: Vec<u32>,
    /// For each position the next one of the same hash.
    next: Vec<u32>,
    start: usize,
    hash_shift: u32,
}

/// Only every second position is in the table: a match is extended backwards when it is found.
pub(super) const STEP: usize = 2;

impl Index {
    /// Replaces what the index holds by the positions in `part` of the base. `part` is shorter than 4 GiB.
    pub(super) fn build(&mut self, base: &[u8], part: Range<usize>) {
        let bytes = base.get(part.clone()).unwrap_or_default();
        let positions = bytes.len() / STEP;
        let bits = (positions.max(2) - 1).ilog2().clamp(7, 22);
        self.start = part.start;
        self.hash_shift = 64 - bits;
        self.heads.clear();
        self.heads.reserve_exact(1 << bits);
        self.heads.resize(1 << bits, NOWHERE);
        self.next.clear();
        self.next.reserve_exact(positions);
        self.next.resize(positions, NOWHERE);
        let windows = bytes.windows(8).step_by(STEP);
        for (position, window) in windows.enumerate().rev() {
            let Some(chunk) = window.first_chunk() else {
                continue;
            };
            let hash = self.hash(u64::from_le_bytes(*chunk));
            if let (Some(head), Some(next)) = (self.heads.get_mut(hash), self.next.get_mut(position)) {
                *next = *head;
                *head = position as u32;
            }
        }
    }

    /// The first few positions in the base that may hold the eight bytes `word`.
    pub(super) fn candidates(&self, word: u64) -> impl Iterator<Item = usize> {
        let mut position = self.heads.get(self.hash(word)).copied().unwrap_or(NOWHERE);
        core::iter::from_fn(move || {
            let here = usize::try_from(position).ok()?;
            position = *self.next.get(here)?;
            Some(self.start + here * STEP)
        })
        .take(DEPTH)
    }

    /// How many entries of four bytes there is memory for.
    pub(super) fn entries(&self) -> usize {
        self.heads.capacity() + self.next.capacity()
    }

    fn hash(&self, word: u64) -> usize {
        (word.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> self.hash_shift) as usize
    }
}
