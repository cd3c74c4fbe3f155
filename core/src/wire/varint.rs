//! Unsigned LEB128: seven bits a byte, least significant first, and never longer than it must be.

use alloc::vec::Vec;

use super::WireError;

/// The most bytes a varint takes.
pub const MAX_VARINT_BYTES: usize = 10;

/// Appends `number`.
pub fn write_varint(out: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        out.push((number & 0x7f) as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

/// How many bytes `number` takes.
#[must_use]
pub const fn varint_len(number: u64) -> usize {
    (64 - (number | 1).leading_zeros() as usize).div_ceil(7)
}

/// Takes a varint off the front of `input`.
///
/// # Errors
/// [`WireError::Truncated`] if it does not end, [`WireError::Overlong`] if it is longer than it
/// must be or exceeds 64 bits.
pub fn read_varint(input: &mut &[u8]) -> Result<u64, WireError> {
    let mut number = 0_u64;
    let mut shift = 0_u32;
    loop {
        let (byte, rest) = input.split_first().ok_or(WireError::Truncated)?;
        *input = rest;
        let bits = u64::from(byte & 0x7f);
        if shift == 63 && bits > 1 {
            return Err(WireError::Overlong);
        }
        number |= bits << shift;
        if byte & 0x80 == 0 {
            return if *byte == 0 && shift > 0 { Err(WireError::Overlong) } else { Ok(number) };
        }
        shift += 7;
        if shift > 63 {
            return Err(WireError::Overlong);
        }
    }
}
