//! The gateway's IO: a listener, and worker threads that each own a [`Shard`](crate::fanout::Shard).

mod admission;
mod connection;
mod drain;
mod listener;
mod shared;
mod worker;

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread::JoinHandle;
use std::time::Duration;

use crate::broker::{Broker, BrokerConfig, BrokerStatistics, MAX_VERDICTS};
use crate::fanout::ShardConfig;
use crate::log::{Log, MemoryLog};
use crate::site::Site;
use crate::websocket::UpgradePolicy;
use drain::Drain;
pub use drain::Drained;
use listener::Listener;
use outpour_core::peer::{FRAME_ROOM, PeerConfig};
use shared::Shared;
use worker::Worker;

/// What a gateway is started with.
#[derive(Debug)]
pub struct GatewayConfig {
    /// Where to listen; port 0 takes a free one.
    pub listen: SocketAddr,
    /// How many worker threads share the sessions; at least one.
    pub workers: usize,
    /// The most connections at a time.
    pub max_connections: usize,
    /// How many connections are let in a second; the others wait, and are not refused. At least one.
    pub admissions_per_second: u32,
    /// What is demanded of a WebSocket handshake.
    pub upgrade: UpgradePolicy,
    /// Limits of the state.
    pub broker: BrokerConfig,
    /// Limits of a session.
    pub shard: ShardConfig,
    /// How long sessions have to take their leave when the gateway shuts down.
    pub shutdown_grace: Duration,
    /// When clients are told to come back after a shutdown, at the earliest. It is spread over twice the time.
    pub retry_after: Duration,
    /// What plain HTTP requests are answered with.
    pub site: Site,
    /// Where sessions are sent by a drain, in turns; without any, clients go to the next of their own endpoints.
    pub redirects: Vec<String>,
}

impl Default for GatewayConfig {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 7400)),
            workers: std::thread::available_parallelism().map_or(1, usize::from),
            max_connections: 15_000,
            admissions_per_second: 2_000,
            upgrade: UpgradePolicy::default(),
            broker: BrokerConfig::default(),
            shard: ShardConfig::default(),
            shutdown_grace: Duration::from_secs(5),
            retry_after: Duration::from_secs(1),
            site: Site::new(),
            redirects: Vec::new(),
        }
    }
}

impl GatewayConfig {
    /// Whether the limits leave room for what they allow.
    fn check(&self) -> io::Result<()> {
        let PeerConfig { max_message, max_value, max_in_flight, .. } = *self.shard.peer;
        let problem = if max_message < max_value.saturating_add(FRAME_ROOM) {
            format!("a message of {max_message} bytes has no room for a value of {max_value}")
        } else if max_value != self.broker.max_value {
            format!("sessions may publish values of {max_value} bytes, and the broker takes {}", self.broker.max_value)
        } else if max_in_flight > MAX_VERDICTS {
            format!("{max_in_flight} publishes may be in flight, and only {MAX_VERDICTS} verdicts are remembered")
        } else {
            return Ok(());
        };
        Err(io::Error::new(io::ErrorKind::InvalidInput, problem))
    }
}

/// What a gateway has counted since it started.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Statistics {
    /// The broker's counts.
    pub broker: BrokerStatistics,
    /// Topics at the moment.
    pub topics: usize,
    /// Connections at the moment.
    pub connections: usize,
    /// Messages handed to the operating system.
    pub messages: u64,
    /// Bytes handed to the operating system.
    pub bytes: u64,
    /// Bytes that were written or copied for one session alone, beside the frames it shares.
    pub own_bytes: u64,
}

/// A running gateway. Dropping it shuts it down at once; [`shutdown`](Self::shutdown) does so in order.
///
/// ```
/// use outpour_server::gateway::{Gateway, GatewayConfig};
/// use outpour_server::log::MemoryLog;
///
/// let config = GatewayConfig { listen: ([127, 0, 0, 1], 0).into(), ..GatewayConfig::default() };
/// let gateway = Gateway::start(config, Box::new(MemoryLog::fresh()?))?;
/// println!("listening on ws://{}", gateway.address());
/// gateway.shutdown();
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug)]
pub struct Gateway {
    address: SocketAddr,
    shutdown_grace: Duration,
    redirects: Vec<String>,
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
}

impl Gateway {
    /// Starts to listen. Connections are accepted when this returns.
    ///
    /// # Errors
    /// If the settings contradict each other, the address can't be listened on, or the log not be read.
    pub fn start(config: GatewayConfig, log: Box<dyn Log>) -> io::Result<Self> {
        config.check()?;
        let broker = Broker::new(config.broker.clone(), log).map_err(io::Error::other)?;
        let socket = TcpListener::bind(config.listen)?;
        Self::run(config, broker, socket)
    }

    /// Like [`start`](Self::start), on a socket that is bound already: so its address is known beforehand, to
    /// the other gateways of the log for one.
    ///
    /// # Errors
    /// If the settings contradict each other, or the socket or the log can't be used.
    pub fn start_on(socket: TcpListener, config: GatewayConfig, log: Box<dyn Log>) -> io::Result<Self> {
        config.check()?;
        let broker = Broker::new(config.broker.clone(), log).map_err(io::Error::other)?;
        Self::run(config, broker, socket)
    }

    fn run(config: GatewayConfig, broker: Broker, socket: TcpListener) -> io::Result<Self> {
        socket.set_nonblocking(true)?;
        let address = socket.local_addr()?;
        let (shutdown_grace, redirects) = (config.shutdown_grace, config.redirects.clone());
        let config = Arc::new(config);
        let (shared, polls) = Shared::new(broker, &config)?;
        let shared = Arc::new(shared);
        let mut threads = Vec::new();
        let (listener_poll, worker_polls) = polls;
        for (number, poll) in worker_polls.into_iter().enumerate() {
            let worker = Worker::new(number, poll, Arc::clone(&shared), Arc::clone(&config));
            let thread = std::thread::Builder::new().name(format!("worker-{number}"));
            threads.push(thread.spawn(move || worker.run())?);
        }
        let listener = Listener::new(socket, listener_poll, Arc::clone(&shared), config)?;
        threads.push(std::thread::Builder::new().name("listener".into()).spawn(move || listener.run())?);
        Ok(Self { address, shutdown_grace, redirects, shared, threads })
    }

    /// Starts a gateway with defaults, a log in memory and a free port of the loopback: for examples
    /// and tests.
    ///
    /// # Errors
    /// If there is no free port, or no randomness for the log's epoch.
    pub fn ephemeral() -> io::Result<Self> {
        let config = GatewayConfig { listen: SocketAddr::from(([127, 0, 0, 1], 0)), ..GatewayConfig::default() };
        Self::start(config, Box::new(MemoryLog::fresh()?))
    }

    /// The address that clients connect to.
    #[must_use]
    pub fn url(&self) -> String {
        format!("ws://{}", self.address)
    }

    /// Where the gateway listens.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// What has been counted.
    #[must_use]
    pub fn statistics(&self) -> Statistics {
        self.shared.statistics()
    }

    /// Accepts no more connections, tells every session to go elsewhere, and returns when all have
    /// gone or the grace time is over.
    pub fn shutdown(mut self) {
        let grace = self.shutdown_grace;
        self.stop(Some(grace));
    }

    /// Lets nobody in any more, asks sessions one after the other to go on elsewhere, and serves each until it has.
    /// Returns when all have gone or the time is over: then those that remain have been told goodbye, like at a
    /// [`shutdown`](Self::shutdown).
    pub fn drain(mut self, within: Duration) -> Drained {
        let connections = self.shared.connections.load(Ordering::Relaxed);
        let goodbyes = Drain::time_for_goodbyes(within);
        self.shared.begin_drain(within, &self.redirects);
        let cut = self.shared.wait_for_departures(within - goodbyes);
        self.stop(Some(goodbyes));
        Drained { connections, cut }
    }

    /// Ends the gateway: in order, if there is time for it.
    fn stop(&mut self, grace: Option<Duration>) {
        self.shared.stop(grace);
        for thread in self.threads.drain(..) {
            if thread.join().is_err() {
                tracing::error!("a thread of the gateway panicked");
            }
        }
        if grace.is_some() {
            self.shared.settle();
        }
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        self.stop(None);
    }
}
