//! The wire: how frames are written to bytes and read back. The only module that knows bytes.
//!
//! A WebSocket message holds one or more frames. Each starts with a varint header, `length * 16 +
//! kind`, and is followed by `length` bytes of body. Kind 15 stands for all kinds from 16 on: the
//! body's first varint is then the kind. Frames of an unknown kind are skipped. `docs/protocol.md`
//! is the specification; [`ClientFrame`] and [`GatewayFrame`] are its two vocabularies.

mod client;
mod fields;
mod gateway;
mod reader;
mod varint;

pub use client::{ClientFrame, Condition, Hello, Operation, Publish, PublishPath, Resume, Subscribe, TopicProperties};
pub use fields::{Goodbye, HistoryStart};
pub use gateway::{Ack, Announce, Fetched, GatewayFrame, Move, Refused, RequestRef, Welcome};
pub use reader::{Frames, RawFrame};
pub use varint::{MAX_VARINT_BYTES, read_varint, varint_len, write_varint};

use alloc::borrow::Cow;
use alloc::vec::Vec;
use core::fmt;

use crate::decimal::decimal;

/// The major version spoken here. Peers of another major version can't be understood.
pub const PROTOCOL_MAJOR: u64 = 1;
/// The minor version spoken here. A newer minor version only adds frames and fields that are skipped.
pub const PROTOCOL_MINOR: u64 = 0;
/// The WebSocket subprotocol.
pub const SUBPROTOCOL: &str = "outpour.v1";
/// The largest message that anyone may be configured to take, in bytes.
pub const MAX_MESSAGE_BYTES: usize = 64 << 20;
/// The smallest limit on messages that a peer may announce, in bytes.
pub const MIN_MESSAGE_BYTES: usize = 4 << 10;
/// The longest text in a reason or an agent name, in bytes.
pub const MAX_TEXT_BYTES: usize = 1024;

/// The longest credentials of a hello, in bytes.
pub const MAX_CREDENTIALS_BYTES: usize = 16 << 10;

/// The kind in a header that says that the kind stands in the body.
const EXTENDED_KIND: u64 = 15;

/// Why bytes are not a frame. Whoever sent them is at fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum WireError {
    /// The bytes end before the frame or field does.
    Truncated,
    /// A number is spelled longer than it must be or exceeds its range.
    Overlong,
    /// A text is not UTF-8.
    NotUtf8,
    /// A field is longer than allowed.
    TooLong {
        /// The field.
        field: &'static str,
        /// The most bytes it may have.
        limit: usize,
    },
    /// A field holds a number that stands for nothing.
    Unknown {
        /// The field.
        field: &'static str,
        /// What it held.
        number: u64,
    },
    /// A path or selector is not valid; the caller at the other end is at fault.
    Invalid {
        /// The field.
        field: &'static str,
    },
    /// Bytes are left over after the last field.
    Trailing,
}

impl WireError {
    /// What it says, put together without [`fmt`]: browsers would have to load that for it alone.
    pub(crate) fn describe(&self) -> Cow<'static, str> {
        Cow::Borrowed(match self {
            Self::Truncated => "the bytes end before the frame does",
            Self::Overlong => "a number is spelled longer than it must be or is out of range",
            Self::NotUtf8 => "a text is not UTF-8",
            Self::TooLong { field, limit } => {
                return Cow::Owned(["the ", field, " is longer than ", &decimal(*limit as u64), " bytes"].concat());
            }
            Self::Unknown { field, number } => {
                return Cow::Owned([&decimal(*number), " stands for no ", field].concat());
            }
            Self::Invalid { field } => return Cow::Owned(["the ", field, " is not valid"].concat()),
            Self::Trailing => "bytes are left over after the last field",
        })
    }
}

impl fmt::Display for WireError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.describe())
    }
}

impl core::error::Error for WireError {}

/// Appends a frame: its header, then what `body` writes.
fn write_frame(out: &mut Vec<u8>, kind: u64, body: impl FnOnce(&mut Vec<u8>)) {
    let start = begin_frame(out, kind);
    body(out);
    end_frame(out, kind, start);
}

/// Leaves room for a frame's header, and returns where that stands.
#[inline(never)]
fn begin_frame(out: &mut Vec<u8>, kind: u64) -> usize {
    let start = out.len();
    // Most bodies need a header of two bytes: leave that room and mend it if the guess was wrong.
    out.extend_from_slice(&[0, 0]);
    if kind >= EXTENDED_KIND {
        write_varint(out, kind);
    }
    start
}

/// Writes the header of a frame whose body is there.
#[inline(never)]
fn end_frame(out: &mut Vec<u8>, kind: u64, start: usize) {
    let length = (out.len() - start - 2) as u64;
    let header = (length << 4) | kind.min(EXTENDED_KIND);
    match varint_len(header) {
        1 => {
            out.remove(start);
        }
        more => {
            let end = out.len();
            out.resize(end + more - 2, 0);
            out.copy_within(start..end, start + more - 2);
        }
    }
    let mut digits = header;
    for slot in out.iter_mut().skip(start).take(varint_len(header)) {
        let last = digits < 0x80;
        *slot = (digits & 0x7f) as u8 | if last { 0 } else { 0x80 };
        digits >>= 7;
    }
}
