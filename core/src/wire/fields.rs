//! Fields that several frames share.

use alloc::vec::Vec;

use super::reader::Reader;
use super::varint::write_varint;
use super::{MAX_TEXT_BYTES, WireError};
use crate::position::{Epoch, Partition, ResumePoint, TopicNumber, Version};

/// From where on an event topic is told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum HistoryStart {
    /// Only events yet to come.
    #[default]
    Live,
    /// The newest so many past events too, as far as the gateway keeps them.
    Last(u64),
    /// All past events that the gateway keeps.
    All,
    /// The events after the one with this version.
    After(Version),
}

impl HistoryStart {
    pub(super) fn write(self, out: &mut Vec<u8>) {
        match self {
            Self::Live => out.push(0),
            Self::Last(count) => {
                out.push(1);
                write_varint(out, count);
            }
            Self::All => out.push(2),
            Self::After(version) => {
                out.push(3);
                write_varint(out, version.0);
            }
        }
    }

    pub(super) fn read(reader: &mut Reader<'_>) -> Result<Self, WireError> {
        match reader.byte() {
            0 => Ok(Self::Live),
            1 => Ok(Self::Last(reader.varint())),
            2 => Ok(Self::All),
            3 => Ok(Self::After(Version(reader.varint()))),
            other => Err(WireError::Unknown { field: "history start", number: other.into() }),
        }
    }
}

/// The orderly end of a connection, said by either side.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Goodbye<'a> {
    /// The [`ErrorCode`](crate::ErrorCode)'s number.
    pub code: u16,
    /// What happened, in a sentence.
    pub reason: &'a str,
    /// How long to wait before connecting again, in milliseconds, at the least; the client adds jitter.
    pub retry_after_ms: u64,
    /// Another endpoint to go to; empty for none.
    pub redirect: &'a str,
    /// The major versions that the side speaks, where it refuses the other's; otherwise empty.
    pub speaks: Vec<u64>,
}

impl<'a> Goodbye<'a> {
    pub(super) fn write(&self, out: &mut Vec<u8>) {
        write_varint(out, self.code.into());
        write_text(out, self.reason);
        write_varint(out, self.retry_after_ms);
        write_text(out, self.redirect);
        write_varint(out, self.speaks.len() as u64);
        for major in &self.speaks {
            write_varint(out, *major);
        }
    }

    pub(super) fn read(reader: &mut Reader<'a>) -> Result<Self, WireError> {
        let code = reader.small("close code");
        let reason = reader.text("reason", MAX_TEXT_BYTES);
        let retry_after_ms = reader.varint();
        let redirect = reader.text("redirect", MAX_TEXT_BYTES);
        let count = reader.varint();
        if count > 16 {
            return Err(WireError::TooLong { field: "list of versions", limit: 16 });
        }
        let mut speaks = Vec::new();
        for _ in 0..count {
            speaks.push(reader.varint());
        }
        Ok(Self { code, reason, retry_after_ms, redirect, speaks })
    }
}

impl ResumePoint {
    pub(super) fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.epoch.0);
        write_varint(out, self.marks.len() as u64);
        for (partition, version) in &self.marks {
            write_varint(out, partition.0.into());
            write_varint(out, version.0);
        }
        write_varint(out, self.exceptions.len() as u64);
        for (topic, version) in &self.exceptions {
            write_varint(out, topic.0.into());
            write_varint(out, version.0);
        }
    }

    pub(super) fn read(bytes: &[u8]) -> Result<Self, WireError> {
        let mut reader = Reader::new(bytes);
        let read = Self::read_fields(&mut reader);
        reader.end(read)
    }

    fn read_fields(reader: &mut Reader<'_>) -> Result<Self, WireError> {
        let epoch = Epoch(reader.array());
        let marks = read_entries(reader, "partition")?.map(|(partition, version)| (Partition(partition), version));
        let marks = marks.collect();
        let exceptions: Vec<_> =
            read_entries(reader, "topic")?.map(|(topic, version)| (TopicNumber(topic), version)).collect();
        if !exceptions.is_sorted_by(|(earlier, _), (later, _)| earlier < later) {
            return Err(WireError::Invalid { field: "order of exceptions" });
        }
        Ok(Self { epoch, marks, exceptions })
    }
}

/// A list of numbers and versions.
fn read_entries(
    reader: &mut Reader<'_>,
    field: &'static str,
) -> Result<impl Iterator<Item = (u32, Version)> + use<>, WireError> {
    let count = reader.varint();
    if count > ResumePoint::MAX_ENTRIES as u64 {
        return Err(WireError::TooLong { field: "resume point", limit: ResumePoint::MAX_ENTRIES });
    }
    let mut entries = Vec::new();
    for _ in 0..count {
        entries.push((reader.small(field), Version(reader.varint())));
        if reader.has_failed() {
            break;
        }
    }
    Ok(entries.into_iter())
}

/// Appends an extension to the end of a frame.
pub(super) fn write_extension(out: &mut Vec<u8>, tag: u64, content: &[u8]) {
    write_varint(out, tag);
    write_bytes(out, content);
}

pub(super) fn write_text(out: &mut Vec<u8>, text: &str) {
    write_bytes(out, text.as_bytes());
}

pub(super) fn write_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    write_varint(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}
