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
}

impl Listener {
    pub(super) fn new(
        socket: StdListener,
        poll: Poll,
        shared: Arc<Shared>,
        config: Arc<GatewayConfig>,
    ) -> io::Result<Self> {
        // The queue of the standard library holds 128 connections: too few for many that come back at once.
        rustix::net::listen(&socket, 4096)?;
        let mut socket = TcpListener::from_std(socket);
        poll.registry().register(&mut socket, ACCEPT, Interest::READABLE)?;
        Ok(Self { socket, poll, shared, config })
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

    /// Accepts all that wait. Returns how long to pause if the system can't take any now.
    fn accept(&self) -> Option<Duration> {
        while !self.shared.is_stopping() {
            match self.socket.accept() {
                Ok((socket, address)) => {
                    let full = self.shared.connections.load(Ordering::Relaxed) >= self.config.max_connections;
                    if full && self.shared.refused.load(Ordering::Relaxed) >= MAX_REFUSED {
                        continue;
                    }
                    tune(&socket);
                    self.shared.hand_over(socket, address, full);
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => return None,
                Err(error) if error.kind() == ErrorKind::ConnectionAborted => {}
                Err(error) => {
                    tracing::warn!(%error, "no connection can be accepted now: raise the limit of open files");
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
