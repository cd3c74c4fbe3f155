//! The gateways of one log: processes that take turns, as a directory has one writer.

use std::{
    net::SocketAddr,
    sync::atomic::{AtomicU32, Ordering},
};

use super::ResumeError;
use crate::bench::{
    fanout::BenchError,
    process::{Scratch, Server},
};

/// A log on disk, and the gateway that has it.
#[derive(Debug)]
pub(super) struct Site {
    data: Scratch,
    gateway: Option<Server>,
}

impl Site {
    /// An empty log.
    pub(super) fn new() -> Result<Self, ResumeError> {
        Ok(Self { data: scratch("data")?, gateway: None })
    }

    /// Starts a gateway on a free port, having killed the one that was there.
    pub(super) fn start_gateway(&mut self) -> Result<SocketAddr, ResumeError> {
        // The lock goes with the process.
        self.gateway = None;
        let program = std::env::current_exe()?;
        let data = self.data.path().display().to_string();
        let arguments = ["serve", "--listen", "127.0.0.1:0", "--log", "warn", "--data", &data].map(str::to_owned);
        let mut gateway = Server::start("the gateway", &program, &arguments, scratch("gateway")?, None)?;
        let url = gateway.announced_url()?;
        self.gateway = Some(gateway);
        let address = url.strip_prefix("ws://").and_then(|address| address.parse().ok());
        Ok(address.ok_or(BenchError::Url { url })?)
    }
}

/// A folder that no other of this process has.
fn scratch(name: &str) -> Result<Scratch, BenchError> {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    Scratch::new(&format!("resume-{name}-{}", COUNT.fetch_add(1, Ordering::Relaxed)))
}
