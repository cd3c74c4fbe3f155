//! The segment that is written.

use std::io;
use std::sync::Arc;

use outpour_core::Version;

use super::super::storage::{Storage, StorageFile};
use super::super::{LogError, Record};
use super::files::FileName;
use super::frame::{FileKind, Framing, HEADER_BYTES, Header};
use super::record;
use super::recovery::Sealed;

/// How much room for records not yet written is kept.
const BUFFER_BYTES: usize = 1 << 20;

/// The newest segment.
#[derive(Debug)]
pub(super) struct Segment {
    file: Arc<dyn StorageFile>,
    framing: Framing,
    /// Where the last committed record ends.
    length: u64,
    /// Whether something may stand behind that.
    dirty: bool,
    /// Records to be written.
    buffer: Vec<u8>,
}

impl Segment {
    /// Begins a segment. If `durable`, it is there even if the machine should crash at once.
    pub(super) fn begin(
        storage: &dyn Storage,
        identity: [u8; 16],
        first: Version,
        durable: bool,
    ) -> Result<Self, LogError> {
        let name = FileName::Segment(first).to_string();
        let header = Header { kind: FileKind::Segment, identity, position: first };
        let create = || {
            let file = storage.create(&name)?;
            file.write_at(0, &header.encode())?;
            if durable {
                file.sync()?;
                storage.sync()?;
            }
            Ok(file)
        };
        let file = create().map_err(|error| {
            let _none_made = storage.remove(&name);
            LogError::storage("begin", &name, error)
        })?;
        Ok(Self { file, framing: Framing::new(header), length: HEADER_BYTES, dirty: false, buffer: Vec::new() })
    }

    /// Goes on with one that was found.
    pub(super) fn go_on(found: &Sealed) -> Result<Self, LogError> {
        let Sealed { file, header, bytes } = found;
        Ok(Self {
            file: Arc::clone(file),
            framing: Framing::new(*header),
            length: *bytes,
            dirty: false,
            buffer: Vec::new(),
        })
    }

    pub(super) const fn file(&self) -> &Arc<dyn StorageFile> {
        &self.file
    }

    /// Takes a record, to be written later. `false` if it can't be put into bytes.
    pub(super) fn append(&mut self, position: u64, record: &Record, durable: Version) -> bool {
        let start = self.buffer.len();
        let behind = if durable == Version::NONE { 0 } else { position - durable.0 };
        let taken = self.framing.frame(position, &mut self.buffer, |out| record::encode(record, behind, out));
        if !taken {
            self.buffer.truncate(start);
        }
        taken
    }

    /// Writes what was appended behind what is committed.
    pub(super) fn write(&mut self) -> io::Result<()> {
        if self.dirty {
            self.file.truncate(self.length)?;
        }
        self.dirty = true;
        self.file.write_at(self.length, &self.buffer)
    }

    /// What was written is committed. Returns how many bytes that are.
    pub(super) fn accept(&mut self) -> u64 {
        let bytes = self.buffer.len() as u64;
        self.length += bytes;
        self.dirty = false;
        self.empty_buffer();
        bytes
    }

    /// What was appended is not to be, whatever was written of it.
    pub(super) fn discard(&mut self) {
        self.empty_buffer();
        if self.dirty && self.file.truncate(self.length).is_ok() {
            self.dirty = false;
        }
    }

    fn empty_buffer(&mut self) {
        self.buffer.clear();
        self.buffer.shrink_to(BUFFER_BYTES);
    }
}
