//! Accepting connections.

use std::io::{self, ErrorKind};
use std::net::TcpListener as StdListener;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use mio::net::{TcpListener, TcpStream};
use mio::{Events, Interest, Poll, Token};
use socket2::SockRef;

use super::GatewayConfig;
use super::admission::Admission;
use super::shared::Shared;

const ACCEPT: Token = Token(0);
/// How long to leave the queue alone when the system has no descriptors or memory for a connection.
const PAUSE: Duration = Duration::from_millis(100);
/// How many connections beyond the limit are told so at a time; more are dropped without a word.
const MAX_REFUSED: usize = 256;
/// Bytes that may wait unsent in the kernel before a socket counts as full. Small, so that what a
/// slow client is owed waits where it can still be merged.
const UNSENT_LIMIT: u32 = 16 << 10;
/// How long sent bytes may stay unacknowledged before the kernel gives a connection up.
const UNACKNOWLEDGED_LIMIT: Duration = Duration::from_secs(60);

pub(super) struct Listener {
    socket: TcpListener,
    poll: Poll,
    shared: Arc<Shared>,
    config: Arc<GatewayConfig>,
    admission: Admission,
    /// Whether the system lacks descriptors or memory for one more.
    is_starved: bool,
}

impl Listener {
    pub(super) fn new(
        socket: StdListener,
        poll: Poll,
        shared: Arc<Shared>,
        config: Arc<GatewayConfig>,
    ) -> io::Result<Self> {
        // Those who are not let in yet wait in this queue, where they cost nothing. The standard library's holds 128;
        // the system bounds it (on Linux `net.core.somaxconn`).
        rustix::net::listen(&socket, i32::MAX)?;
        let mut socket = TcpListener::from_std(socket);
        poll.registry().register(&mut socket, ACCEPT, Interest::READABLE)?;
        let admission = Admission::new(config.admissions_per_second, shared.now());
        Ok(Self { socket, poll, shared, config, admission, is_starved: false })
    }

    pub(super) fn run(mut self) {
        let mut events = Events::with_capacity(16);
        let mut pause = None;
        while !self.shared.is_stopping() {
            if let Err(error) = self.poll.poll(&mut events, pause)
                && error.kind() != ErrorKind::Interrupted
            {
                tracing::error!(%error, "the listener can't wait for connections");
                return;
            }
            pause = self.accept();
        }
    }

    /// Accepts all that wait and may come in. Returns how long to leave the others waiting.
    fn accept(&mut self) -> Option<Duration> {
        while !self.shared.is_stopping() {
            let now = self.shared.now();
            if let Some(wait) = self.admission.wait(now) {
                // The poll counts in whole milliseconds.
                return Some(wait.max(Duration::from_millis(1)));
            }
            match self.socket.accept() {
                Ok((socket, address)) => {
                    self.admission.spend(now);
                    if std::mem::take(&mut self.is_starved) {
                        tracing::info!("connections are accepted again");
                    }
                    let full = self.shared.drain().is_some()
                        || self.shared.connections.load(Ordering::Relaxed) >= self.config.max_connections;
                    if full && self.shared.refused.load(Ordering::Relaxed) >= MAX_REFUSED {
                        continue;
                    }
                    tune(&socket);
                    self.shared.hand_over(socket, address, full);
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => return None,
                Err(error) if error.kind() == ErrorKind::ConnectionAborted => {}
                Err(error) => {
                    if !std::mem::replace(&mut self.is_starved, true) {
                        tracing::warn!(%error, "no connection can be accepted now: raise the limit of open files");
                    }
                    return Some(PAUSE);
                }
            }
        }
        None
    }
}

fn tune(socket: &TcpStream) {
    let options = SockRef::from(socket);
    let tuned = options
        .set_tcp_nodelay(true)
        .and_then(|()| options.set_tcp_notsent_lowat(UNSENT_LIMIT))
        .and_then(|()| options.set_tcp_user_timeout(Some(UNACKNOWLEDGED_LIMIT)));
    if let Err(error) = tuned {
        tracing::debug!(%error, "a socket keeps the system's options");
    }
}
