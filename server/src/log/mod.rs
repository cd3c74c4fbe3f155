//! The log: the truth that a gateway's state is derived from.
//!
//! An engine gives records their positions and gives them back in order. What a record *does* is
//! the [`broker`](crate::broker)'s business, decided when it is read back, so that all gateways
//! that read the same log decide alike.

mod directory;
mod memory;
mod storage;

pub use directory::Directory;
pub use memory::MemoryLog;
pub use storage::{Storage, StorageFile};

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
}

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
}
