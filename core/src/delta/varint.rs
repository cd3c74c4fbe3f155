//! The wire's varints, with a delta's errors.

use super::DeltaError;
use crate::wire::{self, WireError};

pub(super) use crate::wire::{varint_len as len, write_varint as write};

/// Takes a varint off the front of `bytes`.
#[inline]
pub(super) fn read(bytes: &mut &[u8]) -> Result<u64, DeltaError> {
    wire::read_varint(bytes).map_err(|error| match error {
        WireError::Truncated => DeltaError::Truncated,
        _ => DeltaError::Overlong,
    })
}
