//! Networks and subscribers that are slow, or stop reading.

use std::collections::BTreeMap;
use std::time::Duration;

use outpour::Value;
use outpour_faults::{Direction, Flow, Follower, Gateway, Proxy, eager, event_topic};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn slow_networks_lose_nothing() {
    let gateway = Gateway::start(&[], &[]).await;
    let publisher = eager(&gateway.url()).connect().await.unwrap();
    publisher.create("s/events", event_topic(10_000)).await.unwrap();
    let mut followers = Vec::new();
    let mut proxies = Vec::new();
    for flow in [Flow::Open, Flow::Delayed(Duration::from_millis(120)), Flow::Throttled(40_000), Flow::Dribbled] {
        let proxy = Proxy::start(gateway.address).await;
        followers.push(Follower::start(&format!("a subscriber over {flow:?}"), &proxy.url(), "s/**"));
        // From then on: the WebSocket library takes an answer to its handshake that comes byte by byte for an attack.
        proxy.until_up(0).await;
        proxy.set_flow(Direction::Up, flow);
        proxy.set_flow(Direction::Down, flow);
        proxies.push(proxy);
    }
    let mut wanted = BTreeMap::new();
    for n in 1..=300 {
        for topic in ["s/a", "s/b"] {
            wanted.insert(topic.to_owned(), format!("{{\"n\":{n},\"text\":\"{}\"}}", "x".repeat(n % 70)));
            publisher.set(topic, Value::json(wanted[topic].clone())).await.unwrap();
        }
        publisher.append("s/events", Value::json(n.to_string())).await.unwrap();
    }
    wanted.insert("s/events".to_owned(), "300".to_owned());
    for follower in &mut followers {
        follower.until_holding(&wanted).await;
        assert_eq!(follower.witness.missing(), 0);
    }
    for (proxy, follower) in proxies.iter().zip(&followers) {
        let (name, connections) = (follower.witness.name(), proxy.connections());
        assert_eq!(connections.len(), 1, "slow is not dead: {name}, {connections:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slow_subscriber_gets_fresh_values_and_declared_gaps() {
    let gateway = Gateway::start(&[], &[]).await;
    let proxy = Proxy::start(gateway.address).await;
    let publisher = eager(&gateway.url()).connect().await.unwrap();
    publisher.create("s/events", event_topic(50)).await.unwrap();
    let mut slow = Follower::start("a slow subscriber", &proxy.url(), "s/**");
    let mut quick = Follower::start("a quick subscriber", &gateway.url(), "s/**");
    publisher.set("s/v", Value::json("0")).await.unwrap();
    for follower in [&mut slow, &mut quick] {
        follower.until(|witness| witness.value("s/v") == Some("0")).await;
    }
    // 4 MB at 400 kB a second would take 10 seconds, if they were queued.
    proxy.set_flow(Direction::Down, Flow::Throttled(400_000));
    let text = |n: u64| format!("\"{n} {}\"", outpour_faults::Random::new(n).text(1000));
    for n in 1..=2000 {
        publisher.set("s/v", Value::json(text(n))).await.unwrap();
        publisher.append("s/events", Value::json(text(n))).await.unwrap();
    }
    let wanted = BTreeMap::from(["s/v", "s/events"].map(|topic| (topic.to_owned(), text(2000))));
    quick.until_holding(&wanted).await;
    slow.until_holding(&wanted).await;
    assert!(slow.witness.missing() > 0, "the events that it was too slow for were declared");
    assert_eq!(slow.witness.sequence("s/events"), 2000);
    assert!(slow.witness.observed() < quick.witness.observed());
    assert_eq!(proxy.connections().len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn those_who_stop_reading_cost_the_others_nothing() {
    const STOPPED: usize = 40;
    let gateway = Gateway::start(&[], &[("OUTPOUR_LIMITS_HEARTBEAT", "60s")]).await;
    let proxy = Proxy::start(gateway.address).await;
    let publisher = eager(&gateway.url()).connect().await.unwrap();
    publisher.create("s/events", event_topic(100)).await.unwrap();
    let mut stopped: Vec<_> =
        (0..STOPPED).map(|n| Follower::start(&format!("subscriber {n}, who stops"), &proxy.url(), "s/**")).collect();
    let mut reading = Follower::start("one who reads", &gateway.url(), "s/**");
    publisher.set("s/v", Value::json("0")).await.unwrap();
    for follower in stopped.iter_mut().chain([&mut reading]) {
        follower.until(|witness| witness.value("s/v") == Some("0")).await;
    }
    proxy.set_flow(Direction::Down, Flow::Stalled);
    let before = gateway.process.resident_bytes();
    let text = |n: u64| format!("\"{n} {}\"", outpour_faults::Random::new(n).text(20_000));
    for n in 1..=400 {
        publisher.set("s/v", Value::json(text(n))).await.unwrap();
        publisher.append("s/events", Value::json(n.to_string())).await.unwrap();
    }
    let wanted = BTreeMap::from([("s/v".to_owned(), text(400)), ("s/events".to_owned(), "400".to_owned())]);
    reading.until_holding(&wanted).await;
    assert_eq!(reading.witness.missing(), 0);
    // What was published has 8 MB, and 40 would be owed 320 MB of it.
    let grown = gateway.process.resident_bytes().saturating_sub(before);
    assert!(grown < 100 << 20, "the gateway has grown by {grown} bytes");
    proxy.set_flow(Direction::Down, Flow::Open);
    for follower in &mut stopped {
        follower.until_holding(&wanted).await;
    }
}
