//! Unsigned LEB128, shortest form only.

use alloc::vec::Vec;

use super::DeltaError;

pub(super) fn write(mut value: u64, out: &mut Vec<u8>) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// Takes a varint off the front of `bytes`.
pub(super) fn read(bytes: &mut &[u8]) -> Result<u64, DeltaError> {
    let mut value = 0_u64;
    for shift in (0..64).step_by(7) {
        let (&byte, rest) = bytes.split_first().ok_or(DeltaError::Truncated)?;
        *bytes = rest;
        let bits = u64::from(byte & 0x7f);
        if shift == 63 && byte > 1 {
            return Err(DeltaError::Overlong);
        }
        value |= bits << shift;
        if byte < 0x80 {
            if byte == 0 && shift > 0 {
                return Err(DeltaError::Overlong);
            }
            return Ok(value);
        }
    }
    Err(DeltaError::Overlong)
}

pub(super) const fn len(value: u64) -> usize {
    (70 - (value | 1).leading_zeros() as usize) / 7
}
