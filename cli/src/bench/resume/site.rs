//! Gateways of one log, in this process, on ports of their own.

use std::{
    io,
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
};

use outpour_core::{Epoch, Partition, Path, Version};
use outpour_server::{
    gateway::{Gateway, GatewayConfig},
    log::{Log, LogError, MemoryLog, Record},
};

/// A log and the gateways that read it.
#[derive(Debug)]
pub(super) struct Site {
    log: SharedLog,
    gateways: Vec<Gateway>,
}

impl Site {
    /// An empty log that keeps `records`.
    pub(super) fn new(records: usize) -> io::Result<Self> {
        let epoch = MemoryLog::fresh()?.epoch();
        Ok(Self { log: SharedLog(Arc::new(Mutex::new(MemoryLog::new(epoch, records)))), gateways: Vec::new() })
    }

    /// Starts another gateway, which reads everything that the log holds.
    pub(super) fn start_gateway(&mut self) -> io::Result<SocketAddr> {
        let config = GatewayConfig { listen: SocketAddr::from(([127, 0, 0, 1], 0)), ..GatewayConfig::default() };
        let gateway = Gateway::start(config, Box::new(self.log.clone()))?;
        let address = gateway.address();
        self.gateways.push(gateway);
        Ok(address)
    }
}

/// One log for several gateways.
#[derive(Clone, Debug)]
struct SharedLog(Arc<Mutex<MemoryLog>>);

impl SharedLog {
    fn with<T>(&self, act: impl FnOnce(&mut MemoryLog) -> T) -> T {
        act(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Log for SharedLog {
    fn epoch(&self) -> Epoch {
        self.with(|log| log.epoch())
    }

    fn partition_of(&self, path: &Path) -> Partition {
        self.with(|log| log.partition_of(path))
    }

    fn append(&mut self, record: Record) -> Result<(), LogError> {
        self.with(|log| log.append(record))
    }

    fn commit(&mut self) -> Result<(), LogError> {
        self.with(Log::commit)
    }

    fn read(
        &mut self,
        partition: Partition,
        after: Version,
        limit: usize,
        apply: &mut dyn FnMut(Version, &Record),
    ) -> Result<Version, LogError> {
        self.with(|log| log.read(partition, after, limit, apply))
    }
}
