//! The check of a resulting value: how a replica that went wrong is found.

#[cfg(target_arch = "wasm32")]
use crate::crc as crc32;
use crate::position::Version;
#[cfg(not(target_arch = "wasm32"))]
use crc32fast as crc32;

/// CRC-32 (the one of zlib and PNG) over the value's bytes followed by its version as 8 bytes,
/// least significant first. Covering the version makes one check guard both.
///
/// Snapshots carry all 32 bits, deltas the low 16.
#[must_use]
pub fn check(value: &[u8], version: Version) -> u32 {
    let mut hasher = crc32::Hasher::new();
    hasher.update(value);
    hasher.update(&version.0.to_le_bytes());
    hasher.finalize()
}

/// The 16 bits of a [`check`] that a delta carries.
#[must_use]
pub const fn short_check(check: u32) -> u16 {
    (check & 0xffff) as u16
}

/// CRC-32 over the value's bytes alone, with which a publisher guards an upstream delta: it can't
/// know the version that its value will get.
#[must_use]
pub fn plain_check(value: &[u8]) -> u32 {
    crc32::hash(value)
}
