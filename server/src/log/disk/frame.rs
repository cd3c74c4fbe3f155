//! The framing of segments and checkpoints: a header, and numbered frames with a check each.
//!
//! All numbers are fixed-width, least significant byte first.
//!
//! | header | bytes |
//! |---|---|
//! | magic | 8: `outpour`, then `r` for a segment of records or `c` for a checkpoint |
//! | version of the format | 4 |
//! | identity of the log | 16 |
//! | position: of a segment's first record; up to which a checkpoint stands | 8 |
//! | CRC-32 of these | 4 |
//!
//! | frame | bytes |
//! |---|---|
//! | CRC-32 of the file's header and the rest of the frame | 4 |
//! | length of the body | 4 |
//! | number: a record's position, or a count from 0 in a checkpoint | 8 |
//! | body | |
//!
//! As the identity goes into every check and is told to nobody, bytes that a publisher sends can't be
//! made to look like a frame.

use std::io;
use std::sync::Arc;

use crc32fast::Hasher;
use outpour_core::Version;
use outpour_core::wire::MAX_MESSAGE_BYTES;

use super::super::storage::StorageFile;

/// How many bytes a file's header has.
pub(super) const HEADER_BYTES: u64 = 40;
/// How many bytes a frame has before its body.
pub(super) const FRAME_BYTES: usize = 16;
/// The longest body: whatever a publisher can send, and a little more.
const MAX_BODY: usize = MAX_MESSAGE_BYTES + (1 << 20);
/// How much is read from a file at once.
const READ_BYTES: usize = 256 << 10;
const FORMAT: u32 = 1;
/// How many records there can be between a damage and one that vouches for it.
const FARTHEST: u64 = 1 << 40;

/// What a file is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum FileKind {
    Segment,
    Checkpoint,
}

/// The head of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) kind: FileKind,
    pub(super) identity: [u8; 16],
    pub(super) position: Version,
}

impl Header {
    pub(super) fn encode(self) -> Vec<u8> {
        let mut out = Vec::with_capacity(HEADER_BYTES as usize);
        out.extend(match self.kind {
            FileKind::Segment => b"outpourr",
            FileKind::Checkpoint => b"outpourc",
        });
        out.extend(FORMAT.to_le_bytes());
        out.extend(self.identity);
        out.extend(self.position.0.to_le_bytes());
        out.extend(crc32fast::hash(&out).to_le_bytes());
        out
    }
}

/// How the frames of a file are checked.
#[derive(Clone, Debug)]
pub(super) struct Framing(Hasher);

impl Framing {
    pub(super) fn new(header: Header) -> Self {
        let mut hasher = Hasher::new();
        hasher.update(&header.encode());
        Self(hasher)
    }

    /// Appends a frame whose body `write` appends.
    pub(super) fn frame<T>(&self, number: u64, out: &mut Vec<u8>, write: impl FnOnce(&mut Vec<u8>) -> T) -> T {
        let start = out.len();
        out.extend([0; FRAME_BYTES]);
        let written = write(out);
        if let Some((head, body)) = out.get_mut(start..).and_then(<[u8]>::split_first_chunk_mut::<FRAME_BYTES>) {
            head[4..8].copy_from_slice(&(body.len() as u32).to_le_bytes());
            head[8..].copy_from_slice(&number.to_le_bytes());
            let check = self.check(&head[4..], body);
            head[..4].copy_from_slice(&check.to_le_bytes());
        }
        written
    }

    fn check(&self, head: &[u8], body: &[u8]) -> u32 {
        let mut hasher = self.0.clone();
        hasher.update(head);
        hasher.update(body);
        hasher.finalize()
    }
}

/// What stands at a place of a file.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Step<'a> {
    Frame { number: u64, body: &'a [u8] },
    End,
    Damage(Damage),
}

/// Where a file is not what it should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Damage {
    pub(super) offset: u64,
    /// Whether all bytes of the frame are there: its writing was not cut short.
    pub(super) complete: bool,
}

/// Reads the frames of a file one after the other.
#[derive(Debug)]
pub(super) struct FrameReader {
    file: Arc<dyn StorageFile>,
    framing: Framing,
    length: u64,
    /// Where the next frame starts.
    offset: u64,
    /// Bytes of the file, from `buffered_at` on.
    buffer: Vec<u8>,
    buffered_at: u64,
}

impl FrameReader {
    /// A reader of the frames behind the header, or the damage in it.
    pub(super) fn open(file: Arc<dyn StorageFile>, header: Header) -> io::Result<Result<Self, Damage>> {
        let length = file.length()?;
        let mut reader = Self::at(file, header, 0, length);
        let sound = reader.bytes(0, HEADER_BYTES as usize)?.is_some_and(|bytes| bytes == header.encode());
        if !sound {
            return Ok(Err(Damage { offset: 0, complete: length >= HEADER_BYTES }));
        }
        reader.offset = HEADER_BYTES;
        Ok(Ok(reader))
    }

    fn at(file: Arc<dyn StorageFile>, header: Header, offset: u64, length: u64) -> Self {
        let framing = Framing::new(header);
        Self { file, framing, length, offset, buffer: Vec::new(), buffered_at: 0 }
    }

    /// Where the next frame starts.
    pub(super) const fn offset(&self) -> u64 {
        self.offset
    }

    /// The next frame.
    pub(super) fn next(&mut self) -> io::Result<Step<'_>> {
        let offset = self.offset;
        if offset == self.length {
            return Ok(Step::End);
        }
        let damage = |complete| Ok(Step::Damage(Damage { offset, complete }));
        let Some((check, length, number)) = self.frame_head(offset)? else { return damage(false) };
        if length as u64 > self.length - offset - FRAME_BYTES as u64 {
            return damage(false);
        }
        if length > MAX_BODY {
            return damage(true);
        }
        let framing = self.framing.clone();
        let Some(frame) = self.bytes(offset, FRAME_BYTES + length)? else { return damage(false) };
        let (head, body) = frame.split_at(FRAME_BYTES);
        if framing.check(&head[4..], body) != check {
            return damage(true);
        }
        self.offset = offset + (FRAME_BYTES + length) as u64;
        // Borrowed anew: a borrow that is returned on some ways only lasts on all of them.
        let body = self.bytes(offset, FRAME_BYTES + length)?.map_or(&[][..], |frame| &frame[FRAME_BYTES..]);
        Ok(Step::Frame { number, body })
    }

    /// The check, the length of the body and the number of a frame; `None` if it has no room for them.
    fn frame_head(&mut self, offset: u64) -> io::Result<Option<(u32, usize, u64)>> {
        Ok(self.bytes(offset, FRAME_BYTES)?.map(|head| {
            let word = |at: usize| u32::from_le_bytes([head[at], head[at + 1], head[at + 2], head[at + 3]]);
            let number = u64::from(word(8)) | u64::from(word(12)) << 32;
            (word(0), word(4) as usize, number)
        }))
    }

    /// So many bytes of the file; `None` if it ends before.
    fn bytes(&mut self, offset: u64, count: usize) -> io::Result<Option<&[u8]>> {
        if self.length.saturating_sub(offset) < count as u64 {
            return Ok(None);
        }
        let within = offset.checked_sub(self.buffered_at).and_then(|start| usize::try_from(start).ok());
        let start = match within.filter(|start| *start <= self.buffer.len()) {
            Some(start) if start + count <= self.buffer.len() => start,
            start => {
                // What is needed moves to the front, and more is read behind it.
                self.buffer.drain(..start.unwrap_or(self.buffer.len()));
                self.buffered_at = offset;
                let left = usize::try_from(self.length - offset).unwrap_or(usize::MAX);
                let mut filled = self.buffer.len();
                self.buffer.resize(left.min(count.max(READ_BYTES)).max(filled), 0);
                while let Some(room) = self.buffer.get_mut(filled..).filter(|room| !room.is_empty()) {
                    match self.file.read_at(offset + filled as u64, room)? {
                        0 => break,
                        read => filled += read,
                    }
                }
                self.buffer.truncate(filled);
                0
            }
        };
        Ok(self.buffer.get(start..start + count))
    }
}

/// Whether behind a damage there is a sound frame that bears witness, by its number and body, that what
/// is damaged had been made durable.
pub(super) fn is_vouched_for(
    file: &Arc<dyn StorageFile>,
    header: Header,
    from: u64,
    damaged: Version,
    vouches: impl Fn(u64, &[u8]) -> bool,
) -> io::Result<bool> {
    let length = file.length()?;
    let mut reader = FrameReader::at(Arc::clone(file), header, from, length);
    let mut frames = FrameReader::at(Arc::clone(file), header, from, length);
    for offset in from..length.saturating_sub(FRAME_BYTES as u64) {
        let Some((_, _, number)) = reader.frame_head(offset)? else { return Ok(false) };
        // A number far away is not that of a record.
        if number <= damaged.0 || number - damaged.0 > FARTHEST {
            continue;
        }
        frames.offset = offset;
        if let Step::Frame { number, body } = frames.next()?
            && vouches(number, body)
        {
            return Ok(true);
        }
    }
    Ok(false)
}
