//! The embedded engine without a disk: one partition, gone when the process ends.

use std::collections::VecDeque;
use std::io;

use outpour_core::{Epoch, Partition, Path, Version};

use super::{Log, LogError, Record};

/// A log in memory. It keeps the newest records only: state is what the broker made of them.
#[derive(Debug)]
pub struct MemoryLog {
    epoch: Epoch,
    records: VecDeque<Record>,
    /// The position of the newest record.
    head: Version,
    /// The position of the newest record that may be read.
    committed: Version,
    keep: usize,
    /// How many bytes the records have together.
    bytes: usize,
}

/// How many records a log keeps unless told otherwise.
const KEPT: usize = 1024;
/// The most bytes of records that are kept, however few that are.
const MAX_BYTES: usize = 16 << 20;

impl MemoryLog {
    /// An empty log with an epoch of its own, drawn at random.
    ///
    /// # Errors
    /// If the system has no randomness.
    pub fn fresh() -> io::Result<Self> {
        let mut epoch = [0; 16];
        getrandom::fill(&mut epoch).map_err(io::Error::other)?;
        Ok(Self::new(Epoch(epoch), KEPT))
    }

    /// An empty log that keeps the newest `keep` records (at least one) for its readers.
    #[must_use]
    pub fn new(epoch: Epoch, keep: usize) -> Self {
        Self {
            epoch,
            records: VecDeque::new(),
            head: Version::NONE,
            committed: Version::NONE,
            keep: keep.max(1),
            bytes: 0,
        }
    }

    fn first(&self) -> Version {
        Version(self.head.0 + 1 - self.records.len() as u64)
    }

    /// Drops what is too much, of the records that have been read.
    fn trim(&mut self, read: Version) {
        while (self.records.len() > self.keep || self.bytes > MAX_BYTES) && self.first() <= read {
            self.bytes -= self.records.pop_front().as_ref().map_or(0, Record::size);
        }
    }
}

impl Log for MemoryLog {
    fn epoch(&self) -> Epoch {
        self.epoch
    }

    fn partition_of(&self, _path: &Path) -> Partition {
        Partition(0)
    }

    fn append(&mut self, record: Record) -> Result<(), LogError> {
        self.head = Version(self.head.0 + 1);
        self.bytes += record.size();
        self.records.push_back(record);
        Ok(())
    }

    fn commit(&mut self) -> Result<(), LogError> {
        self.committed = self.head;
        Ok(())
    }

    fn read(
        &mut self,
        _partition: Partition,
        after: Version,
        limit: usize,
        apply: &mut dyn FnMut(Version, &Record),
    ) -> Result<Version, LogError> {
        let first = self.first();
        if after.0 + 1 < first.0 {
            return Err(LogError::Trimmed { first });
        }
        self.trim(after);
        let first = self.first();
        let skip = usize::try_from(after.0 + 1 - first.0).unwrap_or(usize::MAX);
        let left = usize::try_from(self.committed.0.saturating_sub(after.0)).unwrap_or(usize::MAX);
        let mut last = after;
        for (index, record) in self.records.iter().enumerate().skip(skip).take(limit.min(left)) {
            last = Version(first.0 + index as u64);
            apply(last, record);
        }
        Ok(last)
    }
}
