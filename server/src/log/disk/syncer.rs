//! The thread that syncs what was written, a while after it was.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;
use std::{io, thread};

use outpour_core::Version;

use super::super::storage::{Storage, StorageFile};

/// Syncs in the background. Dropping it ends the thread, without a last sync.
#[derive(Debug)]
pub(super) struct Syncer {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug, Default)]
struct Shared {
    work: Mutex<Work>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct Work {
    /// Files with something that may not be durable.
    files: Vec<Arc<dyn StorageFile>>,
    /// The last record written.
    written: Version,
    /// The last record known to be durable, with all before it.
    durable: Version,
    failed: Option<String>,
    ended: bool,
}

impl Syncer {
    pub(super) fn start(storage: Arc<dyn Storage>, interval: Duration) -> io::Result<Self> {
        let shared = Arc::new(Shared::default());
        let with = Arc::clone(&shared);
        let thread = thread::Builder::new().name("log-sync".into());
        let thread = thread.spawn(move || run(&with, &*storage, interval))?;
        Ok(Self { shared, thread: Some(thread) })
    }

    /// Records up to this one were written to a file.
    pub(super) fn note(&self, file: &Arc<dyn StorageFile>, written: Version) {
        let mut work = self.shared.lock();
        work.written = written;
        if !work.files.iter().any(|known| Arc::ptr_eq(known, file)) {
            work.files.push(Arc::clone(file));
            self.shared.changed.notify_one();
        }
    }

    /// The last record known to be durable.
    ///
    /// # Errors
    /// Why that is not known any more.
    pub(super) fn durable(&self) -> Result<Version, String> {
        let work = self.shared.lock();
        work.failed.clone().map_or(Ok(work.durable), Err)
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Work> {
        self.work.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Syncer {
    fn drop(&mut self) {
        self.shared.lock().ended = true;
        self.shared.changed.notify_one();
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the thread that syncs the log panicked");
        }
    }
}

fn run(shared: &Shared, storage: &dyn Storage, interval: Duration) {
    let mut work = shared.lock();
    loop {
        while work.files.is_empty() && !work.ended {
            work = shared.changed.wait(work).unwrap_or_else(PoisonError::into_inner);
        }
        let rest = shared.changed.wait_timeout_while(work, interval, |work| !work.ended);
        work = rest.unwrap_or_else(PoisonError::into_inner).0;
        if work.ended || work.failed.is_some() {
            return;
        }
        let (files, written) = (std::mem::take(&mut work.files), work.written);
        drop(work);
        let synced = files.iter().try_for_each(|file| file.sync()).and_then(|()| storage.sync());
        work = shared.lock();
        match synced {
            Ok(()) => work.durable = written,
            Err(error) => {
                tracing::error!(%error, "the log can't be synced");
                work.failed = Some(error.to_string());
            }
        }
    }
}
