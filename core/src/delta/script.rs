//! From matches to the bytes of a delta.

use alloc::vec::Vec;

use super::varint;

/// A run of the target that stands in the base as well.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Match {
    pub(super) base: usize,
    pub(super) target: usize,
    pub(super) len: usize,
}

impl Match {
    pub(super) fn base_end(&self) -> usize {
        self.base + self.len
    }

    /// Whether both `earlier` and this can be part of one edit.
    pub(super) fn follows(&self, earlier: &Self) -> bool {
        self.base >= earlier.base_end() && self.target >= earlier.target_end()
    }

    pub(super) fn target_end(&self) -> usize {
        self.target + self.len
    }
}

/// Writes an edit, match by match, in the order of the target.
#[derive(Debug)]
pub(super) struct Script<'a> {
    target: &'a [u8],
    out: &'a mut Vec<u8>,
    /// The last match that was given. Its copy is not written yet: at the end it may go without saying.
    last: Match,
    is_first: bool,
}

impl<'a> Script<'a> {
    /// Begins an edit whose target begins with the first `prefix` bytes of the base.
    pub(super) fn new(target: &'a [u8], prefix: usize, out: &'a mut Vec<u8>) -> Self {
        let last = Match { base: 0, target: 0, len: prefix };
        Self { target, out, last, is_first: true }
    }

    /// The last match that was given.
    pub(super) fn last(&self) -> Match {
        self.last
    }

    /// Adds a match that comes after the last one in the target.
    pub(super) fn push(&mut self, next: Match) {
        self.copy(self.last.len);
        self.step(next);
        self.last = next;
    }

    /// Ends the edit.
    pub(super) fn finish(mut self, base_len: usize) {
        let end = Match { base: base_len, target: self.target.len(), len: 0 };
        let last = self.last;
        if last.base_end() == end.base && last.target_end() == end.target {
            // What is copied last reaches the ends of both, so it need not be said, unless nothing was said before.
            if self.is_first {
                self.copy(last.len);
            }
            return;
        }
        self.copy(last.len);
        let literals = end.target - last.target_end();
        if literals == 0 {
            return;
        }
        let stay = Match { base: last.base_end() + literals, ..end };
        if shift_cost(shift_between(&last, &end)) > 1 && stay.base <= base_len {
            // To copy nothing and end is cheaper than to move to the end of the base.
            self.step(stay);
            self.copy(0);
        } else {
            self.step(end);
        }
    }

    fn copy(&mut self, len: usize) {
        let len = len as u64;
        varint::write(self.out, if self.is_first { len << 1 } else { len });
        self.is_first = false;
    }

    /// Goes from the end of the last match to the beginning of `next`.
    fn step(&mut self, next: Match) {
        let from = self.last.target_end();
        let literals = self.target.get(from..next.target).unwrap_or_default();
        let shift = shift_between(&self.last, &next);
        write_step(literals, shift, self.out);
    }
}

/// Writes a step: its token, what of the numbers does not fit there, and the literals.
pub(super) fn write_step(literals: &[u8], shift: i64, out: &mut Vec<u8>) {
    let zigzag = ((shift << 1) ^ (shift >> 63)) as u64;
    let count = literals.len() as u64;
    out.push((count.min(15) as u8) << 4 | zigzag.min(15) as u8);
    if count >= 15 {
        varint::write(out, count - 15);
    }
    if zigzag >= 15 {
        varint::write(out, zigzag - 15);
    }
    out.extend_from_slice(literals);
}

/// The shift of the step from the end of one match to the beginning of the next.
pub(super) fn shift_between(from: &Match, to: &Match) -> i64 {
    let literals = to.target as i64 - from.target_end() as i64;
    to.base as i64 - from.base_end() as i64 - literals
}

/// How many bytes beside its token a step with this shift takes.
pub(super) fn shift_cost(shift: i64) -> usize {
    let zigzag = ((shift << 1) ^ (shift >> 63)) as u64;
    if zigzag < 15 { 0 } else { varint::len(zigzag - 15) }
}
