//! CRC-32 for browsers: four bytes at a time, with tables that take no room in the module.
//!
//! `crc32fast` brings 16 KiB of tables, which don't compress. These are made when they are first needed.

use core::sync::atomic::{AtomicBool, AtomicU32, Ordering};

/// The polynomial of zlib and PNG, lowest bit first.
const POLYNOMIAL: u32 = 0xedb8_8320;

/// `TABLES[n][byte]` is what becomes of a byte that `n` zero bytes follow.
static TABLES: [[AtomicU32; 256]; 4] = [const { [const { AtomicU32::new(0) }; 256] }; 4];
static ARE_MADE: AtomicBool = AtomicBool::new(false);

/// A CRC-32 that has begun.
pub(crate) struct Hasher(u32);

impl Hasher {
    pub(crate) fn new() -> Self {
        if !ARE_MADE.load(Ordering::Acquire) {
            make_tables();
        }
        Self(!0)
    }

    #[inline(never)]
    pub(crate) fn update(&mut self, bytes: &[u8]) {
        let (words, rest) = bytes.as_chunks::<4>();
        for word in words {
            let [a, b, c, d] = (self.0 ^ u32::from_le_bytes(*word)).to_le_bytes();
            self.0 = entry(3, a) ^ entry(2, b) ^ entry(1, c) ^ entry(0, d);
        }
        for byte in rest {
            self.0 = after(self.0 ^ u32::from(*byte));
        }
    }

    pub(crate) fn finalize(self) -> u32 {
        !self.0
    }
}

/// The CRC-32 of some bytes.
pub(crate) fn hash(bytes: &[u8]) -> u32 {
    let mut hasher = Hasher::new();
    hasher.update(bytes);
    hasher.finalize()
}

/// Makes the tables. Two threads that do so at the same time write the same.
fn make_tables() {
    let [first, ..] = &TABLES;
    for (byte, entry) in (0..).zip(first) {
        let made = (0..8).fold(byte, |crc: u32, _| if crc & 1 == 0 { crc >> 1 } else { crc >> 1 ^ POLYNOMIAL });
        entry.store(made, Ordering::Relaxed);
    }
    for (before, table) in TABLES.iter().zip(TABLES.iter().skip(1)) {
        for (before, entry) in before.iter().zip(table) {
            entry.store(after(before.load(Ordering::Relaxed)), Ordering::Relaxed);
        }
    }
    ARE_MADE.store(true, Ordering::Release);
}

/// What becomes of a CRC when a zero byte follows.
fn after(crc: u32) -> u32 {
    let [byte, ..] = crc.to_le_bytes();
    entry(0, byte) ^ crc >> 8
}

fn entry(table: usize, byte: u8) -> u32 {
    let entry = TABLES.get(table).and_then(|table| table.get(usize::from(byte)));
    entry.map_or(0, |entry| entry.load(Ordering::Relaxed))
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;
    use proptest::prelude::*;

    #[test]
    fn the_known_check_value() {
        assert_eq!(hash(b"123456789"), 0xcbf4_3926);
        assert_eq!(hash(b""), 0);
    }

    proptest! {
        #[test]
        fn is_what_crc32fast_computes(parts in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..100), 0..4)) {
            let mut hasher = Hasher::new();
            parts.iter().for_each(|part| hasher.update(part));
            let whole: Vec<u8> = parts.concat();
            prop_assert_eq!(hasher.finalize(), crc32fast::hash(&whole));
            prop_assert_eq!(hash(&whole), crc32fast::hash(&whole));
        }
    }
}
