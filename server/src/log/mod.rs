//! The log: the truth that a gateway's state is derived from.
//!
//! An engine gives records their positions and gives them back in order. What a record *does* is
//! the [`broker`](crate::broker)'s business, decided when it is read back, so that all gateways
//! that read the same log decide alike.

mod directory;
mod disk;
pub(crate) mod fields;
mod memory;
mod storage;

pub use directory::Directory;
pub use disk::{DiskLog, DiskOptions, Fsync};
pub use memory::MemoryLog;
pub use storage::{Storage, StorageFile};

use std::io;

use outpour_core::peer::Change;
use outpour_core::wire::Condition;
use outpour_core::{Epoch, Partition, Path, PublishNumber, PublisherId, Version};

/// A change that somebody asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// The topic.
    pub path: Path,
    /// Who asked.
    pub author: PublisherId,
    /// The author's number for it.
    pub number: PublishNumber,
    /// When the change may be made.
    pub condition: Condition,
    /// The change.
    pub change: Change,
    /// When it was appended, in milliseconds of the engine's clock. Decides what is too old.
    pub at_ms: u64,
}

impl Record {
    /// About how many bytes of memory it takes.
    pub(crate) fn size(&self) -> usize {
        let content = match &self.change {
            Change::Set(_, bytes) | Change::Append(_, bytes) | Change::JsonPatch(bytes) | Change::MergePatch(bytes) => {
                bytes.len()
            }
            Change::Delta { delta, .. } => delta.len(),
            _ => 0,
        };
        size_of::<Self>() + self.path.as_str().len() + content
    }
}

/// Why a log can't do what it is asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LogError {
    /// The engine takes no records now.
    #[error("the log takes no records now: {0}")]
    Unavailable(String),
    /// The records asked for are no longer kept.
    #[error("records before {first:?} are no longer kept")]
    Trimmed {
        /// The first one kept.
        first: Version,
    },
    /// What the log is to be kept in can't be used.
    #[error("{0}")]
    Unusable(io::Error),
    /// The disk fails.
    #[error("can't {doing} {file}: {error}")]
    Storage {
        /// What was to be done.
        doing: &'static str,
        /// With which file.
        file: String,
        /// What the system says.
        error: io::Error,
    },
    /// A file is not what the log wrote.
    #[error(
        "{file} is damaged: {problem}; restore the directory from a backup, or start with an empty one: what was kept is gone then, and clients start afresh"
    )]
    Damaged {
        /// The file.
        file: String,
        /// What is wrong with it.
        problem: String,
    },
}

impl LogError {
    fn storage(doing: &'static str, file: &str, error: io::Error) -> Self {
        Self::Storage { doing, file: file.to_owned(), error }
    }

    fn damaged(file: &str, problem: String) -> Self {
        Self::Damaged { file: file.to_owned(), problem }
    }

    /// Says which directory the file is in.
    fn within(mut self, directory: &str) -> Self {
        if let Self::Storage { file, .. } | Self::Damaged { file, .. } = &mut self {
            *file = format!("{directory}/{file}");
        }
        self
    }
}

/// Hands the rows of a state to what it is given, one after the other, and stops at its first error.
pub type Rows = Box<dyn FnOnce(&mut dyn FnMut(&[u8]) -> io::Result<()>) -> io::Result<()> + Send>;

/// The seam for engines: append records, commit them, and read them back with their positions.
///
/// An engine may have many partitions, holes between positions and other writers. The same
/// records come back to every reader, with the same positions.
pub trait Log: Send {
    /// The life of the log that positions belong to.
    fn epoch(&self) -> Epoch;

    /// The partition that a path belongs to for good.
    fn partition_of(&self, path: &Path) -> Partition;

    /// Takes a record in. It gets its place in the log with the next [`commit`](Self::commit), and is
    /// in effect once it is read back.
    ///
    /// # Errors
    /// [`LogError::Unavailable`] if the engine can't take it; those taken before it are not affected.
    fn append(&mut self, record: Record) -> Result<(), LogError>;

    /// Gives the records appended since the last commit their places, all of them or none, and makes
    /// them as durable as the engine promises: what can be read may be told.
    ///
    /// # Errors
    /// [`LogError::Unavailable`] if that failed. None of these records is in the log then.
    fn commit(&mut self) -> Result<(), LogError>;

    /// Hands the committed records after `after` to `apply`, oldest first, at the most `limit` of them.
    /// Returns the position of the last one handed over.
    ///
    /// # Errors
    /// [`LogError::Trimmed`] if records between are gone.
    fn read(
        &mut self,
        partition: Partition,
        after: Version,
        limit: usize,
        apply: &mut dyn FnMut(Version, &Record),
    ) -> Result<Version, LogError>;

    /// Hands the rows of the newest [checkpoint](Self::write_checkpoint) to `take`, and returns the position
    /// up to which it stands for the records; [`Version::NONE`] if there is none. To be called once, first.
    ///
    /// # Errors
    /// If they can't be read, or `take` finds one to make no sense and gives `false`.
    fn restore(&mut self, take: &mut dyn FnMut(&[u8]) -> bool) -> Result<Version, LogError> {
        let _none = take;
        Ok(Version::NONE)
    }

    /// Whether so much was appended since the last checkpoint that another is worth its while.
    fn wants_checkpoint(&self) -> bool {
        false
    }

    /// Prepares for a checkpoint of what all records up to `applied` add up to, which must be all that are
    /// committed. `false` if there can't be one now.
    fn begin_checkpoint(&mut self, applied: Version) -> bool {
        let _unused = applied;
        false
    }

    /// Keeps the rows of the state as it was when the checkpoint was begun, so that the records up to
    /// there need not be kept. Returns at once: the rows are written in the background. If that fails the
    /// records are kept.
    fn write_checkpoint(&mut self, rows: Rows) {
        let _unused = rows;
    }

    /// Waits until no checkpoint is being written.
    fn await_checkpoint(&mut self) {}
}
