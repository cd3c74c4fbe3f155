//! The seam between the disk log and the disk: a directory of files.
//!
//! It is as small as the log lets it be, so that tests can put a disk of their own under the real
//! engine: one that fails, fills up, or forgets at a crash what was not synced.

use std::fmt::Debug;
use std::io;
use std::sync::Arc;

/// A directory of files that one log has for itself. Shared with the thread that writes checkpoints.
///
/// Creating, renaming and removing files may be forgotten at a crash of the machine, each by itself,
/// until [`sync`](Self::sync) has returned.
pub trait Storage: Debug + Send + Sync {
    /// The names of the files there are, in any order.
    ///
    /// # Errors
    /// If the directory can't be read.
    fn list(&self) -> io::Result<Vec<String>>;

    /// Opens a file that exists, for reading and writing.
    ///
    /// # Errors
    /// [`NotFound`](io::ErrorKind::NotFound) if there is none, or another if it can't be opened.
    fn open(&self, name: &str) -> io::Result<Arc<dyn StorageFile>>;

    /// Makes an empty file, in the place of one that exists.
    ///
    /// # Errors
    /// If it can't be made: the disk may be full.
    fn create(&self, name: &str) -> io::Result<Arc<dyn StorageFile>>;

    /// Gives a file another name, in the place of the file that has it.
    ///
    /// # Errors
    /// If that could not be done. Both names are as they were then.
    fn rename(&self, from: &str, to: &str) -> io::Result<()>;

    /// Removes a file.
    ///
    /// # Errors
    /// If that could not be done.
    fn remove(&self, name: &str) -> io::Result<()>;

    /// Makes durable which files there are.
    ///
    /// # Errors
    /// If that can't be known to be so.
    fn sync(&self) -> io::Result<()>;

    /// Names the machine's life since it was last started, if that is known: what was written during
    /// it, by whatever process, can be read as long as it lasts, synced or not.
    fn boot(&self) -> Option<[u8; 16]>;
}

/// A file of a [`Storage`]. What was written may be forgotten at a crash of the machine, each part of it
/// by itself, until [`sync`](Self::sync) has returned.
pub trait StorageFile: Debug + Send + Sync {
    /// How many bytes it has.
    ///
    /// # Errors
    /// If that can't be found out.
    fn length(&self) -> io::Result<u64>;

    /// Reads bytes from `offset` on; 0 at the end of the file.
    ///
    /// # Errors
    /// If the disk can't be read.
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize>;

    /// Writes all the bytes from `offset` on, which is at the most the length.
    ///
    /// # Errors
    /// If not all of them could be written. Any part of them may have been, then.
    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()>;

    /// Cuts the file off after `length` bytes.
    ///
    /// # Errors
    /// If that could not be done.
    fn truncate(&self, length: u64) -> io::Result<()>;

    /// Makes durable what was written before.
    ///
    /// # Errors
    /// If that can't be known to be so. What was written may be lost even if a later call succeeds.
    fn sync(&self) -> io::Result<()>;
}
