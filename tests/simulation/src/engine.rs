//! What keeps the log: one that several gateways share, or a disk that one gateway writes to.

use std::sync::Arc;

use outpour_core::{Epoch, Partition, Path, Version};
use outpour_server::log::{DiskLog, DiskOptions, Fsync, Log, LogError, Record, Rows};

use crate::disk::SimulatedDisk;
use crate::log::{Horizon, SharedLog};
use crate::random::Random;

/// How many bytes of records there are before a checkpoint takes their place.
const CHECKPOINT_AFTER: u64 = 4_000;

/// An engine in one of its lives.
#[derive(Debug)]
pub enum Engine {
    /// Several gateways append and read, each with a delay of its own.
    Shared(SharedLog),
    /// One gateway has it, and finds it again after a crash.
    Disk {
        /// The disk.
        disk: SimulatedDisk,
        /// Which life of the log it is.
        life: u64,
        /// The epoch that the log has.
        epoch: Epoch,
        /// How often the log has been opened.
        openings: u64,
    },
}

impl Engine {
    /// A log without records.
    #[must_use]
    pub fn new(life: u64, is_on_disk: bool) -> Self {
        if is_on_disk {
            Self::Disk { disk: SimulatedDisk::default(), life, epoch: epoch(life, 0), openings: 0 }
        } else {
            Self::Shared(SharedLog::new(life))
        }
    }

    /// The life of the log.
    #[must_use]
    pub fn epoch(&self) -> Epoch {
        match self {
            Self::Shared(log) => log.epoch(),
            Self::Disk { epoch, .. } => *epoch,
        }
    }

    /// The disk, if there is one.
    #[must_use]
    pub const fn disk(&self) -> Option<&SimulatedDisk> {
        match self {
            Self::Shared(_) => None,
            Self::Disk { disk, .. } => Some(disk),
        }
    }

    /// A gateway's way to the log.
    ///
    /// # Errors
    /// If the log does not take up again what it has written itself.
    pub fn open(&mut self, horizon: &Horizon) -> Result<Box<dyn Log>, String> {
        match self {
            Self::Shared(log) => Ok(Box::new(log.reader(horizon.clone()))),
            Self::Disk { disk, life, epoch: known, openings } => {
                let options =
                    DiskOptions { fsync: Fsync::Always, checkpoint_after: CHECKPOINT_AFTER, background: false };
                let drawn = [epoch(*life, u64::MAX).0, epoch(*life, *openings).0];
                *openings += 1;
                let log =
                    DiskLog::open_in(Arc::new(disk.clone()), options, drawn).map_err(|error| error.to_string())?;
                *known = log.epoch();
                Ok(Box::new(Opened { log, horizon: horizon.clone() }))
            }
        }
    }

    /// When a gateway that has read up to `head` will see the next record, if there is one.
    #[must_use]
    pub fn next_at(&self, head: Version, horizon: &Horizon) -> Option<u64> {
        match self {
            Self::Shared(log) => log.next_at(head, horizon),
            // What is appended is read at once.
            Self::Disk { .. } => None,
        }
    }

    /// The gateway that had the disk is gone, or the whole machine was. Both may begin again.
    pub fn recover(&self, is_machine: bool, random: &mut Random) {
        let Self::Disk { disk, .. } = self else { return };
        // A gateway does not start without room; somebody has made some.
        disk.limit_room(None);
        if is_machine {
            disk.restart_machine(&mut |below| random.below(below as u64) as usize);
        } else {
            disk.restart_process();
        }
    }
}

fn epoch(life: u64, opening: u64) -> Epoch {
    let mut bytes = [0; 16];
    bytes[..8].copy_from_slice(&life.to_le_bytes());
    bytes[8..].copy_from_slice(&opening.to_le_bytes());
    Epoch(bytes)
}

/// A log on the disk, of which a gateway sees only what its horizon shows.
#[derive(Debug)]
struct Opened {
    log: DiskLog,
    horizon: Horizon,
}

impl Log for Opened {
    fn epoch(&self) -> Epoch {
        self.log.epoch()
    }

    fn partition_of(&self, path: &Path) -> Partition {
        self.log.partition_of(path)
    }

    fn append(&mut self, record: Record) -> Result<(), LogError> {
        self.log.append(record)
    }

    fn commit(&mut self) -> Result<(), LogError> {
        self.log.commit()
    }

    fn read(
        &mut self,
        partition: Partition,
        after: Version,
        limit: usize,
        apply: &mut dyn FnMut(Version, &Record),
    ) -> Result<Version, LogError> {
        // A record is handed over once, so that what is beyond the horizon must not be asked for.
        let room = self.horizon.limit().0.saturating_sub(after.0);
        let limit = limit.min(usize::try_from(room).unwrap_or(usize::MAX));
        if limit == 0 { Ok(after) } else { self.log.read(partition, after, limit, apply) }
    }

    fn restore(&mut self, take: &mut dyn FnMut(&[u8]) -> bool) -> Result<Version, LogError> {
        self.log.restore(take)
    }

    fn wants_checkpoint(&self) -> bool {
        self.log.wants_checkpoint()
    }

    fn begin_checkpoint(&mut self, applied: Version) -> bool {
        self.log.begin_checkpoint(applied)
    }

    fn write_checkpoint(&mut self, rows: Rows) {
        self.log.write_checkpoint(rows);
    }

    fn await_checkpoint(&mut self) {
        self.log.await_checkpoint();
    }
}
