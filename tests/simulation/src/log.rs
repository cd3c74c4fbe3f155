//! A log that several gateways share: each reads it with a delay of its own, as from an engine far away.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use outpour_core::{Epoch, Partition, Path, Version};
use outpour_server::log::{Log, LogError, Record};

/// The records, and when each was appended. Positions have holes, as those of other engines do.
#[derive(Debug)]
struct Records {
    epoch: Epoch,
    records: Vec<(Version, u64, Record)>,
}

/// The log, wherever it is.
#[derive(Clone, Debug)]
pub struct SharedLog {
    shared: Arc<Mutex<Records>>,
}

/// One gateway's way to the log.
#[derive(Debug)]
pub struct Reader {
    shared: Arc<Mutex<Records>>,
    horizon: Horizon,
    appended: Vec<Record>,
}

/// What time it is, and how old a record is when a gateway gets to see it.
#[derive(Clone, Debug)]
pub struct Horizon {
    now: Arc<AtomicU64>,
    delay: Arc<AtomicU64>,
    /// No record beyond this version is seen.
    limit: Arc<AtomicU64>,
}

impl Default for Horizon {
    fn default() -> Self {
        Self { now: Arc::default(), delay: Arc::default(), limit: Arc::new(AtomicU64::new(u64::MAX)) }
    }
}

impl Horizon {
    /// The time, in microseconds.
    pub fn set_now(&self, now: u64) {
        self.now.store(now, Ordering::Relaxed);
    }

    /// How late records are seen, in microseconds.
    pub fn set_delay(&self, delay: u64) {
        self.delay.store(delay, Ordering::Relaxed);
    }

    /// Hides what stands behind a version.
    pub fn set_limit(&self, limit: Version) {
        self.limit.store(limit.0, Ordering::Relaxed);
    }

    /// The version beyond which nothing is seen.
    #[must_use]
    pub fn limit(&self) -> Version {
        Version(self.limit.load(Ordering::Relaxed))
    }

    fn shows(&self, version: Version, at: u64) -> bool {
        version.0 <= self.limit.load(Ordering::Relaxed)
            && at + self.delay.load(Ordering::Relaxed) <= self.now.load(Ordering::Relaxed)
    }
}

impl SharedLog {
    /// An empty log.
    #[must_use]
    pub fn new(life: u64) -> Self {
        let mut epoch = [0; 16];
        epoch[..8].copy_from_slice(&life.to_le_bytes());
        Self { shared: Arc::new(Mutex::new(Records { epoch: Epoch(epoch), records: Vec::new() })) }
    }

    /// Its life.
    #[must_use]
    pub fn epoch(&self) -> Epoch {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner).epoch
    }

    /// A gateway's way to it.
    #[must_use]
    pub fn reader(&self, horizon: Horizon) -> Reader {
        Reader { shared: Arc::clone(&self.shared), horizon, appended: Vec::new() }
    }

    /// When a gateway that has read up to `head` will see the next record, if there is one.
    #[must_use]
    pub fn next_at(&self, head: Version, horizon: &Horizon) -> Option<u64> {
        let records = self.shared.lock().unwrap_or_else(PoisonError::into_inner);
        let next = records.records.partition_point(|(version, ..)| *version <= head);
        records.records.get(next).map(|(_, at, _)| at + horizon.delay.load(Ordering::Relaxed))
    }
}

impl Log for Reader {
    fn epoch(&self) -> Epoch {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner).epoch
    }

    fn partition_of(&self, _path: &Path) -> Partition {
        Partition(0)
    }

    fn append(&mut self, record: Record) -> Result<(), LogError> {
        self.appended.push(record);
        Ok(())
    }

    fn commit(&mut self) -> Result<(), LogError> {
        let now = self.horizon.now.load(Ordering::Relaxed);
        let mut shared = self.shared.lock().unwrap_or_else(PoisonError::into_inner);
        for record in self.appended.drain(..) {
            let last = shared.records.last().map_or(0, |(version, ..)| version.0);
            let hole = if last % 7 == 3 { 2 } else { 0 };
            shared.records.push((Version(last + 1 + hole), now, record));
        }
        Ok(())
    }

    fn read(
        &mut self,
        _partition: Partition,
        after: Version,
        limit: usize,
        apply: &mut dyn FnMut(Version, &Record),
    ) -> Result<Version, LogError> {
        let shared = self.shared.lock().unwrap_or_else(PoisonError::into_inner);
        let first = shared.records.partition_point(|(version, ..)| *version <= after);
        let mut reached = after;
        let visible =
            shared.records.iter().skip(first).take_while(|(version, at, _)| self.horizon.shows(*version, *at));
        for (version, _, record) in visible.take(limit) {
            reached = *version;
            apply(*version, record);
        }
        Ok(reached)
    }
}
