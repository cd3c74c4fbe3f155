//! Gateways that are drained and replaced one after the other, while everybody goes on.
//!
//! Only one process can have a data directory, so the two gateways that read one log are in this
//! process here, with real sockets between them and their clients.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use outpour::{ConnectionState, Session, Value};
use outpour_core::{Epoch, Partition, Path, Version};
use outpour_faults::{Follower, eager, event_topic, free_port, soon};
use outpour_server::gateway::{Gateway, GatewayConfig};
use outpour_server::log::{Log, LogError, Record};
use tokio::sync::watch;

const FOLLOWERS: usize = 30;

/// One log that several gateways append to and read from its beginning.
#[derive(Clone, Default)]
struct SharedLog {
    records: Arc<Mutex<Vec<Record>>>,
    /// What this gateway has not committed.
    pending: Vec<Record>,
}

impl SharedLog {
    fn records(&self) -> MutexGuard<'_, Vec<Record>> {
        self.records.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Log for SharedLog {
    fn epoch(&self) -> Epoch {
        Epoch([7; 16])
    }

    fn partition_of(&self, _path: &Path) -> Partition {
        Partition(0)
    }

    fn append(&mut self, record: Record) -> Result<(), LogError> {
        self.pending.push(record);
        Ok(())
    }

    fn commit(&mut self) -> Result<(), LogError> {
        let pending = std::mem::take(&mut self.pending);
        self.records().extend(pending);
        Ok(())
    }

    fn read(
        &mut self,
        _partition: Partition,
        after: Version,
        limit: usize,
        apply: &mut dyn FnMut(Version, &Record),
    ) -> Result<Version, LogError> {
        let mut last = after;
        for (index, record) in self.records().iter().enumerate().skip(after.0 as usize).take(limit) {
            last = Version(index as u64 + 1);
            apply(last, record);
        }
        Ok(last)
    }
}

/// A gateway of the log. It reads on whenever something is published to it, so something always is.
struct Site {
    gateway: Gateway,
    pulse: tokio::task::JoinHandle<()>,
}

impl Site {
    async fn start(port: u16, log: &SharedLog) -> Self {
        let config = GatewayConfig { listen: ([127, 0, 0, 1], port).into(), ..GatewayConfig::default() };
        let gateway = Gateway::start(config, Box::new(log.clone())).unwrap();
        let session = eager(&gateway.url()).connect().await.unwrap();
        let pulse = tokio::spawn(async move {
            for n in 0_i64.. {
                if session.set(&format!("pulse/{port}"), n).await.is_err() {
                    return;
                }
                tokio::time::sleep(Duration::from_millis(3)).await;
            }
        });
        Self { gateway, pulse }
    }

    /// Has everybody move, and ends. Gives how many had to be cut off.
    async fn drain(self) -> usize {
        self.pulse.abort();
        let gateway = self.gateway;
        tokio::task::spawn_blocking(move || gateway.drain(Duration::from_secs(8)).cut).await.unwrap()
    }
}

/// Writes down whether a session was ever without a connection.
fn watch_connection(session: &Session) -> Arc<AtomicBool> {
    let lost = Arc::new(AtomicBool::new(false));
    let (mut states, seen) = (session.connection(), Arc::clone(&lost));
    tokio::spawn(async move {
        while let Some(state) = states.next().await {
            if matches!(state, ConnectionState::Disconnected { .. }) {
                seen.store(true, Ordering::Relaxed);
            }
        }
    });
    lost
}

/// Takes what a subscriber is told until the other end of the channel is dropped.
async fn follow(mut follower: Follower, mut end: watch::Receiver<()>) -> Follower {
    loop {
        tokio::select! {
            _ = end.changed() => return follower,
            () = follower.step() => {}
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rolling_restart_loses_nothing_and_nobody_sees_it() {
    let log = SharedLog::default();
    let ports = [free_port(), free_port()];
    let urls = ports.map(|port| format!("ws://127.0.0.1:{port}"));
    let mut sites = [Site::start(ports[0], &log).await, Site::start(ports[1], &log).await].map(Some);

    let at = |first: usize| eager(&urls[first % 2]).or_at(&urls[(first + 1) % 2]);
    let publishers = [at(0).connect().await.unwrap(), at(1).connect().await.unwrap()];
    let mut followers = Vec::new();
    for n in 0..FOLLOWERS {
        followers.push(Follower::over(&format!("subscriber {n}"), at(n).connect().await.unwrap(), "r/**"));
    }
    for (index, publisher) in publishers.iter().enumerate() {
        publisher.create(&format!("r/{index}/events"), event_topic(100_000)).await.unwrap();
        publisher.set(&format!("r/{index}/v"), Value::json("0")).await.unwrap();
    }
    for follower in &mut followers {
        follower.until(|witness| (0..2).all(|index| witness.value(&format!("r/{index}/v")) == Some("0"))).await;
    }
    let sessions = publishers.iter().chain(followers.iter().map(|follower| &follower.session));
    let lost: Vec<_> = sessions.map(watch_connection).collect();
    // They read as they go: what waits for an application is bounded, and these are many thousands of events.
    let (over, end) = watch::channel(());
    let following: Vec<_> = followers.into_iter().map(|follower| tokio::spawn(follow(follower, end.clone()))).collect();

    // They publish on and on, also in the very moment of moving.
    let stop = Arc::new(AtomicBool::new(false));
    let publishing: Vec<_> = publishers
        .into_iter()
        .enumerate()
        .map(|(index, publisher)| {
            let stop = Arc::clone(&stop);
            tokio::spawn(async move {
                let mut n = 0;
                while !stop.load(Ordering::Relaxed) {
                    n += 1;
                    let event = publisher.append(&format!("r/{index}/events"), Value::json(n.to_string()));
                    let sent = event.send().unwrap();
                    publisher.set(&format!("r/{index}/v"), Value::json(n.to_string())).await.unwrap();
                    sent.await.unwrap();
                }
                (publisher, n)
            })
        })
        .collect();

    for round in 0..3 {
        let site = sites[round % 2].take().unwrap();
        assert_eq!(soon("the end of a drain", site.drain()).await, 0, "somebody did not move");
        sites[round % 2] = Some(Site::start(ports[round % 2], &log).await);
    }
    stop.store(true, Ordering::Relaxed);
    let mut wanted = BTreeMap::new();
    for (index, task) in publishing.into_iter().enumerate() {
        let (_publisher, n) = soon("the last verdicts", task).await.unwrap();
        assert!(n > 20, "{n} publishes");
        wanted.insert(format!("r/{index}/events"), n.to_string());
        wanted.insert(format!("r/{index}/v"), n.to_string());
    }
    drop(over);
    for task in following {
        let mut follower = task.await.unwrap();
        follower.until_holding(&wanted).await;
        assert_eq!(follower.witness.missing(), 0);
        for index in 0..2 {
            let topic = format!("r/{index}/events");
            assert_eq!(follower.witness.sequence(&topic).to_string(), wanted[&topic], "each event once");
        }
        assert!(follower.session.statistics().connections > 2, "it moved");
    }
    let lost = lost.iter().filter(|lost| lost.load(Ordering::Relaxed)).count();
    assert_eq!(lost, 0, "sessions that were without a connection");
}
