use alloc::vec::Vec;
use core::fmt;

use super::{HEAD_WHOLE, varint};

/// Why a delta cannot be applied.
///
/// All of these are the fault of whoever made the delta, or of a base that is not the one it was made against; the
/// way out is to ask for a snapshot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum DeltaError {
    /// The delta ends in the middle of a number or of its literals.
    Truncated,
    /// A number is not in its shortest form, or has more than 64 bits.
    Overlong,
    /// The delta copies, or moves to, bytes outside the base.
    OutOfRange,
    /// What is made, a value or a [composed](super::compose) delta, would be larger than `limit` bytes.
    TooLarge {
        /// The limit that the caller gave, in bytes.
        limit: usize,
    },
    /// The delta is of a kind that this version does not know.
    UnknownKind {
        /// The head of the delta.
        head: u64,
    },
}

impl fmt::Display for DeltaError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Truncated => f.write_str("the delta is cut off; ask for a snapshot"),
            Self::Overlong => f.write_str("the delta holds a malformed number; ask for a snapshot"),
            Self::OutOfRange => f.write_str(
                "the delta refers to bytes that the base does not have, so it was made against another base; \
                 ask for a snapshot",
            ),
            Self::TooLarge { limit } => {
                write!(f, "what the delta makes is over the limit of {limit} bytes")
            }
            Self::UnknownKind { head } => {
                write!(f, "the delta is of an unknown kind (head {head}); ask for a snapshot")
            }
        }
    }
}

impl core::error::Error for DeltaError {}

/// Makes the target that `delta` describes out of `base` and puts it into `target`, replacing what was there.
///
/// Any bytes give a value or an error, never a panic. The whole delta is checked before memory is taken for the
/// target, and no more is taken than the target needs, at most `limit` bytes. Takes time proportional to
/// `delta.len()` and the size of the target.
///
/// # Errors
///
/// See [`DeltaError`]. `target` is empty after an error.
pub fn apply(base: &[u8], delta: &[u8], limit: usize, target: &mut Vec<u8>) -> Result<(), DeltaError> {
    target.clear();
    let mut body = delta;
    let head = varint::read(&mut body)?;
    if head == HEAD_WHOLE {
        if body.len() > limit {
            return Err(DeltaError::TooLarge { limit });
        }
        target.extend_from_slice(body);
        return Ok(());
    }
    if head % 2 == 1 {
        return Err(DeltaError::UnknownKind { head });
    }

    let mut size = 0_usize;
    edit(base, head / 2, body, |piece| {
        // A sum beyond `usize` is beyond any limit.
        size = size.checked_add(piece.len()).filter(|size| *size <= limit).ok_or(DeltaError::TooLarge { limit })?;
        Ok(())
    })?;
    target.reserve_exact(size);
    edit(base, head / 2, body, |piece| {
        target.extend_from_slice(piece);
        Ok(())
    })
}

/// Hands the pieces that make up the target of an edit to `emit`, in order.
#[inline(always)]
fn edit(
    base: &[u8],
    first_copy: u64,
    mut body: &[u8],
    mut emit: impl FnMut(&[u8]) -> Result<(), DeltaError>,
) -> Result<(), DeltaError> {
    let mut rest = base;
    let mut copy = first_copy;
    loop {
        let copy_len = usize::try_from(copy).map_err(|_| DeltaError::OutOfRange)?;
        let (copied, after) = rest.split_at_checked(copy_len).ok_or(DeltaError::OutOfRange)?;
        emit(copied)?;
        if body.is_empty() {
            return Ok(());
        }

        let step = Step::read(&mut body)?;
        emit(step.literals)?;
        let cursor = (base.len() - after.len())
            .checked_add(step.literals.len())
            .and_then(|cursor| cursor.checked_add_signed(step.shift))
            .ok_or(DeltaError::OutOfRange)?;
        rest = base.get(cursor..).ok_or(DeltaError::OutOfRange)?;
        if body.is_empty() {
            return emit(rest);
        }
        copy = varint::read(&mut body)?;
    }
}

pub(super) struct Step<'a> {
    pub(super) literals: &'a [u8],
    pub(super) shift: isize,
}

impl<'a> Step<'a> {
    /// Takes a step off the front of `body`.
    #[cfg_attr(not(target_arch = "wasm32"), inline(always))]
    pub(super) fn read(body: &mut &'a [u8]) -> Result<Self, DeltaError> {
        let (&token, rest) = body.split_first().ok_or(DeltaError::Truncated)?;
        *body = rest;
        let literals = field(token >> 4, body)?;
        let zigzag = field(token & 15, body)?;
        let literals = usize::try_from(literals).map_err(|_| DeltaError::Truncated)?;
        let (literals, rest) = body.split_at_checked(literals).ok_or(DeltaError::Truncated)?;
        *body = rest;
        let shift = (zigzag >> 1) as i64 ^ -((zigzag & 1) as i64);
        let shift = isize::try_from(shift).map_err(|_| DeltaError::OutOfRange)?;
        Ok(Self { literals, shift })
    }
}

/// A number of which the token holds four bits.
#[cfg_attr(not(target_arch = "wasm32"), inline(always))]
fn field(bits: u8, body: &mut &[u8]) -> Result<u64, DeltaError> {
    if bits < 15 {
        return Ok(u64::from(bits));
    }
    varint::read(body)?.checked_add(15).ok_or(DeltaError::OutOfRange)
}
