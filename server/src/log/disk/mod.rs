//! The embedded engine with a disk: one partition, kept as segments of records and checkpoints.
//!
//! | file | holds |
//! |---|---|
//! | `life` | the epoch, and how the log was closed ([`life`]) |
//! | `<first>.records` | a segment: the records from position `first` on ([`frame`], [`record`]) |
//! | `<last>.checkpoint` | what the records up to `last` add up to ([`checkpoint`]) |
//! | `lock` | nothing that matters: it is locked while a process has the directory |
//!
//! Records are appended to the newest segment. When enough came together, a segment is begun and the
//! state up to there written as a checkpoint, in the background; then what is older is removed. What is
//! found when the log is opened, and what of it is trusted, is the business of [`recovery`].

mod checkpoint;
mod files;
mod frame;
mod life;
mod options;
mod record;
mod recovery;
mod replay;
mod segment;
mod syncer;

use std::collections::VecDeque;
use std::path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver, TryRecvError};
use std::thread::{self, JoinHandle};
use std::{io, mem};

use outpour_core::{Epoch, Partition, Path, Version};

use super::storage::Storage;
use super::{Directory, Log, LogError, Record, Rows};
use checkpoint::{Checkpoint, Writing};
use life::Life;
pub use options::{DiskOptions, Fsync};
use recovery::Recovery;
use replay::Replay;
use segment::Segment;
use syncer::Syncer;

/// A log on a disk.
///
/// ```
/// use outpour_server::gateway::{Gateway, GatewayConfig};
/// use outpour_server::log::{DiskLog, DiskOptions, Log};
///
/// let directory = tempfile::tempdir()?;
/// let log = DiskLog::open(directory.path(), DiskOptions::default())?;
/// let epoch = log.epoch();
/// let config = GatewayConfig { listen: ([127, 0, 0, 1], 0).into(), ..GatewayConfig::default() };
/// Gateway::start(config, Box::new(log))?.shutdown();
///
/// // What is told of the log's versions holds for its next gateway, too.
/// assert_eq!(DiskLog::open(directory.path(), DiskOptions::default())?.epoch(), epoch);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct DiskLog {
    storage: Arc<dyn Storage>,
    options: DiskOptions,
    life: Life,
    /// What is still to be read of what was there when the log was opened.
    replay: Option<Replay>,
    checkpoint: Option<Checkpoint>,
    /// The position of the newest checkpoint.
    base: Version,
    /// The segment that is written.
    segment: Segment,
    /// The position of the newest record committed.
    head: Version,
    /// The newest record known to be durable.
    durable: Version,
    /// Records committed, of which the last has the position `head`, that may not have been read yet.
    unread: VecDeque<Record>,
    /// Records appended since the last commit.
    appended: Vec<Record>,
    /// How many bytes of records there are beyond the newest checkpoint.
    bytes: u64,
    /// How many there have to be for the next one.
    checkpoint_at: u64,
    begun: Option<Begun>,
    writing: Option<Running>,
    syncer: Option<Syncer>,
    /// Why nothing can be written any more.
    failed: Option<String>,
}

/// A checkpoint whose rows are yet to come.
#[derive(Debug)]
struct Begun {
    position: Version,
    /// How many bytes of records it stands for.
    bytes: u64,
}

/// A checkpoint that is being written.
#[derive(Debug)]
struct Running {
    result: Receiver<io::Result<u64>>,
    position: Version,
    /// How many bytes of records it stands for.
    bytes: u64,
    abandoned: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl DiskLog {
    /// Opens the log in a directory, and makes an empty one if there is none.
    ///
    /// # Errors
    /// If another process has the directory, the disk fails, or the log is damaged; the message says
    /// which file it is about, and what to do.
    pub fn open(directory: impl Into<path::PathBuf>, options: DiskOptions) -> Result<Self, LogError> {
        let directory = directory.into();
        let name = directory.display().to_string();
        let storage = Directory::open(directory).map_err(LogError::Unusable)?;
        let mut identities = [[0; 16]; 2];
        for identity in &mut identities {
            getrandom::fill(identity).map_err(|error| LogError::Unusable(io::Error::other(error)))?;
        }
        Self::open_in(Arc::new(storage), options, identities).map_err(|error| error.within(&name))
    }

    /// Opens the log in a storage. `drawn` is what it is to be known by should it be new, and the epoch
    /// to take should the last one not go on: drawn at random, and never given twice.
    ///
    /// # Errors
    /// If the storage fails or the log is damaged.
    pub fn open_in(storage: Arc<dyn Storage>, options: DiskOptions, drawn: [[u8; 16]; 2]) -> Result<Self, LogError> {
        let [identity, epoch] = drawn;
        let boot = storage.boot();
        let last = Life::load(&*storage)?;
        if last.is_none() && files::any(&*storage)? {
            return Err(LogError::damaged("life", "it is missing".into()));
        }
        let lazy = options.fsync != Fsync::Always;
        let mut life = Life { identity, epoch: Epoch(epoch), boot, lazy, closed_at: None };
        let (mut same_boot, mut may_lack_end) = (false, false);
        if let Some(last) = &last {
            life.identity = last.identity;
            same_boot = last.is_same_boot(boot);
            may_lack_end = !last.goes_on(boot);
            if !may_lack_end {
                life.epoch = last.epoch;
            } else {
                tracing::warn!(
                    "the machine stopped before everything written was synced: the log starts a new epoch, and clients start afresh"
                );
            }
        }
        let recovered = Recovery { storage: &*storage, identity: life.identity, same_boot, may_lack_end }.run()?;
        let head = recovered.head;
        if head == Version::NONE && recovered.segments.is_empty() {
            // Nothing goes on where there is nothing.
            life.epoch = Epoch(epoch);
        }
        if let Some(closed_at) = last.and_then(|last| last.closed_at).filter(|closed_at| *closed_at > head) {
            let problem = format!("the log was closed at position {closed_at}, and it ends at {head}");
            return Err(LogError::damaged("life", problem));
        }
        life.store(&*storage)?;
        let segment = match recovered.segments.last() {
            Some(last) => Segment::go_on(last)?,
            None => Segment::begin(&*storage, life.identity, Version(head.0 + 1), true)?,
        };
        for sealed in &recovered.segments {
            sealed.file.sync().map_err(|error| LogError::storage("sync", "the segments", error))?;
        }
        let syncer = match options.fsync {
            Fsync::Interval(interval) if options.background => {
                let syncer = Syncer::start(Arc::clone(&storage), interval);
                Some(syncer.map_err(LogError::Unusable)?)
            }
            _ => None,
        };
        let base = recovered.checkpoint.as_ref().map_or(Version::NONE, |checkpoint| checkpoint.position);
        let checkpoint_bytes = recovered.checkpoint.as_ref().map_or(0, |checkpoint| checkpoint.bytes);
        Ok(Self {
            bytes: recovered.segments.iter().map(|sealed| sealed.bytes).sum(),
            replay: Replay::new(recovered.segments, base, head),
            checkpoint: recovered.checkpoint,
            base,
            segment,
            head,
            durable: head,
            unread: VecDeque::new(),
            appended: Vec::new(),
            checkpoint_at: options.checkpoint_after.max(checkpoint_bytes),
            begun: None,
            writing: None,
            syncer,
            failed: None,
            storage,
            options,
            life,
        })
    }

    /// The newest record that is known to be on the disk.
    fn durable(&mut self) -> Version {
        match self.syncer.as_ref().map(Syncer::durable) {
            Some(Ok(durable)) => self.durable = self.durable.max(durable),
            Some(Err(problem)) => self.fail(&problem),
            None => {}
        }
        self.durable
    }

    /// After a sync that failed nobody knows what is on the disk: nothing more is written to it.
    fn fail(&mut self, problem: &str) {
        if self.failed.is_some() {
            return;
        }
        self.failed = Some(format!("what was written could not be synced ({problem}): restart the gateway"));
        // What was told before may be lost already, whatever can be read until then.
        self.life.boot = None;
        if self.life.lazy
            && let Err(error) = self.life.store(&*self.storage)
        {
            tracing::error!(%error, "that the log needs a new epoch can't be noted");
        }
    }

    /// Writes what was appended. After an error there is nothing of it in the file.
    fn write(&mut self) -> Result<(), String> {
        self.durable();
        if let Some(failed) = &self.failed {
            return Err(failed.clone());
        }
        self.segment.write().map_err(|error| error.to_string())?;
        if self.options.fsync == Fsync::Always
            && let Err(error) = self.segment.file().sync()
        {
            self.fail(&error.to_string());
            return Err(error.to_string());
        }
        Ok(())
    }

    /// Takes note of a checkpoint that was finished.
    fn note_checkpoint(&mut self) {
        let Some(running) = &self.writing else { return };
        match running.result.try_recv() {
            Err(TryRecvError::Empty) => {}
            Ok(result) => self.take_checkpoint(result),
            Err(TryRecvError::Disconnected) => self.take_checkpoint(Err(lost())),
        }
    }

    fn take_checkpoint(&mut self, result: io::Result<u64>) {
        let Some(running) = self.writing.take() else { return };
        match result {
            Ok(size) => {
                self.bytes -= running.bytes;
                self.base = running.position;
                self.checkpoint_at = self.options.checkpoint_after.max(size);
            }
            Err(error) => {
                tracing::warn!(%error, "a checkpoint can't be written; another is tried when more was appended");
                self.put_off_checkpoint();
            }
        }
    }

    fn put_off_checkpoint(&mut self) {
        self.checkpoint_at = self.bytes + (self.options.checkpoint_after / 8).max(1);
    }
}

impl Log for DiskLog {
    fn epoch(&self) -> Epoch {
        self.life.epoch
    }

    fn partition_of(&self, _path: &Path) -> Partition {
        Partition(0)
    }

    fn append(&mut self, record: Record) -> Result<(), LogError> {
        let position = self.head.0 + self.appended.len() as u64 + 1;
        let durable = self.durable;
        if !self.segment.append(position, &record, durable) {
            return Err(LogError::Unavailable("it does not know this kind of change".into()));
        }
        self.appended.push(record);
        Ok(())
    }

    fn commit(&mut self) -> Result<(), LogError> {
        if self.appended.is_empty() {
            return Ok(());
        }
        if let Err(problem) = self.write() {
            self.appended.clear();
            self.segment.discard();
            return Err(LogError::Unavailable(problem));
        }
        self.bytes += self.segment.accept();
        self.head.0 += self.appended.len() as u64;
        self.unread.extend(self.appended.drain(..));
        match &self.syncer {
            Some(syncer) => syncer.note(self.segment.file(), self.head),
            None if self.options.fsync == Fsync::Always => self.durable = self.head,
            None => {}
        }
        self.note_checkpoint();
        Ok(())
    }

    fn read(
        &mut self,
        _partition: Partition,
        after: Version,
        limit: usize,
        apply: &mut dyn FnMut(Version, &Record),
    ) -> Result<Version, LogError> {
        if let Some(replay) = &mut self.replay {
            let last = replay.read(after, limit, apply)?;
            if last > after {
                return Ok(last);
            }
            self.replay = None;
        }
        let mut first = self.head.0 + 1 - self.unread.len() as u64;
        if after.0 + 1 < first {
            return Err(LogError::Trimmed { first: Version(first) });
        }
        while first <= after.0 && self.unread.pop_front().is_some() {
            first += 1;
        }
        let mut last = after;
        for (position, record) in (first..).zip(self.unread.iter().take(limit)) {
            last = Version(position);
            apply(last, record);
        }
        Ok(last)
    }

    fn restore(&mut self, take: &mut dyn FnMut(&[u8]) -> bool) -> Result<Version, LogError> {
        let Some(checkpoint) = self.checkpoint.take() else { return Ok(Version::NONE) };
        let name = files::FileName::Checkpoint(checkpoint.position).to_string();
        match checkpoint.read(take) {
            Ok(true) => Ok(checkpoint.position),
            Ok(false) => Err(LogError::damaged(&name, "what it says makes no sense to this version".into())),
            Err(error) => Err(LogError::storage("read", &name, error)),
        }
    }

    fn wants_checkpoint(&self) -> bool {
        let busy = self.begun.is_some() || self.writing.is_some();
        self.bytes > self.checkpoint_at && !busy && self.failed.is_none()
    }

    fn begin_checkpoint(&mut self, applied: Version) -> bool {
        let busy = self.begun.is_some() || self.writing.is_some() || !self.appended.is_empty();
        if busy || applied != self.head || applied == self.base || self.failed.is_some() {
            return false;
        }
        let durable = self.options.fsync == Fsync::Always;
        match Segment::begin(&*self.storage, self.life.identity, Version(self.head.0 + 1), durable) {
            Ok(segment) => self.segment = segment,
            Err(error) => {
                tracing::warn!(%error, "a checkpoint can't be begun; another is tried when more was appended");
                self.put_off_checkpoint();
                return false;
            }
        }
        self.begun = Some(Begun { position: applied, bytes: self.bytes });
        true
    }

    fn write_checkpoint(&mut self, rows: Rows) {
        let Some(Begun { position, bytes }) = self.begun.take() else { return };
        let abandoned = Arc::new(AtomicBool::new(false));
        let writing = Writing {
            storage: Arc::clone(&self.storage),
            identity: self.life.identity,
            position,
            abandoned: Arc::clone(&abandoned),
        };
        let (sender, result) = mpsc::sync_channel(1);
        let run = move || {
            let _closed = sender.send(writing.run(rows));
        };
        let mut thread = None;
        if self.options.background {
            // Without a thread the sender is dropped, which is noticed.
            thread = thread::Builder::new().name("log-checkpoint".into()).spawn(run).ok();
        } else {
            run();
        }
        self.writing = Some(Running { result, position, bytes, abandoned, thread });
    }

    fn await_checkpoint(&mut self) {
        if let Some(running) = &self.writing {
            let result = running.result.recv().unwrap_or_else(|_closed| Err(lost()));
            self.take_checkpoint(result);
        }
    }
}

fn lost() -> io::Error {
    io::Error::other("the thread that was to write it is gone")
}

impl Drop for DiskLog {
    fn drop(&mut self) {
        if let Some(mut running) = self.writing.take() {
            running.abandoned.store(true, Ordering::Relaxed);
            if let Some(thread) = running.thread.take()
                && thread.join().is_err()
            {
                tracing::error!("the thread that writes a checkpoint panicked");
            }
        }
        drop(self.syncer.take());
        if self.failed.is_some() {
            return;
        }
        let closed = self.segment.file().sync().map_err(|error| LogError::storage("sync", "the segment", error));
        self.life.closed_at = Some(self.head);
        if let Err(error) = closed.and_then(|()| self.life.store(&*self.storage)) {
            tracing::warn!(%error, "the log can't be closed in order");
        }
        mem::take(&mut self.unread);
    }
}
