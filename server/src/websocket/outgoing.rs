//! What the server sends, formatted without allocation. A server's frames are not masked.

use std::ops::Deref;

use super::{Opcode, close_code};

/// The most bytes of payload a close, ping or pong can carry.
pub const MAX_CONTROL_PAYLOAD: usize = 125;

/// The most bytes a close frame has for its reason.
pub(super) const MAX_CLOSE_REASON: usize = MAX_CONTROL_PAYLOAD - 2;

/// The header of an unfragmented frame: 2 to 10 bytes, read through `Deref<Target = [u8]>`.
#[derive(Debug, Clone, Copy)]
pub struct FrameHead {
    bytes: [u8; 10],
    length: u8,
}

impl Deref for FrameHead {
    type Target = [u8];

    #[inline]
    fn deref(&self) -> &[u8] {
        self.bytes.get(..usize::from(self.length)).unwrap_or_default()
    }
}

/// Formats the header that goes before `length` bytes of payload, as one frame (FIN set).
///
/// ```
/// use outpour_server::websocket::{Opcode, header};
///
/// assert_eq!(&*header(Opcode::Binary, 5), [0x82, 5]);
/// assert_eq!(&*header(Opcode::Text, 300), [0x81, 126, 1, 44]);
/// ```
#[must_use]
#[inline]
pub fn header(opcode: Opcode, length: usize) -> FrameHead {
    let first = 0x80 | opcode as u8;
    let (bytes, length) = match length {
        0..=125 => ([first, length as u8, 0, 0, 0, 0, 0, 0, 0, 0], 2),
        126..=0xffff => {
            let [a, b] = (length as u16).to_be_bytes();
            ([first, 126, a, b, 0, 0, 0, 0, 0, 0], 4)
        }
        _ => {
            let [a, b, c, d, e, f, g, h] = (length as u64).to_be_bytes();
            ([first, 127, a, b, c, d, e, f, g, h], 10)
        }
    };
    FrameHead { bytes, length }
}

/// A whole close, ping or pong: at most 127 bytes, read through `Deref<Target = [u8]>`.
#[derive(Debug, Clone, Copy)]
pub struct ControlFrame {
    bytes: [u8; 2 + MAX_CONTROL_PAYLOAD],
    length: u8,
}

impl ControlFrame {
    /// `payload` is cut off at 125 bytes; the callers in this module never let that happen.
    fn new(opcode: Opcode, payload: impl IntoIterator<Item = u8>) -> Self {
        let mut bytes = [0; 2 + MAX_CONTROL_PAYLOAD];
        let [first, second, rest @ ..] = &mut bytes;
        let mut length = 0;
        for (to, from) in rest.iter_mut().zip(payload) {
            *to = from;
            length += 1;
        }
        *first = 0x80 | opcode as u8;
        *second = length;
        Self { bytes, length: length + 2 }
    }
}

impl Deref for ControlFrame {
    type Target = [u8];

    #[inline]
    fn deref(&self) -> &[u8] {
        self.bytes.get(..usize::from(self.length)).unwrap_or_default()
    }
}

/// Formats the answer to a ping: its payload goes back as it came. What [`Event::Ping`](super::Event::Ping) carries
/// always fits; anything longer is cut off at 125 bytes.
///
/// When several pings came before the answer could be written, answering the newest is enough (RFC 6455 §5.5.3), so a
/// driver keeps one of these and replaces it.
#[must_use]
pub fn pong(payload: &[u8]) -> ControlFrame {
    ControlFrame::new(Opcode::Pong, payload.iter().copied())
}

/// Formats a ping; `payload` is cut off at 125 bytes.
#[must_use]
pub fn ping(payload: &[u8]) -> ControlFrame {
    ControlFrame::new(Opcode::Ping, payload.iter().copied())
}

/// Formats a close frame. `reason` is one sentence; what goes beyond 123 bytes is cut off at a character's boundary.
///
/// `None` makes a close frame without a code, the right answer to a client that sent none. A code that must not travel
/// (see [`close_code::is_valid`]) is a defect of the caller and is sent as 1011.
///
/// ```
/// use outpour_server::websocket::{close_code, close_frame};
///
/// assert_eq!(&*close_frame(Some(close_code::NORMAL), "bye"), b"\x88\x05\x03\xe8bye");
/// assert_eq!(&*close_frame(None, ""), b"\x88\x00");
/// ```
#[must_use]
pub fn close_frame(code: Option<u16>, reason: &str) -> ControlFrame {
    let Some(code) = code else {
        return ControlFrame::new(Opcode::Close, []);
    };
    debug_assert!(close_code::is_valid(code), "{code} must not be sent");
    let code = if close_code::is_valid(code) { code } else { close_code::INTERNAL_ERROR };
    let end = (0..=reason.len().min(MAX_CLOSE_REASON)).rev().find(|&end| reason.is_char_boundary(end));
    let reason = reason.bytes().take(end.unwrap_or_default());
    ControlFrame::new(Opcode::Close, code.to_be_bytes().into_iter().chain(reason))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn header_forms() {
        assert_eq!(&*header(Opcode::Binary, 0), [0x82, 0]);
        assert_eq!(&*header(Opcode::Binary, 125), [0x82, 125]);
        assert_eq!(&*header(Opcode::Binary, 126), [0x82, 126, 0, 126]);
        assert_eq!(&*header(Opcode::Binary, 65_535), [0x82, 126, 0xff, 0xff]);
        assert_eq!(&*header(Opcode::Binary, 65_536), [0x82, 127, 0, 0, 0, 0, 0, 1, 0, 0]);
    }

    #[test]
    fn control_frames_never_exceed_their_size() {
        assert_eq!(&*pong(b"abc"), b"\x8a\x03abc");
        assert_eq!(&*ping(b""), b"\x89\x00");
        assert_eq!(pong(&[7; 300]).len(), 127);
    }

    #[test]
    fn a_long_reason_is_cut_between_characters() {
        let frame = close_frame(Some(1008), &"ü".repeat(100));
        let reason = std::str::from_utf8(&frame[4..]).expect("cut between characters");
        assert_eq!(reason, "ü".repeat(61));
    }
}
