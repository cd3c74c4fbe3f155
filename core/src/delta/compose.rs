//! Two deltas in a row as one, made without any of the values.

use alloc::vec::Vec;

use super::apply::Step;
use super::script::write_step;
use super::{DeltaError, HEAD_WHOLE, varint};

/// Appends to `delta` the instructions that do at once what `first` and then `second` do: where `first` leads from one
/// value to the next, and `second` from there to a third, `delta` leads from the first value to the third.
///
/// None of the values is needed, so who keeps a chain of deltas can merge any part of it for who is behind. What the
/// second delta replaces of the first one's literals is gone; so of many changes to the same place the last one is left:
///
/// ```
/// use outpour_core::delta::{apply, compose, encode};
///
/// let (mut first, mut second, mut merged) = (Vec::new(), Vec::new(), Vec::new());
/// encode(b"bid 1.0841 ask 1.0843", b"bid 1.0857 ask 1.0843", &mut first);
/// encode(b"bid 1.0857 ask 1.0843", b"bid 1.0862 ask 1.0843", &mut second);
/// compose(&first, &second, 1024, &mut merged)?;
/// assert_eq!((first.len(), second.len(), merged.len()), (4, 4, 4));
///
/// let mut value = Vec::new();
/// apply(b"bid 1.0841 ask 1.0843", &merged, 1024, &mut value)?;
/// assert_eq!(value, b"bid 1.0862 ask 1.0843");
/// # Ok::<(), outpour_core::delta::DeltaError>(())
/// ```
///
/// If both deltas apply one after the other, so does the composed one, and gives the same value. If they don't, there
/// may be no error, as the length of the base is not known: [`apply`](super::apply) finds some of these, and the check
/// that travels with a delta the others.
///
/// Appends at most `limit` bytes and never panics, whatever the bytes of the deltas. Two deltas can be far smaller than
/// the one composed of them, as the second may copy again and again what took the first many steps; that is what
/// `limit` is for. To merge only where it pays, give what the deltas take by themselves. For deltas of m and n steps, of
/// together b bytes, it takes time in O(b + n log m + `limit`), and memory of at most 12 bytes for each byte of `first`,
/// and `limit`.
///
/// # Errors
///
/// See [`DeltaError`]; [`TooLarge`](DeltaError::TooLarge) if the delta would have more than `limit` bytes. What
/// `delta` held before is left as it was.
pub fn compose(first: &[u8], second: &[u8], limit: usize, delta: &mut Vec<u8>) -> Result<(), DeltaError> {
    let begin = delta.len();
    let script = Script { limit, begin, out: delta, copied: Span::default(), literals: Vec::new(), is_first: true };
    let composed = Middle::of(first).and_then(|middle| script.write(&middle, second));
    if composed.is_err() {
        delta.truncate(begin);
    }
    composed
}

/// What a delta does next.
enum Piece<'a> {
    Copy(Span),
    Literals(&'a [u8]),
    /// All of the base from here on, however much that is: only at the end.
    Rest(u64),
}

/// A part of a value. Neither its start nor its end are beyond [`MOST`].
#[derive(Clone, Copy, Debug, Default)]
struct Span {
    start: u64,
    len: u64,
}

/// No value is longer, by far, so that the distance between any two places fits into 64 bits with a sign.
const MOST: u64 = u64::MAX >> 2;

impl Span {
    const fn end(self) -> u64 {
        self.start + self.len
    }
}

/// The sum of a place and a length, if any value is so long.
fn advance(place: u64, len: u64) -> Result<u64, DeltaError> {
    place.checked_add(len).filter(|sum| *sum <= MOST).ok_or(DeltaError::OutOfRange)
}

/// Hands the pieces that a delta makes its target of to `take`, in order, without any empty copy or literals. Gives how
/// long the base is at the least.
fn read<'a>(delta: &'a [u8], mut take: impl FnMut(Piece<'a>) -> Result<(), DeltaError>) -> Result<u64, DeltaError> {
    let mut body = delta;
    let head = varint::read(&mut body)?;
    if head == HEAD_WHOLE {
        if !body.is_empty() {
            take(Piece::Literals(body))?;
        }
        return Ok(0);
    }
    if head % 2 == 1 {
        return Err(DeltaError::UnknownKind { head });
    }
    let (mut start, mut len, mut reach) = (0_u64, head / 2, 0_u64);
    loop {
        let end = advance(start, len)?;
        reach = reach.max(end);
        if len > 0 {
            take(Piece::Copy(Span { start, len }))?;
        }
        if body.is_empty() {
            return Ok(reach);
        }
        let step = Step::read(&mut body)?;
        if !step.literals.is_empty() {
            take(Piece::Literals(step.literals))?;
        }
        let cursor = advance(end, step.literals.len() as u64)?.checked_add_signed(step.shift as i64);
        start = cursor.filter(|cursor| *cursor <= MOST).ok_or(DeltaError::OutOfRange)?;
        reach = reach.max(start);
        if body.is_empty() {
            take(Piece::Rest(start))?;
            return Ok(reach);
        }
        len = varint::read(&mut body)?;
    }
}

/// The value between the two deltas: where each part of it comes from.
struct Middle<'a> {
    parts: Vec<Part<'a>>,
    /// How long it is; `None` if it ends with the rest of the base.
    len: Option<u64>,
    /// How long the base is at the least.
    reach: u64,
}

struct Part<'a> {
    /// Where in the middle value it begins. It ends where the next one begins.
    at: u64,
    source: Source<'a>,
}

#[derive(Clone, Copy)]
enum Source<'a> {
    /// The base, from here on.
    Base(u64),
    Literals(&'a [u8]),
}

impl<'a> Middle<'a> {
    fn of(first: &'a [u8]) -> Result<Self, DeltaError> {
        let (mut parts, mut at, mut has_rest) = (Vec::<Part<'a>>::new(), 0, false);
        let reach = read(first, |piece| {
            let (source, len) = match piece {
                Piece::Copy(span) => (Source::Base(span.start), span.len),
                Piece::Literals(literals) => (Source::Literals(literals), literals.len() as u64),
                Piece::Rest(start) => {
                    has_rest = true;
                    (Source::Base(start), 0)
                }
            };
            // Copies that follow each other are one, so that what is written is in proportion to the parts read.
            let goes_on = parts.last().is_some_and(|last| match (last.source, source) {
                (Source::Base(before), Source::Base(here)) => advance(before, at - last.at) == Ok(here),
                _ => false,
            });
            if !goes_on {
                parts.push(Part { at, source });
            }
            at = advance(at, len)?;
            Ok(())
        })?;
        Ok(Self { parts, len: (!has_rest).then_some(at), reach })
    }

    /// Hands the pieces that make up a part of the value to `take`, in order: all from its start on if `len` is `None`.
    fn pieces(
        &self,
        start: u64,
        len: Option<u64>,
        mut take: impl FnMut(Piece<'a>) -> Result<(), DeltaError>,
    ) -> Result<(), DeltaError> {
        let wanted = len.map(|len| advance(start, len)).transpose()?;
        let end = match (wanted, self.len) {
            (Some(wanted), Some(len)) if wanted > len => return Err(DeltaError::OutOfRange),
            (None, Some(len)) if start > len => return Err(DeltaError::OutOfRange),
            (None, len) => len,
            (wanted, _) => wanted,
        };
        let first = self.parts.partition_point(|part| part.at <= start).saturating_sub(1);
        let mut rest = self.parts.get(first..).unwrap_or_default();
        while let Some((part, later)) = rest.split_first() {
            rest = later;
            let from = start.max(part.at);
            if end.is_some_and(|end| end <= from) {
                break;
            }
            let to = match (later.first(), end) {
                (Some(next), Some(end)) => Some(next.at.min(end)),
                (next, end) => next.map(|next| next.at).or(end),
            };
            let skipped = from - part.at;
            take(match (part.source, to) {
                (Source::Base(base), Some(to)) => {
                    let span = Span { start: advance(base, skipped)?, len: to - from };
                    advance(span.start, span.len)?;
                    Piece::Copy(span)
                }
                (Source::Base(base), None) => Piece::Rest(advance(base, skipped)?),
                (Source::Literals(literals), to) => {
                    // Literals are never longer than memory is large, so nothing is cut off here.
                    let literals = literals.get(skipped as usize..).unwrap_or_default();
                    let count = to.map_or(literals.len(), |to| (to - from) as usize);
                    Piece::Literals(literals.get(..count).unwrap_or(literals))
                }
            })?;
        }
        Ok(())
    }
}

/// The composed delta on its way out.
struct Script<'a> {
    out: &'a mut Vec<u8>,
    begin: usize,
    limit: usize,
    /// What was copied last. It is not written yet: more may follow, and into the rest it runs without saying.
    copied: Span,
    /// What stands behind it.
    literals: Vec<u8>,
    is_first: bool,
}

impl Script<'_> {
    fn write(mut self, middle: &Middle<'_>, second: &[u8]) -> Result<(), DeltaError> {
        let mut rest = None;
        read(second, |piece| {
            let (start, len) = match piece {
                Piece::Literals(literals) => return self.literals(literals),
                Piece::Copy(span) => (span.start, Some(span.len)),
                Piece::Rest(start) => (start, None),
            };
            middle.pieces(start, len, |piece| match piece {
                Piece::Copy(span) => self.copy(span),
                Piece::Literals(literals) => self.literals(literals),
                Piece::Rest(start) => {
                    rest = Some(start);
                    Ok(())
                }
            })
        })?;
        match rest {
            Some(rest) => self.finish_with_rest(rest),
            None => self.finish(middle.reach),
        }
        if self.out.len() - self.begin <= self.limit { Ok(()) } else { Err(self.too_large()) }
    }

    fn too_large(&self) -> DeltaError {
        DeltaError::TooLarge { limit: self.limit }
    }

    fn literals(&mut self, literals: &[u8]) -> Result<(), DeltaError> {
        let written = self.out.len() - self.begin + self.literals.len();
        if literals.len() > self.limit.saturating_sub(written) {
            return Err(self.too_large());
        }
        self.literals.extend_from_slice(literals);
        Ok(())
    }

    fn copy(&mut self, span: Span) -> Result<(), DeltaError> {
        if self.literals.is_empty() && self.copied.end() == span.start {
            self.copied.len += span.len;
            return Ok(());
        }
        self.write_copy();
        self.write_step(span.start);
        self.copied = span;
        if self.out.len() - self.begin <= self.limit { Ok(()) } else { Err(self.too_large()) }
    }

    fn finish_with_rest(&mut self, rest: u64) {
        if self.literals.is_empty() && self.copied.end() == rest {
            if !self.is_first {
                return;
            }
            // Nothing has changed.
            self.copied = Span::default();
            self.write_copy();
            self.write_step(0);
            return;
        }
        self.write_copy();
        self.write_step(rest);
    }

    /// Ends the delta where nothing is left of a base of `reach` bytes or more that would be copied.
    fn finish(&mut self, reach: u64) {
        if self.is_first && self.copied.len == 0 {
            varint::write(self.out, HEAD_WHOLE);
            self.out.append(&mut self.literals);
            return;
        }
        self.write_copy();
        if self.literals.is_empty() {
            return;
        }
        // To go on behind as many bytes as were put in takes the fewest bits, but there have to be as many.
        let end = self.copied.end();
        let beyond = end.saturating_add(self.literals.len() as u64);
        self.write_step(if beyond <= reach { beyond } else { end });
        self.copied = Span::default();
        self.write_copy();
    }

    fn write_copy(&mut self) {
        let len = self.copied.len;
        varint::write(self.out, if self.is_first { len << 1 } else { len });
        self.is_first = false;
    }

    /// Goes from what was copied last over the literals to this place of the base.
    fn write_step(&mut self, next: u64) {
        let from = self.copied.end() as i64;
        // Neither place is beyond `MOST`, and the literals are in memory.
        let shift = next as i64 - from - self.literals.len() as i64;
        write_step(&self.literals, shift, self.out);
        self.literals.clear();
    }
}
