//! Many clients, and gateways that come and go.

use std::time::Duration;

use outpour::{SessionBuilder, Value};
use outpour_faults::{Follower, Gateway, eager, free_port};

const CLIENTS: usize = 1000;
const GATEWAYS: u64 = 10;
const TOPICS: usize = 10;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_clients_survive_ten_gateways_on_alternating_ports() {
    let folder = tempfile::tempdir().unwrap();
    survive(&["--data", folder.path().to_str().unwrap()], |_| 0).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_clients_survive_ten_gateways_that_remember_nothing() {
    survive(&[], |gateway| gateway).await;
}

/// Follows values and events with many clients while gateways are killed and started. `life` says to
/// which life of the log the values of the nth gateway belong.
async fn survive(arguments: &[&str], life: impl Fn(u64) -> u64) {
    raise_descriptor_limit();
    let addresses = [free_port(), free_port()].map(|port| format!("127.0.0.1:{port}"));
    let urls = addresses.clone().map(|address| format!("ws://{address}"));
    let publisher = eager(&urls[0]).or_at(&urls[1]).start().unwrap();
    let mut followers: Vec<_> = (0..CLIENTS)
        .map(|n| {
            let session = SessionBuilder::new(&urls[n % 2])
                .or_at(&urls[1 - n % 2])
                .backoff(Duration::from_millis(200), Duration::from_secs(1))
                .start()
                .unwrap();
            Follower::over(&format!("client {n}"), session, &format!("c/{}/*", n % TOPICS))
        })
        .collect();
    for nth in 1..=GATEWAYS {
        let mut gateway = Gateway::start_at(&addresses[nth as usize % 2], arguments, &[]).await;
        let value = |n: u64| format!("{{\"life\":{},\"n\":{}}}", life(nth), nth * 100 + n);
        for n in 1..=20 {
            for topic in 0..TOPICS {
                publisher.set(&format!("c/{topic}/v"), Value::json(value(n))).await.unwrap();
                publisher.append(&format!("c/{topic}/e"), Value::json(value(n))).await.unwrap();
            }
        }
        for (n, follower) in followers.iter_mut().enumerate() {
            let topic = format!("c/{}/v", n % TOPICS);
            follower.until(|witness| witness.value(&topic) == Some(&value(20))).await;
        }
        gateway.process.kill().await;
    }
    assert_eq!(followers.iter().map(|follower| follower.witness.missing()).sum::<u64>(), 0);
}

fn raise_descriptor_limit() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let maximum = getrlimit(Resource::Nofile).maximum;
    setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }).unwrap();
}
