//! The search for what base and target have in common.

use alloc::vec::Vec;
use core::ops::Range;

use super::index::Index;
use super::scan;
use super::script::{Match, Script, shift_between, shift_cost};

/// How many literals are tried before a match is looked for further on.
const REACH: usize = 24;
/// How far beside the diagonal a match is looked for byte by byte.
const ASIDE: usize = 8;
/// A match of this length is taken without looking for a better one.
const GOOD: usize = 24;
/// The same in a small value, where a table costs more than it gains.
const GOOD_IF_SMALL: usize = 8;
/// A value is small if fewer bytes lie between the common prefix and suffix.
const SMALL: usize = 256;
/// A match is measured up to here when it is weighed against others, which keeps the work linear.
const WEIGHED: usize = 96;
/// How many places are compared for each byte of the target: recorded feeds need 1 to 3, hostile values more than 10.
const WORK_PER_BYTE: usize = 4;
/// How many more may be compared, whatever the size.
const FREE_WORK: u64 = 16 << 10;
/// How many matches are held back for later ones to replace.
const HELD: usize = 512;
/// The index is used if at least this many bytes of the target lie between the common prefix and suffix.
const INDEXED: usize = 64;

/// What a search needs beside the values; kept from one to the next.
#[derive(Debug, Default)]
pub(super) struct Scratch {
    index: Index,
    held: Vec<Match>,
    /// How many places were compared by the last search: the measure of its work.
    pub(super) work: u64,
    /// How many bytes the last search took.
    pub(super) peak: usize,
}

impl Scratch {
    /// How many table entries of four bytes there is memory for.
    pub(super) fn entries(&self) -> usize {
        self.index.entries() + self.held.capacity() * size_of::<Match>() / 4
    }

    /// Gives back the memory of a value that was far larger than most are.
    pub(super) fn shrink(&mut self, entries: usize) {
        self.peak = 4 * self.entries();
        if self.index.entries() > entries {
            self.index = Index::default();
        }
    }
}

/// The search for the matches of one edit, front to back.
///
/// Takes the best of what it finds near the place it stands at, and lets a later match that reaches further back
/// replace the ones before it.
pub(super) struct Search<'a> {
    base: &'a [u8],
    target: &'a [u8],
    /// What lies between the common prefix and suffix, in the base and in the target.
    base_middle: Range<usize>,
    target_middle: Range<usize>,
    /// Where the search stands: the target is covered up to here, and the base would go on here.
    at: Match,
    /// Matches reach no further back in the target: what is before has been written.
    written: usize,
    good: usize,
    has_index: bool,
    /// The best match that the index gave, and up to where in the target it was asked.
    far: Option<Match>,
    asked: usize,
    scratch: &'a mut Scratch,
    script: Script<'a>,
}

/// A match that was found, and what it is worth in bytes.
#[derive(Clone, Copy)]
struct Candidate {
    found: Match,
    worth: isize,
}

impl<'a> Search<'a> {
    pub(super) fn new(base: &'a [u8], target: &'a [u8], scratch: &'a mut Scratch, delta: &'a mut Vec<u8>) -> Self {
        let prefix = scan::common_prefix(base, target);
        let suffix = scan::common_suffix(scan::from(base, prefix), scan::from(target, prefix));
        let target_middle = prefix..target.len() - suffix;
        scratch.held.clear();
        scratch.work = 0;
        Self {
            base,
            target,
            base_middle: prefix..base.len() - suffix,
            at: Match { base: prefix, target: prefix, len: 0 },
            written: prefix,
            good: if target_middle.len() < SMALL { GOOD_IF_SMALL } else { GOOD },
            target_middle,
            has_index: false,
            far: None,
            asked: 0,
            scratch,
            script: Script::new(target, prefix, delta),
        }
    }

    /// Searches, and writes the edit.
    pub(super) fn run(mut self) {
        let mut misses = 0_usize;
        while self.at.target < self.target_middle.end {
            if self.is_overspent() {
                self.skip(REACH);
                continue;
            }
            let near = if misses < 4 { self.nearby() } else { None };
            let found = match near {
                Some(near) if near.found.len >= self.good => Some(near),
                Some(near) => match self.far_away(REACH) {
                    // What comes after the near match is found again.
                    Some(far) if far.worth > near.worth && !far.found.follows(&near.found) => Some(far),
                    _ => Some(near),
                },
                None => self.far_away(REACH + misses),
            };
            if let Some(candidate) = found {
                misses = 0;
                self.take(candidate.found);
            } else {
                // The more has gone by without a match, the less is looked at.
                self.skip(REACH + misses * misses / 4);
                misses += 1;
            }
        }
        self.finish();
    }

    /// Whether the search has done far more than ordinary values need, so that it has to let some of the target go by.
    fn is_overspent(&self) -> bool {
        let progress = self.at.target - self.target_middle.start;
        self.scratch.work > FREE_WORK + (self.base.len() + WORK_PER_BYTE * progress) as u64
    }

    fn skip(&mut self, literals: usize) {
        self.at.target += literals;
        self.at.base = (self.at.base + literals).min(self.base.len());
    }

    /// Looks for a match around the diagonal: a few literals on, a few bytes inserted or deleted.
    fn nearby(&mut self) -> Option<Candidate> {
        let mut best: Option<Candidate> = None;
        for literals in 0..REACH {
            if best.is_some_and(|best| literals > best.found.target - self.at.target + 4) {
                break;
            }
            let target = self.at.target + literals;
            if target + 4 > self.target_middle.end {
                break;
            }
            let Some(word) = scan::word(self.target, target) else {
                break;
            };
            let start = (self.at.base + literals).saturating_sub(ASIDE);
            self.scratch.work += 1;
            let mut places = scan::places(self.base, start, word);
            while places != 0 {
                let place = places.trailing_zeros() as usize / 8;
                places &= places - 1;
                self.scratch.work += 1;
                let candidate = self.weigh(start + place, target);
                best = better(best, candidate);
                if candidate.found.len >= GOOD {
                    return best;
                }
            }
        }
        best
    }

    /// Looks for a match anywhere, at most `reach` literals on.
    fn far_away(&mut self, reach: usize) -> Option<Candidate> {
        if self.target_middle.len() < INDEXED {
            return None;
        }
        if !self.has_index {
            self.has_index = true;
            // What is copied to the middle mostly comes from nearby; a large base is not indexed for a small change.
            let around = 1024 + 16 * self.target_middle.len();
            let start = self.base_middle.start.saturating_sub(around);
            let end = self.base_middle.end.saturating_add(around).min(self.base.len());
            self.scratch.work += (end - start) as u64;
            self.scratch.index.build(self.base, start..end);
        }
        let mut best = self.far.take().filter(|far| far.target >= self.at.target).map(|far| self.worth(far));
        // No place of the target is asked for twice.
        for target in self.asked.max(self.at.target)..self.at.target + reach {
            if best.is_some_and(|best| best.found.len >= GOOD) || target + 8 > self.target_middle.end {
                break;
            }
            let Some(word) = scan::double_word(self.target, target) else {
                break;
            };
            self.asked = target + 1;
            self.scratch.work += 1;
            for base in self.scratch.index.candidates(word) {
                self.scratch.work += 1;
                if scan::double_word(self.base, base) == Some(word) {
                    best = better(best, self.weigh(base, target));
                }
            }
        }
        self.far = best.map(|best| best.found);
        best
    }

    fn weigh(&self, base: usize, target: usize) -> Candidate {
        let goal = self.target.get(target..self.target_middle.end).unwrap_or_default();
        let goal = goal.get(..WEIGHED).unwrap_or(goal);
        let len = scan::common_prefix(scan::from(self.base, base), goal);
        self.worth(Match { base, target, len })
    }

    /// What a match is worth, seen from where the search stands: what it copies less what it takes to get there.
    fn worth(&self, found: Match) -> Candidate {
        let literals = found.target - self.at.target;
        let cost = literals + 2 * shift_cost(shift_between(&self.at, &found));
        Candidate { found, worth: found.len as isize - cost as isize }
    }

    /// Adds a match: makes it as long as it gets, in both directions, at the expense of earlier ones.
    fn take(&mut self, mut found: Match) {
        let goal = self.target.get(found.target_end()..self.target_middle.end).unwrap_or_default();
        found.len += scan::common_prefix(scan::from(self.base, found.base_end()), goal);

        // Proportional to what the match covers, so that the same bytes are not looked at again and again.
        let most = (64 + 16 * found.len).min(found.target - self.written).min(found.base);
        let before_base = self.base.get(found.base - most..found.base).unwrap_or_default();
        let before_target = self.target.get(found.target - most..found.target).unwrap_or_default();
        let mut back = scan::common_suffix(before_base, before_target);
        self.scratch.work += (found.len + back) as u64 / 8;
        while let Some(last) = self.scratch.held.last() {
            if last.target + back >= found.target {
                self.scratch.held.pop();
            } else {
                back = back.min(found.target.saturating_sub(last.target_end()));
                break;
            }
        }
        found.base -= back;
        found.target -= back;
        found.len += back;
        self.scratch.held.push(found);
        self.at = Match { base: found.base_end(), target: found.target_end(), len: 0 };

        if self.scratch.held.len() >= HELD {
            self.write(HELD / 2);
        }
    }

    /// Writes the first `count` matches that are held back, without those that cost more than they copy.
    fn write(&mut self, count: usize) {
        let mut rest = self.scratch.held.iter();
        for _ in 0..count {
            let Some(found) = rest.next() else { break };
            if let Some(next) = rest.as_slice().first() {
                let last = self.script.last();
                let apart = shift_cost(shift_between(&last, found)) + shift_cost(shift_between(found, next));
                let joined = shift_cost(shift_between(&last, next));
                if found.len + joined <= apart + 2 {
                    continue;
                }
            }
            self.script.push(*found);
        }
        let written = self.scratch.held.len() - rest.len();
        self.scratch.held.drain(..written);
        self.written = self.script.last().target_end();
    }

    fn finish(mut self) {
        let suffix = self.target.len() - self.target_middle.end;
        if suffix > 0 {
            self.scratch.held.push(Match { base: self.base_middle.end, target: self.target_middle.end, len: suffix });
        }
        self.write(usize::MAX);
        self.script.finish(self.base.len());
    }
}

fn better(a: Option<Candidate>, b: Candidate) -> Option<Candidate> {
    match a {
        Some(a) if a.worth >= b.worth => Some(a),
        _ => Some(b),
    }
}
