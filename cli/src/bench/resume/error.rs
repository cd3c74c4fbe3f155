//! What can go wrong with the benchmark, in one sentence each.

use std::io;

use crate::bench::fanout::BenchError;

/// Why resumption could not be measured.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ResumeError {
    /// A gateway could not be started.
    #[error(transparent)]
    Gateway(#[from] BenchError),
    /// A socket could not be opened, or the figures not be printed.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// A session failed.
    #[error("a session of the benchmark failed: {0}")]
    Session(#[from] outpour::Error),
    /// A subscription ended by itself.
    #[error("the gateway ended the subscription")]
    Ended,
    /// Nothing came for a long time.
    #[error("the benchmark stalled: {0} took longer than {timeout} s", timeout = super::scenario::TIMEOUT.as_secs())]
    Stalled(&'static str),
}
