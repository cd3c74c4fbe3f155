//! The demo's two gateways: either serves every topic, and a session can leave one and go on at the other.

use std::error::Error;
use std::net::{SocketAddr, TcpListener};

use outpour_server::gateway::{Gateway, GatewayConfig};
use outpour_server::log::{Log, MemoryLog};
use outpour_server::websocket::UpgradePolicy;

use super::shared_log;
use crate::console;

/// Starts two gateways over one log. Each shows the console, whose page may go on at the other.
///
/// A gateway reads on in the log when something is published at it: the [feeds](super::feeds) are published at both.
pub(super) fn start(listen: SocketAddr) -> Result<[Gateway; 2], Box<dyn Error>> {
    let first = bind(listen).map_err(|error| format!("can't listen on {listen}: {error}"))?;
    let address = first.local_addr()?;
    let beside = SocketAddr::new(address.ip(), address.port().checked_add(1).unwrap_or_default());
    let second = bind(beside).map_err(|error| format!("can't listen on {beside}: {error}"))?;
    let addresses = [address, second.local_addr()?];
    let mut readers = shared_log::readers(MemoryLog::fresh()?.epoch(), 2).into_iter();
    let mut start = |socket: TcpListener, other: SocketAddr| -> Result<Gateway, Box<dyn Error>> {
        let log = readers.next().ok_or("a reader for each")?;
        let config = GatewayConfig {
            upgrade: UpgradePolicy { allowed_origins: origins(other), ..UpgradePolicy::default() },
            site: console::site(&[format!("ws://{other}")]),
            ..GatewayConfig::default()
        };
        Ok(Gateway::start_on(socket, config, Box::new(log))?)
    };
    Ok([start(first, addresses[1])?, start(second, addresses[0])?])
}

/// Another port is taken if this one is in use.
fn bind(address: SocketAddr) -> std::io::Result<TcpListener> {
    TcpListener::bind(address).or_else(|error| match error.kind() {
        std::io::ErrorKind::AddrInUse => TcpListener::bind(SocketAddr::new(address.ip(), 0)),
        _ => Err(error),
    })
}

/// What a browser may call a page that comes from there.
fn origins(gateway: SocketAddr) -> Vec<String> {
    vec![format!("http://{gateway}"), format!("http://localhost:{}", gateway.port())]
}
