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
///
/// What is wrong with them is asked for once, at the [end](Self::end): a frame has many fields, and looking at
/// each of them for an error was a good part of the code that browsers load. Behind a mistake every field is empty
/// or 0.
pub(super) struct Reader<'a> {
    rest: &'a [u8],
    mistake: Option<WireError>,
}

impl<'a> Reader<'a> {
    pub(super) const fn new(body: &'a [u8]) -> Self {
        Self { rest: body, mistake: None }
    }

    /// Notes a mistake, unless there was one before.
    #[cold]
    pub(super) fn fail(&mut self, mistake: WireError) {
        self.mistake.get_or_insert(mistake);
        self.rest = &[];
    }

    /// Whether there was a mistake, so that there is nothing more to read.
    pub(super) const fn has_failed(&self) -> bool {
        self.mistake.is_some()
    }

    #[cfg_attr(target_arch = "wasm32", inline(never))]
    pub(super) fn varint(&mut self) -> u64 {
        read_varint(&mut self.rest).unwrap_or_else(|mistake| {
            self.fail(mistake);
            0
        })
    }

    /// A varint that must fit the smaller type wanted.
    pub(super) fn small<T: TryFrom<u64> + Default>(&mut self, field: &'static str) -> T {
        let number = self.varint();
        T::try_from(number).unwrap_or_else(|_| {
            self.fail(WireError::Unknown { field, number });
            T::default()
        })
    }

    pub(super) fn byte(&mut self) -> u8 {
        let [byte] = self.array();
        byte
    }

    pub(super) fn array<const N: usize>(&mut self) -> [u8; N] {
        let Some((array, rest)) = self.rest.split_first_chunk::<N>() else {
            self.fail(WireError::Truncated);
            return [0; N];
        };
        self.rest = rest;
        *array
    }

    /// Bytes with their length before them.
    pub(super) fn bytes(&mut self, field: &'static str, limit: usize) -> &'a [u8] {
        let length = self.varint();
        if length > limit as u64 {
            self.fail(WireError::TooLong { field, limit });
            return &[];
        }
        let Some((bytes, rest)) = self.rest.split_at_checked(length as usize) else {
            self.fail(WireError::Truncated);
            return &[];
        };
        self.rest = rest;
        bytes
    }

    pub(super) fn text(&mut self, field: &'static str, limit: usize) -> &'a str {
        core::str::from_utf8(self.bytes(field, limit)).unwrap_or_else(|_| {
            self.fail(WireError::NotUtf8);
            ""
        })
    }

    /// All that is left of the body.
    pub(super) fn rest(&mut self) -> &'a [u8] {
        core::mem::take(&mut self.rest)
    }

    /// The next of the extensions that end some frames: its tag and content.
    pub(super) fn extension(&mut self) -> Option<(u64, &'a [u8])> {
        if self.rest.is_empty() {
            return None;
        }
        let tag = self.varint();
        let content = self.bytes("extension", super::MAX_MESSAGE_BYTES);
        self.mistake.is_none().then_some((tag, content))
    }

    /// Skips the extensions that end some frames: a newer minor version may add fields there.
    pub(super) fn skip_extensions(&mut self) {
        while self.extension().is_some() {}
    }

    /// What has been read, if it was all there was, and sound.
    pub(super) fn end<T>(mut self, read: Result<T, WireError>) -> Result<T, WireError> {
        if read.is_ok() && !self.rest.is_empty() {
            self.fail(WireError::Trailing);
        }
        // What was made of a mistake may have led to another.
        self.mistake.map_or(read, Err)
    }
}
