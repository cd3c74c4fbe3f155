//! What the work is given to: Outpour, the floor, and peers.

use std::{
    fs,
    net::{SocketAddr, ToSocketAddrs as _},
};

use super::{
    BenchError,
    floor_protocol::FloorProtocol,
    outpour::Outpour,
    peers::Peer,
    process::{self, Scratch, Server},
    protocol::Protocol,
};

/// Connections that a gateway takes by default, or fewer.
const DEFAULT_CONNECTIONS: usize = 10_000;
/// The publisher's, and whoever looks on.
const SPARE_CONNECTIONS: usize = 16;

/// A server to be measured.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Target {
    /// A gateway at `url`, or one of our own.
    Outpour {
        url: Option<String>,
        events: bool,
    },
    Floor {
        coalesce: bool,
    },
    Peer(Peer),
}

/// A target that accepts connections.
#[derive(Debug)]
pub(super) struct Running {
    pub(super) address: SocketAddr,
    pub(super) protocol: Box<dyn Protocol>,
    /// The process to measure, if it is on this machine and ours to see.
    pub(super) pid: Option<u32>,
    /// Whether it goes on when this is dropped.
    pub(super) outlives: bool,
    /// Ends with this.
    _server: Option<Server>,
}

impl Target {
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Outpour { .. } => "outpour",
            Self::Floor { coalesce: false } => "floor",
            Self::Floor { coalesce: true } => "floor (coalescing)",
            Self::Peer(peer) => peer.name(),
        }
    }

    /// Starts it on `core`, ready for so many subscribers.
    pub(super) fn start(&self, subscribers: usize, core: Option<usize>) -> Result<Running, BenchError> {
        match self {
            Self::Outpour { url: Some(url), events } => {
                let address = address_of(url)?;
                Ok(Running {
                    address,
                    protocol: Box::new(Outpour::new(address.to_string(), *events)),
                    pid: address.ip().is_loopback().then(|| process::listening_on(address.port())).flatten(),
                    outlives: true,
                    _server: None,
                })
            }
            Self::Outpour { url: None, events } => {
                let (server, address) = start_gateway(subscribers, core)?;
                Ok(Running::of(server, address, Box::new(Outpour::new(address.to_string(), *events))))
            }
            Self::Floor { coalesce } => {
                let mut arguments = vec!["bench".to_owned(), "floor".to_owned()];
                if *coalesce {
                    arguments.push("--coalesce".to_owned());
                }
                let (server, address) = start_own("floor", &arguments, Scratch::new("floor")?, core)?;
                Ok(Running::of(server, address, Box::new(FloorProtocol { host: address.to_string() })))
            }
            Self::Peer(peer) => {
                let (server, address) = peer.start(core)?;
                Ok(Running::of(server, address, peer.protocol()))
            }
        }
    }
}

impl Running {
    fn of(server: Server, address: SocketAddr, protocol: Box<dyn Protocol>) -> Self {
        Self { address, protocol, pid: Some(server.pid()), outlives: false, _server: Some(server) }
    }
}

/// Starts a gateway as it comes, but with its limit of connections raised if it would be in the way.
fn start_gateway(subscribers: usize, core: Option<usize>) -> Result<(Server, SocketAddr), BenchError> {
    let scratch = Scratch::new("outpour")?;
    let mut arguments = ["serve", "--listen", "127.0.0.1:0"].map(str::to_owned).to_vec();
    if subscribers + SPARE_CONNECTIONS > DEFAULT_CONNECTIONS {
        let file = scratch.path().join("outpour.toml");
        fs::write(&file, format!("[limits]\nmax_connections = {}\n", subscribers + SPARE_CONNECTIONS))
            .map_err(|error| BenchError::Io { doing: format!("write {}", file.display()), error })?;
        arguments.extend(["--config".to_owned(), file.display().to_string()]);
    }
    start_own("outpour", &arguments, scratch, core)
}

/// Starts this program with other arguments and waits for the address that it announces.
fn start_own(
    name: &str,
    arguments: &[String],
    scratch: Scratch,
    core: Option<usize>,
) -> Result<(Server, SocketAddr), BenchError> {
    let program =
        std::env::current_exe().map_err(|error| BenchError::Io { doing: "find the outpour program".into(), error })?;
    let mut server = Server::start(name, &program, arguments, scratch, core)?;
    let url = server.announced_url()?;
    Ok((server, address_of(&url)?))
}

/// The address behind `ws://HOST:PORT`.
pub(super) fn address_of(url: &str) -> Result<SocketAddr, BenchError> {
    let bad = || BenchError::Url { url: url.to_owned() };
    let authority = url.strip_prefix("ws://").ok_or_else(bad)?.split('/').next().unwrap_or_default();
    let authority = if authority.contains(':') { authority.to_owned() } else { format!("{authority}:80") };
    authority.to_socket_addrs().ok().and_then(|mut addresses| addresses.next()).ok_or_else(bad)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_gives_an_address_or_a_reason() {
        assert_eq!(address_of("ws://127.0.0.1:7400").unwrap(), SocketAddr::from(([127, 0, 0, 1], 7400)));
        assert_eq!(address_of("ws://127.0.0.1:7400/x/y").unwrap(), SocketAddr::from(([127, 0, 0, 1], 7400)));
        for url in ["wss://127.0.0.1:7400", "127.0.0.1:7400", "ws://", "ws://127.0.0.1:70000"] {
            assert!(address_of(url).unwrap_err().to_string().contains("ws://HOST:PORT"));
        }
    }
}
