//! The frame header (RFC 6455 §5.2) as a client must send it, and the mask.

use super::{ReadError, outgoing::MAX_CONTROL_PAYLOAD};

/// What a frame is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Opcode {
    /// A further fragment of a message.
    Continuation = 0,
    /// A text message, or its first fragment.
    Text = 1,
    /// A binary message, or its first fragment.
    Binary = 2,
    /// The end of the conversation.
    Close = 8,
    /// A question whether the peer is there.
    Ping = 9,
    /// The answer to a ping.
    Pong = 10,
}

impl Opcode {
    pub(super) const fn is_control(self) -> bool {
        matches!(self, Self::Close | Self::Ping | Self::Pong)
    }

    const fn from_bits(bits: u8) -> Result<Self, ReadError> {
        Ok(match bits {
            0 => Self::Continuation,
            1 => Self::Text,
            2 => Self::Binary,
            8 => Self::Close,
            9 => Self::Ping,
            10 => Self::Pong,
            reserved => return Err(ReadError::ReservedOpcode(reserved)),
        })
    }
}

/// The longest header of a client's frame: two bytes, a 64-bit length, the mask.
pub(super) const MAX_HEADER: usize = 14;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct FrameHeader {
    pub(super) fin: bool,
    pub(super) opcode: Opcode,
    pub(super) length: u64,
    pub(super) mask: [u8; 4],
}

impl FrameHeader {
    /// Parses the header at the start of `bytes` and gives its length with it, or `None` while it is incomplete.
    ///
    /// The checks go from front to back and each needs only the bytes up to where it looks, so that the verdict on a
    /// header doesn't depend on how the network cut it up.
    #[inline]
    pub(super) fn parse(bytes: &[u8]) -> Result<Option<(Self, usize)>, ReadError> {
        let Some((&[first, second], rest)) = bytes.split_first_chunk() else {
            return Ok(None);
        };
        if first & 0b0111_0000 != 0 {
            return Err(ReadError::ReservedBits);
        }
        let fin = first & 0x80 != 0;
        let opcode = Opcode::from_bits(first & 0x0f)?;
        if second & 0x80 == 0 {
            return Err(ReadError::Unmasked);
        }
        let short = u64::from(second & 0x7f);
        if opcode.is_control() {
            if !fin {
                return Err(ReadError::FragmentedControl);
            }
            if short > MAX_CONTROL_PAYLOAD as u64 {
                return Err(ReadError::ControlTooLong);
            }
        }

        let (length, rest, extended) = match short {
            126 => {
                let Some((&length, rest)) = rest.split_first_chunk() else {
                    return Ok(None);
                };
                (u64::from(u16::from_be_bytes(length)), rest, 2)
            }
            127 => {
                let Some((&length, rest)) = rest.split_first_chunk() else {
                    return Ok(None);
                };
                (u64::from_be_bytes(length), rest, 8)
            }
            _ => (short, rest, 0),
        };
        if length >> 63 != 0 {
            return Err(ReadError::LengthHighBit);
        }
        if (extended == 2 && length < 126) || (extended == 8 && length < 1 << 16) {
            return Err(ReadError::NonMinimalLength);
        }
        let Some((&mask, _)) = rest.split_first_chunk() else {
            return Ok(None);
        };
        Ok(Some((Self { fin, opcode, length, mask }, 2 + extended + mask.len())))
    }
}

/// Removes (or applies) `mask`, whose first byte belongs to the first byte of `payload`.
#[inline]
pub(super) fn unmask(payload: &mut [u8], mask: [u8; 4]) {
    let [a, b, c, d] = mask;
    let wide = u64::from_ne_bytes([a, b, c, d, a, b, c, d]);
    // The compiler turns this into the widest vectors of the target.
    let (words, rest) = payload.as_chunks_mut::<8>();
    for word in words {
        *word = (u64::from_ne_bytes(*word) ^ wide).to_ne_bytes();
    }
    for (byte, key) in rest.iter_mut().zip(mask.into_iter().cycle()) {
        *byte ^= key;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(bytes: &[u8]) -> Result<Option<(FrameHeader, usize)>, ReadError> {
        FrameHeader::parse(bytes)
    }

    #[test]
    fn each_length_form() {
        for (bytes, length, header) in [
            (&[0x82, 0x80 | 125, 1, 2, 3, 4][..], 125, 6),
            (&[0x82, 0xfe, 0, 126, 1, 2, 3, 4], 126, 8),
            (&[0x82, 0xfe, 0xff, 0xff, 1, 2, 3, 4], 65_535, 8),
            (&[0x82, 0xff, 0, 0, 0, 0, 0, 1, 0, 0, 1, 2, 3, 4], 65_536, 14),
        ] {
            let expected = FrameHeader { fin: true, opcode: Opcode::Binary, length, mask: [1, 2, 3, 4] };
            assert_eq!(parse(bytes), Ok(Some((expected, header))));
            for cut in 0..bytes.len() {
                assert_eq!(parse(&bytes[..cut]), Ok(None), "{cut} of {bytes:?}");
            }
        }
    }

    #[test]
    fn each_rule_has_its_error() {
        use ReadError::*;
        for (bytes, error) in [
            (&[0xc2, 0x80][..], ReservedBits),
            (&[0xa2, 0x80], ReservedBits),
            (&[0x92, 0x80], ReservedBits),
            (&[0x83, 0x80], ReservedOpcode(3)),
            (&[0x8f, 0x80], ReservedOpcode(15)),
            (&[0x82, 0x00], Unmasked),
            (&[0x09, 0x80], FragmentedControl),
            (&[0x88, 0xfe], ControlTooLong),
            (&[0x8a, 0xff], ControlTooLong),
            (&[0x82, 0xfe, 0, 125], NonMinimalLength),
            (&[0x82, 0xff, 0, 0, 0, 0, 0, 0, 0xff, 0xff], NonMinimalLength),
            (&[0x82, 0xff, 0x80, 0, 0, 0, 0, 0, 0, 0], LengthHighBit),
        ] {
            assert_eq!(parse(bytes), Err(error), "{bytes:?}");
        }
    }

    #[test]
    fn unmask_every_length_and_alignment() {
        let plain: Vec<u8> = (0..100).collect();
        let mask = [0x12, 0x34, 0x56, 0x78];
        for start in 0..16 {
            for end in start..plain.len() {
                let mut bytes = plain.clone();
                unmask(&mut bytes[start..end], mask);
                for (i, (byte, before)) in bytes.iter().zip(&plain).enumerate() {
                    let key = if (start..end).contains(&i) { mask[(i - start) % 4] } else { 0 };
                    assert_eq!(*byte, before ^ key);
                }
            }
        }
    }
}
