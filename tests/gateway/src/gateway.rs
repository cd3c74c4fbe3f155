//! Gateways to test, and somebody who minds their own business on them.

use std::net::SocketAddr;
use std::ops::Deref;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use outpour_core::Epoch;
use outpour_core::peer::PeerConfig;
use outpour_server::gateway::{Drained, Gateway, GatewayConfig, Statistics};
use outpour_server::log::MemoryLog;

use crate::client::{Client, PATIENCE, Setup};
use crate::told::Told;

/// A gateway on a free port, with two workers.
#[derive(Debug)]
pub struct TestGateway(Gateway);

/// A gateway with defaults.
#[must_use]
pub fn gateway() -> TestGateway {
    gateway_with(|_, _| {})
}

/// A gateway with other settings.
#[must_use]
pub fn gateway_with(configure: impl FnOnce(&mut GatewayConfig, &mut PeerConfig)) -> TestGateway {
    let mut config =
        GatewayConfig { listen: SocketAddr::from(([127, 0, 0, 1], 0)), workers: 2, ..GatewayConfig::default() };
    // Pings would count as messages of their own in tests on a slow machine.
    let mut peer = PeerConfig { heartbeat: Duration::from_secs(600), ..PeerConfig::default() };
    configure(&mut config, &mut peer);
    config.broker.max_value = peer.max_value;
    config.shard.peer = Arc::new(peer);
    TestGateway(Gateway::start(config, Box::new(MemoryLog::new(Epoch([7; 16]), 1024))).expect("the gateway starts"))
}

impl Deref for TestGateway {
    type Target = Gateway;

    fn deref(&self) -> &Gateway {
        &self.0
    }
}

impl TestGateway {
    /// A client that has been welcomed, as a publisher of this name.
    #[must_use]
    pub fn client(&self, name: &str) -> Client {
        Client::connect(self.address(), &Setup::publisher(name)).0
    }

    /// Somebody who must not notice what others do.
    #[must_use]
    pub fn bystander(&self) -> Bystander {
        static BYSTANDERS: AtomicU64 = AtomicU64::new(0);
        let name = format!("bystander-{}", BYSTANDERS.fetch_add(1, Ordering::Relaxed));
        let path = format!("{name}/topic");
        let mut client = self.client(&name);
        client.follow(1, &path);
        Bystander { client, path, count: 0 }
    }

    /// Waits until the statistics are so.
    pub fn wait_for(&self, reached: impl Fn(&Statistics) -> bool) -> Statistics {
        let start = Instant::now();
        loop {
            let statistics = self.statistics();
            if reached(&statistics) {
                return statistics;
            }
            assert!(start.elapsed() < PATIENCE, "never came to it: {statistics:?}");
            std::thread::yield_now();
        }
    }

    /// Moves all sessions elsewhere and ends the gateway.
    pub fn drain(self, within: Duration) -> Drained {
        self.0.drain(within)
    }

    /// Shuts the gateway down in order.
    pub fn shutdown(self) {
        self.0.shutdown();
    }
}

/// A session that publishes to itself.
#[derive(Debug)]
pub struct Bystander {
    client: Client,
    path: String,
    count: u64,
}

impl Bystander {
    /// Publishes a value and sees it come, exactly once and nothing else.
    pub fn assert_untouched(&mut self) {
        self.count += 1;
        let value = format!("the value number {} of a bystander", self.count);
        self.client.say(&[crate::set(self.count, &self.path, &value)]);
        let mut acknowledged = false;
        let mut told_value = false;
        while !(acknowledged && told_value) {
            match self.client.hear() {
                Told::Ack(ack) => {
                    assert_eq!((ack.number.0, ack.code), (self.count, 0));
                    acknowledged = true;
                }
                Told::Value { value: told, .. } => {
                    assert_eq!(told, value);
                    told_value = true;
                }
                Told::Announced { .. } if self.count == 1 => {}
                other => panic!("a bystander was told {other:?}"),
            }
        }
    }
}
