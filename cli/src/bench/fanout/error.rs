//! What can go wrong with a benchmark, in one sentence each.

use std::{io, net::SocketAddr};

/// Why a benchmark could not be run.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BenchError {
    /// A peer's program is not there.
    #[error("{program} is not installed: run `apt-get install {program}`")]
    NotInstalled {
        /// Also the name of its Debian package.
        program: &'static str,
    },
    /// A server could not be started.
    #[error("can't start {program}: {error}")]
    Start {
        /// Its file.
        program: String,
        /// What the system says.
        error: io::Error,
    },
    /// A server was started and does not work.
    #[error("{name} {what}: {}", .log.as_deref().unwrap_or("it wrote nothing to its standard error"))]
    Server {
        /// Whose fault it is.
        name: String,
        /// What it does instead.
        what: &'static str,
        /// Its last words.
        log: Option<String>,
    },
    /// The URL is not usable.
    #[error("{url:?} is not the address of a gateway: give it as ws://HOST:PORT (TLS is not measured)")]
    Url {
        /// As given.
        url: String,
    },
    /// No connection.
    #[error("can't connect to {address}: {error}")]
    Connect {
        /// The server's.
        address: SocketAddr,
        /// What the system says.
        error: io::Error,
    },
    /// The server does not go on with the greeting.
    #[error("the server opened {ready} of {wanted} connections and then no more: look at its limits")]
    Opening {
        /// Connections that are open.
        ready: usize,
        /// Connections that were asked for.
        wanted: usize,
    },
    /// The server answered a greeting with something else.
    #[error("the server does not do what was asked: {what}")]
    Refused {
        /// What came instead.
        what: String,
    },
    /// The publisher's connection broke.
    #[error("the server ended the publisher's connection: {error}")]
    Publisher {
        /// What the system says.
        error: io::Error,
    },
    /// The publisher can't get rid of its updates.
    #[error("the server takes updates slower than they are published: lower --rate")]
    Overload,
    /// More connections than descriptors.
    #[error(
        "{subscribers} subscribers need more open files than the {limit} this process may have: raise `ulimit -n` or lower --subscribers"
    )]
    Descriptors {
        /// As asked.
        subscribers: usize,
        /// The hard limit.
        limit: u64,
    },
    /// Anything else that the system refuses.
    #[error("can't {doing}: {error}")]
    Io {
        /// What was to be done.
        doing: String,
        /// What the system says.
        error: io::Error,
    },
}
