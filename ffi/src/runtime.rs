//! The threads that drive sessions: one set in a process, whoever calls.

use std::time::Duration;

use outpour::ErrorCode;
use tokio::runtime::{Builder, Runtime};

use crate::error::{Result, refuse};
use crate::ownership::PerProcess;

/// Sessions wait for sockets most of the time.
const THREADS: usize = 2;

/// It is never dropped: what drops last may be on one of its threads.
static RUNTIME: PerProcess<&'static Runtime> = PerProcess::new();

/// The runtime of this process. A child of `fork` gets one of its own, as it has none of its parent's threads.
pub(crate) fn runtime() -> Result<&'static Runtime> {
    RUNTIME.get(|| {
        let built = Builder::new_multi_thread().worker_threads(THREADS).thread_name("outpour").enable_all().build();
        let runtime: &'static Runtime = Box::leak(Box::new(built.map_err(|_| refuse(ErrorCode::Internal))?));
        Ok(runtime)
    })
}

/// Blocks the calling thread, which is none of the runtime's, until `ready` is or `milliseconds` have passed. `true` if it is.
pub(crate) fn wait(milliseconds: u64, ready: impl Future<Output = ()>) -> bool {
    let Ok(runtime) = runtime() else { return true };
    let limit = Duration::from_millis(milliseconds);
    runtime.block_on(async { tokio::time::timeout(limit, ready).await.is_ok() })
}
