//! The file that says which life the log is in, and how the last one ended.

use std::io;
use std::sync::Arc;

use outpour_core::{Epoch, Version};

use super::super::storage::{Storage, StorageFile};
use super::super::{LogError, fields::Fields};

const NAME: &str = "life";
const NEW_NAME: &str = "life.new";
const MAGIC: &[u8; 8] = b"outpourl";
const FORMAT: u8 = 1;
/// The file has a good deal less.
const MAX_BYTES: usize = 256;

/// What is to be known of a log beside its records.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Life {
    /// Drawn once, and told to nobody: it keeps the files of logs apart, and goes into their checks.
    pub(super) identity: [u8; 16],
    pub(super) epoch: Epoch,
    /// The life of the machine in which the log was opened last; `None` if that can't be known, or is not
    /// to be relied on.
    pub(super) boot: Option<[u8; 16]>,
    /// Whether records may be told before they are durable.
    pub(super) lazy: bool,
    /// The position of the last record, if the log was closed in order.
    pub(super) closed_at: Option<Version>,
}

impl Life {
    /// Reads it; `None` if there is none.
    pub(super) fn load(storage: &dyn Storage) -> Result<Option<Self>, LogError> {
        let file = match storage.open(NAME) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(LogError::storage("open", NAME, error)),
        };
        let bytes = read_all(&file).map_err(|error| LogError::storage("read", NAME, error))?;
        match decode(&bytes) {
            Some(life) => Ok(Some(life)),
            None => Err(LogError::damaged(NAME, "its content can't be read, or is of another version".into())),
        }
    }

    /// Writes it in the place of the one there is, all of it or nothing.
    pub(super) fn store(&self, storage: &dyn Storage) -> Result<(), LogError> {
        let write = || {
            let file = storage.create(NEW_NAME)?;
            file.write_at(0, &self.encode())?;
            file.sync()?;
            storage.rename(NEW_NAME, NAME)?;
            storage.sync()
        };
        write().map_err(|error| LogError::storage("write", NAME, error))
    }

    /// Whether what was told in this life can't have been lost when it ended, so that it goes on.
    pub(super) fn goes_on(&self, boot: Option<[u8; 16]>) -> bool {
        !self.lazy || self.closed_at.is_some() || self.is_same_boot(boot)
    }

    /// Whether the machine has been running ever since, so that whatever was written is still there.
    pub(super) fn is_same_boot(&self, boot: Option<[u8; 16]>) -> bool {
        self.boot.is_some() && self.boot == boot
    }

    fn encode(&self) -> Vec<u8> {
        let mut out = MAGIC.to_vec();
        out.push(FORMAT);
        out.extend(self.identity);
        out.extend(self.epoch.0);
        out.extend([u8::from(self.boot.is_some()), u8::from(self.lazy), u8::from(self.closed_at.is_some())]);
        out.extend(self.boot.unwrap_or_default());
        out.extend(self.closed_at.unwrap_or_default().0.to_le_bytes());
        out.extend(crc32fast::hash(&out).to_le_bytes());
        out
    }
}

fn decode(bytes: &[u8]) -> Option<Life> {
    let (content, check) = bytes.split_last_chunk::<4>()?;
    if crc32fast::hash(content) != u32::from_le_bytes(*check) {
        return None;
    }
    let mut fields = Fields::new(content);
    if &fields.array()? != MAGIC || fields.byte()? != FORMAT {
        return None;
    }
    let (identity, epoch) = (fields.array()?, Epoch(fields.array()?));
    let (has_boot, lazy, is_closed) = (fields.flag()?, fields.flag()?, fields.flag()?);
    let (boot, closed_at) = (fields.array()?, Version(u64::from_le_bytes(fields.array()?)));
    let life =
        Life { identity, epoch, boot: has_boot.then_some(boot), lazy, closed_at: is_closed.then_some(closed_at) };
    fields.is_empty().then_some(life)
}

fn read_all(file: &Arc<dyn StorageFile>) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; MAX_BYTES];
    let mut filled = 0;
    while let Some(room) = bytes.get_mut(filled..).filter(|room| !room.is_empty()) {
        match file.read_at(filled as u64, room)? {
            0 => break,
            read => filled += read,
        }
    }
    bytes.truncate(filled);
    Ok(bytes)
}
