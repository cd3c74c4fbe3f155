//! Fields of what is kept on a disk: varints, and bytes behind their length.

use outpour_core::wire::read_varint;
pub(crate) use outpour_core::wire::write_varint;
use outpour_core::{Path, ValueType, Version};

/// Appends bytes behind their length.
pub(crate) fn write_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    write_varint(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

/// Takes fields off the front of bytes. Every method gives `None` if they are not what is asked for.
pub(crate) struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    pub(crate) const fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    pub(crate) fn varint(&mut self) -> Option<u64> {
        read_varint(&mut self.0).ok()
    }

    pub(crate) fn version(&mut self) -> Option<Version> {
        self.varint().map(Version)
    }

    pub(crate) fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (array, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*array)
    }

    pub(crate) fn byte(&mut self) -> Option<u8> {
        self.array().map(|[byte]| byte)
    }

    pub(crate) fn flag(&mut self) -> Option<bool> {
        self.byte().filter(|byte| *byte < 2).map(|byte| byte == 1)
    }

    pub(crate) fn bytes(&mut self) -> Option<&'a [u8]> {
        let length = usize::try_from(self.varint()?).ok()?;
        let (bytes, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(bytes)
    }

    pub(crate) fn path(&mut self) -> Option<Path> {
        Path::from_bytes(self.bytes()?).ok()
    }

    pub(crate) fn value_type(&mut self) -> Option<ValueType> {
        ValueType::from_code(self.byte()?)
    }

    /// Everything that is left, which is last.
    pub(crate) fn rest(&mut self) -> &'a [u8] {
        std::mem::take(&mut self.0)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}
