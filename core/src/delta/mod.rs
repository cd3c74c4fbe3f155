//! Deltas: instructions that turn the bytes of one version of a value into those of a later one.
//!
//! A delta knows nothing of what the bytes mean. JSON text, plain text and binary values are all treated alike, and
//! every delta decodes with nothing but the base it was made against. Deltas in a row are made one by [`compose`].
//!
//! ```
//! let base = br#"{"bid":1.0841,"ask":1.0843}"#;
//! let target = br#"{"bid":1.0842,"ask":1.0844}"#;
//!
//! let mut delta = Vec::new();
//! outpour_core::delta::encode(base, target, &mut delta);
//! assert_eq!(delta, [0x18, 0x10, b'2', 0x0c, 0x10, b'4']);
//!
//! let mut value = Vec::new();
//! outpour_core::delta::apply(base, &delta, 1024, &mut value)?;
//! assert_eq!(value, target);
//! # Ok::<(), outpour_core::delta::DeltaError>(())
//! ```
//!
//! # Format
//!
//! A delta has no length of its own: whoever carries it says where it ends. `varint` is an unsigned LEB128 number of at
//! most 64 bits (seven bits a byte, least significant first, the high bit set on all but the last byte). It must be
//! written in its shortest form: a last byte of zero after other bytes, or a value over 64 bits, is an error.
//!
//! ```text
//! delta = head body
//! head  = varint
//! ```
//!
//! | head | kind | body |
//! |---|---|---|
//! | even | edit | below; the first `copy` is head / 2 |
//! | 1 | whole | the target itself, all remaining bytes; the base is not looked at |
//! | other odd numbers | reserved | refused |
//!
//! ```text
//! edit  = *( step copy ) [ step ]            ; after the first copy, which is in the head
//! copy  = varint
//! step  = token [ more-literals ] [ more-shift ] literals
//! token = one byte: literals (high four bits), shift (low four bits)
//! more-literals = varint                     ; present if the token's high bits are 15
//! more-shift    = varint                     ; present if the token's low bits are 15
//! ```
//!
//! The decoder holds a cursor into the base, at first 0, and an empty target.
//!
//! 1. *Copy n*: append the `n` bytes of the base at the cursor to the target and move the cursor past them. If fewer than
//!    `n` bytes are left in the base, the delta is refused.
//! 2. If the delta ends here, the target is complete.
//! 3. *Step*: the number of literals `l` is the token's high bits, or, if these are 15, 15 + `more-literals`.
//!    `z` is the token's low bits, or, if these are 15, 15 + `more-shift`; the shift `s` is `z` zigzag-decoded: `z / 2` if `z` is even,
//!    `-(z + 1) / 2` if it is odd (0, -1, 1, -2, 2, …). Append the next `l` bytes of the delta to the target, and move the cursor by `l + s`: so
//!    a shift of 0 replaces `l` bytes, `-l` inserts, and a positive one also deletes. The cursor must stay within 0
//!    and the length of the base, or the delta is refused.
//! 4. If the delta ends here, append the rest of the base from the cursor on: the target is complete. Otherwise read
//!    a `copy` and go on at 1.
//!
//! # Examples
//!
//! | base | target | delta | reads |
//! |---|---|---|---|
//! | `price 100` | `price 101` | `10 10 31` | copy 8; replace 1 by `1`; rest |
//! | `a=1 b=2` | `a=15 b=2` | `06 11 35` | copy 3; insert `5`; rest |
//! | `one two three` | `one three` | `0a 08` | copy 5; move on by 4; rest |
//! | `same` | `same` | `08` | copy 4; end |
//! | anything | empty | `01` | whole |
//! | empty | `hi` | `01 68 69` | whole |

mod apply;
mod compose;
mod encode;
mod index;
mod scan;
mod script;
mod search;
mod varint;

pub use apply::{DeltaError, apply};
pub use compose::compose;
pub use encode::{Encoder, encode};

/// How many bytes a delta can be larger than the target it makes: the head of a whole value.
pub const MAX_OVERHEAD: usize = 1;

/// The odd heads: what is not an edit.
pub(super) const HEAD_WHOLE: u64 = 1;
