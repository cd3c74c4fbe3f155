//! A file with what a session holds, for a warm start.

use std::fs::{self, File, TryLockError};
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use outpour_core::session::Session as Core;
use outpour_core::{ErrorCode, Timestamp};
use tokio::sync::watch;

use crate::Error;
use crate::connection::ConnectionState;
use crate::state::Shared;

/// How long changes wait before they are written, at the least.
const PAUSE: Duration = Duration::from_secs(1);
/// Writing may take this part of the time: a large store is written less often.
const WORK_SHARE: u32 = 20;

/// The file, and the lock that keeps others from it as long as this exists.
#[derive(Debug)]
pub(crate) struct Store {
    path: PathBuf,
    max_bytes: usize,
    _lock: File,
}

impl Store {
    /// Opens the store at `path` for this session alone.
    pub(crate) fn open(path: &Path, max_bytes: usize) -> Result<Self, Error> {
        let failed = |error: io::Error| {
            let detail = format!("the store {} can't be used: {error}", path.display());
            Error::with_detail(ErrorCode::BadOptions, detail)
        };
        let lock = File::options().create(true).append(true).open(beside(path, "lock")).map_err(failed)?;
        match lock.try_lock() {
            Ok(()) => Ok(Self { path: path.to_owned(), max_bytes, _lock: lock }),
            Err(TryLockError::WouldBlock) => {
                let detail = format!("the store {} is in use by another session", path.display());
                Err(Error::with_detail(ErrorCode::BadOptions, detail))
            }
            Err(TryLockError::Error(error)) => Err(failed(error)),
        }
    }

    /// Gives a session what the store holds. A store that can't be trusted is set aside.
    pub(crate) fn load(&self, core: &mut Core, now: Timestamp) {
        let problem = match self.read() {
            Ok(None) => return,
            Ok(Some(bytes)) => match core.import(&bytes, now) {
                Ok(()) => return,
                Err(error) => error.to_string(),
            },
            Err(error) => error.to_string(),
        };
        let aside = beside(&self.path, "damaged");
        tracing::warn!(path = %self.path.display(), aside = %aside.display(), problem, "the store is set aside");
        if let Err(error) = fs::rename(&self.path, &aside) {
            tracing::warn!(path = %self.path.display(), %error, "the store could not be set aside");
        }
    }

    fn read(&self) -> io::Result<Option<Vec<u8>>> {
        let file = match File::open(&self.path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            file => file?,
        };
        let mut bytes = Vec::new();
        // One byte more shows that it is too long, whatever is written to it meanwhile.
        file.take(self.max_bytes as u64 + 1).read_to_end(&mut bytes)?;
        if bytes.len() > self.max_bytes {
            return Err(io::Error::other(format!("it is longer than {} bytes", self.max_bytes)));
        }
        Ok(Some(bytes))
    }

    /// Puts the file in the place of the one before, as a whole or not at all.
    fn write(&self, bytes: &[u8]) -> io::Result<()> {
        let new = beside(&self.path, "new");
        let mut file = File::create(&new)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&new, &self.path)
    }
}

/// The name of a file that belongs to the store.
fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".");
    name.push(suffix);
    PathBuf::from(name)
}

/// Keeps the store up to date until the session is over and written for the last time.
pub(crate) async fn keep(store: Store, shared: Arc<Shared>, written: watch::Sender<bool>) {
    let store = Arc::new(store);
    let mut states = shared.connection.subscribe();
    let mut last = None;
    loop {
        let is_over = states.borrow_and_update().is_closed();
        let (seen, bytes) = {
            let state = shared.lock();
            let counted = state.core.statistics();
            let seen = (counted.updates, counted.connections);
            // At the end the marks may have moved on even if nothing was told.
            let is_new = is_over || last != Some(seen);
            (seen, is_new.then(|| state.core.export(store.max_bytes)))
        };
        let mut pause = PAUSE;
        if let Some(bytes) = bytes.filter(|bytes| !bytes.is_empty()) {
            last = Some(seen);
            let writing = Arc::clone(&store);
            let start = tokio::time::Instant::now();
            match tokio::task::spawn_blocking(move || writing.write(&bytes)).await {
                Ok(Ok(())) => {}
                Ok(Err(error)) => tracing::warn!(path = %store.path.display(), %error, "the store can't be written"),
                Err(error) => tracing::warn!(%error, "the store was not written"),
            }
            pause = pause.max(start.elapsed() * WORK_SHARE);
        }
        if is_over {
            // Whoever was waiting may open it again.
            drop(store);
            let _nobody_waits = written.send(true);
            return;
        }
        let over = states.wait_for(ConnectionState::is_closed);
        let _elapsed = tokio::time::timeout(pause, over).await;
    }
}
