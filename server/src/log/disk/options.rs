//! How a disk log is kept.

use std::time::Duration;

/// When what was written is synced: made durable against a crash of the machine, or a loss of power. A
/// crash of the process loses nothing that was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fsync {
    /// Before it is told or acknowledged. Nothing acknowledged is ever lost.
    Always,
    /// In the background, this long after it was written. What came later may be lost: clients start
    /// afresh then.
    Interval(Duration),
    /// When the operating system does. As with `Interval`.
    Never,
}

impl Default for Fsync {
    fn default() -> Self {
        Self::Interval(Duration::from_secs(1))
    }
}

/// How a [`DiskLog`](super::DiskLog) is kept.
#[derive(Clone, Copy, Debug)]
pub struct DiskOptions {
    /// When what was written is synced.
    pub fsync: Fsync,
    /// How many bytes of records there are before a checkpoint takes their place, at the least; more if
    /// the last checkpoint was larger.
    pub checkpoint_after: u64,
    /// Whether syncs and checkpoints are done by threads. Without, checkpoints are written when they are
    /// due, and an interval passes only when the log is closed: for tests that want every run alike.
    pub background: bool,
}

impl Default for DiskOptions {
    fn default() -> Self {
        Self { fsync: Fsync::default(), checkpoint_after: 64 << 20, background: true }
    }
}
