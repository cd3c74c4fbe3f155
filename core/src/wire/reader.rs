//! Reading: frames off a message, fields off a frame.

use super::varint::read_varint;
use super::{EXTENDED_KIND, WireError};

/// The frames of one message, undecoded.
///
/// ```
/// use outpour_core::wire::{ClientFrame, Frames};
///
/// let mut message = Vec::new();
/// ClientFrame::Pong { token: 7 }.encode(&mut message);
/// let frame = Frames::new(&message).next().unwrap().unwrap();
/// assert_eq!(ClientFrame::decode(frame), Ok(Some(ClientFrame::Pong { token: 7 })));
/// ```
#[derive(Clone, Debug)]
pub struct Frames<'a> {
    rest: &'a [u8],
}

/// A frame's kind and body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RawFrame<'a> {
    /// What the frame is.
    pub kind: u64,
    /// Its fields.
    pub body: &'a [u8],
}

impl<'a> Frames<'a> {
    /// The frames of `message`.
    #[must_use]
    pub const fn new(message: &'a [u8]) -> Self {
        Self { rest: message }
    }

    /// How many bytes stand behind the frame given last.
    #[must_use]
    pub const fn bytes_left(&self) -> usize {
        self.rest.len()
    }

    fn read(&mut self) -> Result<RawFrame<'a>, WireError> {
        let header = read_varint(&mut self.rest)?;
        let length = usize::try_from(header >> 4).map_err(|_| WireError::Truncated)?;
        let (mut body, rest) = self.rest.split_at_checked(length).ok_or(WireError::Truncated)?;
        self.rest = rest;
        let mut kind = header & 0xf;
        if kind == EXTENDED_KIND {
            kind = read_varint(&mut body)?;
            if kind < EXTENDED_KIND {
                return Err(WireError::Overlong);
            }
        }
        Ok(RawFrame { kind, body })
    }
}

impl<'a> Iterator for Frames<'a> {
    type Item = Result<RawFrame<'a>, WireError>;

    /// The next frame; after an error there is none.
    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let frame = self.read();
        if frame.is_err() {
            self.rest = &[];
        }
        Some(frame)
    }
}

/// Takes fields off the front of a frame's body.
pub(super) struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    pub(super) const fn new(body: &'a [u8]) -> Self {
        Self { rest: body }
    }

    pub(super) fn varint(&mut self) -> Result<u64, WireError> {
        read_varint(&mut self.rest)
    }

    /// A varint that must fit the smaller type wanted.
    pub(super) fn small<T: TryFrom<u64>>(&mut self, field: &'static str) -> Result<T, WireError> {
        let number = self.varint()?;
        T::try_from(number).map_err(|_| WireError::Unknown { field, number })
    }

    pub(super) fn byte(&mut self) -> Result<u8, WireError> {
        let (byte, rest) = self.rest.split_first().ok_or(WireError::Truncated)?;
        self.rest = rest;
        Ok(*byte)
    }

    pub(super) fn array<const N: usize>(&mut self) -> Result<[u8; N], WireError> {
        let (array, rest) = self.rest.split_first_chunk::<N>().ok_or(WireError::Truncated)?;
        self.rest = rest;
        Ok(*array)
    }

    /// Bytes with their length before them.
    pub(super) fn bytes(&mut self, field: &'static str, limit: usize) -> Result<&'a [u8], WireError> {
        let length = self.varint()?;
        if length > limit as u64 {
            return Err(WireError::TooLong { field, limit });
        }
        let (bytes, rest) = self.rest.split_at_checked(length as usize).ok_or(WireError::Truncated)?;
        self.rest = rest;
        Ok(bytes)
    }

    pub(super) fn text(&mut self, field: &'static str, limit: usize) -> Result<&'a str, WireError> {
        core::str::from_utf8(self.bytes(field, limit)?).map_err(|_| WireError::NotUtf8)
    }

    /// All that is left of the body.
    pub(super) fn rest(&mut self) -> &'a [u8] {
        core::mem::take(&mut self.rest)
    }

    /// The next of the extensions that end some frames: its tag and content.
    pub(super) fn extension(&mut self) -> Result<Option<(u64, &'a [u8])>, WireError> {
        if self.rest.is_empty() {
            return Ok(None);
        }
        let tag = self.varint()?;
        Ok(Some((tag, self.bytes("extension", super::MAX_MESSAGE_BYTES)?)))
    }

    /// Skips the extensions that end some frames: a newer minor version may add fields there.
    pub(super) fn skip_extensions(&mut self) -> Result<(), WireError> {
        while self.extension()?.is_some() {}
        Ok(())
    }

    pub(super) fn end(&self) -> Result<(), WireError> {
        if self.rest.is_empty() { Ok(()) } else { Err(WireError::Trailing) }
    }
}
