//! Checkpoints: what the records up to a position add up to, so that they need not be kept.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use outpour_core::Version;

use super::super::storage::{Storage, StorageFile};
use super::super::{LogError, Rows};
use super::files::{FileName, NEW};
use super::frame::{FileKind, FrameReader, Framing, HEADER_BYTES, Header, Step};

/// How much is written at once.
const WRITE_BYTES: usize = 1 << 20;
/// What the body of a row starts with.
const ROW: u8 = 1;
/// What the last frame consists of: without it a checkpoint is not finished.
const END: u8 = 0;

/// A checkpoint that is sound.
#[derive(Clone, Debug)]
pub(super) struct Checkpoint {
    pub(super) position: Version,
    pub(super) bytes: u64,
    file: Arc<dyn StorageFile>,
    header: Header,
}

impl Checkpoint {
    /// Opens and checks the one that stands for the records up to a position; `None` if it is damaged.
    pub(super) fn open(storage: &dyn Storage, identity: [u8; 16], position: Version) -> Result<Option<Self>, LogError> {
        let name = FileName::Checkpoint(position).to_string();
        let header = Header { kind: FileKind::Checkpoint, identity, position };
        let file = storage.open(&name).map_err(|error| LogError::storage("open", &name, error))?;
        let bytes = file.length().map_err(|error| LogError::storage("read", &name, error))?;
        let checkpoint = Self { position, bytes, file, header };
        let sound = checkpoint.read(&mut |_| true).map_err(|error| LogError::storage("read", &name, error))?;
        Ok(sound.then_some(checkpoint))
    }

    /// Hands every row to `take`, until it refuses one. `false` if one is damaged or refused.
    pub(super) fn read(&self, take: &mut dyn FnMut(&[u8]) -> bool) -> io::Result<bool> {
        let Ok(mut reader) = FrameReader::open(Arc::clone(&self.file), self.header)? else { return Ok(false) };
        let mut expected = 0;
        loop {
            let ended = match reader.next()? {
                Step::Frame { number, body: [ROW, row @ ..] } if number == expected => {
                    if !take(row) {
                        return Ok(false);
                    }
                    false
                }
                Step::Frame { number, body: [END] } if number == expected => true,
                _ => return Ok(false),
            };
            expected += 1;
            if ended {
                return Ok(reader.next()? == Step::End);
            }
        }
    }
}

/// The writing of a checkpoint, which is done away from the log.
#[derive(Debug)]
pub(super) struct Writing {
    pub(super) storage: Arc<dyn Storage>,
    pub(super) identity: [u8; 16],
    pub(super) position: Version,
    /// Set when the log is closed before it is finished.
    pub(super) abandoned: Arc<AtomicBool>,
}

impl Writing {
    /// Writes the rows, and removes what they make superfluous. Returns the size of the file.
    pub(super) fn run(&self, rows: Rows) -> io::Result<u64> {
        let name = FileName::Checkpoint(self.position).to_string();
        let new_name = format!("{name}{NEW}");
        let written = self.write(&new_name, rows).and_then(|bytes| {
            self.storage.rename(&new_name, &name)?;
            self.storage.sync()?;
            Ok(bytes)
        });
        if written.is_ok() {
            self.remove_older();
        } else {
            // It takes room, and the disk may be full.
            let _gone = self.storage.remove(&new_name);
        }
        written
    }

    fn write(&self, name: &str, rows: Rows) -> io::Result<u64> {
        let header = Header { kind: FileKind::Checkpoint, identity: self.identity, position: self.position };
        let framing = Framing::new(header);
        let file = self.storage.create(name)?;
        file.write_at(0, &header.encode())?;
        let (mut offset, mut number) = (HEADER_BYTES, 0);
        let mut buffer = Vec::with_capacity(WRITE_BYTES);
        rows(&mut |row| {
            if self.abandoned.load(Ordering::Relaxed) {
                return Err(io::Error::new(io::ErrorKind::Interrupted, "the log is being closed"));
            }
            framing.frame(number, &mut buffer, |out| {
                out.push(ROW);
                out.extend_from_slice(row);
            });
            number += 1;
            if buffer.len() >= WRITE_BYTES {
                file.write_at(offset, &buffer)?;
                offset += buffer.len() as u64;
                buffer.clear();
            }
            Ok(())
        })?;
        framing.frame(number, &mut buffer, |out| out.push(END));
        file.write_at(offset, &buffer)?;
        file.sync()?;
        Ok(offset + buffer.len() as u64)
    }

    /// Removes earlier checkpoints, and the segments whose records this one stands for: the log has
    /// begun a new one at its position. What can't be removed now is when the log is next opened.
    fn remove_older(&self) {
        let names = self.storage.list().unwrap_or_default();
        for name in names.iter().filter_map(|name| FileName::parse(name)) {
            let older = match name {
                FileName::Checkpoint(position) => position < self.position,
                FileName::Segment(first) => first <= self.position,
            };
            if older && let Err(error) = self.storage.remove(&name.to_string()) {
                tracing::warn!(file = %name, %error, "a file of the log that is no longer needed can't be removed");
            }
        }
    }
}
