//! Connections over which nothing passes, for a while or for good, and connections that overtake one another.

use std::time::{Duration, Instant};

use outpour::{ErrorCode, Value};
use outpour_faults::{
    Direction, Fault, Flow, Follower, Gateway, Process, Proxy, Rule, Which, Witness, eager, event_topic,
};

const HEARTBEAT: Duration = Duration::from_secs(1);
/// What a slow machine may take beside.
const SLACK: Duration = Duration::from_secs(2);

#[tokio::test]
async fn a_blackhole_is_noticed_within_two_heartbeats() {
    for lost in [&[Direction::Down][..], &[Direction::Up, Direction::Down]] {
        let gateway = Gateway::lively().await;
        let proxy = Proxy::start(gateway.address).await;
        let publisher = eager(&gateway.url()).connect().await.unwrap();
        publisher.set("v", Value::json("1")).await.unwrap();
        let mut follower = Follower::start("a subscriber", &proxy.url(), "v");
        follower.until(|witness| witness.value("v") == Some("1")).await;

        let since = Instant::now();
        for direction in lost {
            proxy.set_flow_of(0, *direction, Flow::Stalled);
        }
        assert_eq!(follower.until_disconnected().await, ErrorCode::Silence);
        let noticed = since.elapsed();
        assert!(noticed <= HEARTBEAT * 2 + SLACK, "{lost:?}: noticed after {noticed:?}");
        publisher.set("v", Value::json("2")).await.unwrap();
        follower.until(|witness| witness.value("v") == Some("2")).await;
    }
}

#[tokio::test]
async fn a_dead_way_up_is_noticed_by_whoever_says_something() {
    let gateway = Gateway::lively().await;
    let proxy = Proxy::start(gateway.address).await;
    let publisher = eager(&proxy.url()).connect().await.unwrap();
    publisher.set("v", Value::json("1")).await.unwrap();

    // The gateway's heartbeats still come.
    proxy.set_flow_of(0, Direction::Up, Flow::Stalled);
    let since = Instant::now();
    publisher.set("v", Value::json("2")).await.unwrap();
    let noticed = since.elapsed();
    // A heartbeat until there may be another ping, and two for its answer.
    assert!(noticed <= HEARTBEAT * 3 + SLACK, "noticed after {noticed:?}");
    assert_eq!(proxy.connections().len(), 2);
}

#[tokio::test]
async fn a_stall_shorter_than_two_heartbeats_is_no_disconnect() {
    let gateway = Gateway::start(&[], &[("OUTPOUR_LIMITS_HEARTBEAT", "60s")]).await;
    let proxy = Proxy::start(gateway.address).await;
    let publisher = eager(&gateway.url()).connect().await.unwrap();
    publisher.create("e", event_topic(10_000)).await.unwrap();
    let mut follower = Follower::start("a subscriber", &proxy.url(), "*");
    publisher.set("v", Value::json("0")).await.unwrap();
    follower.until(|witness| witness.value("v") == Some("0")).await;
    for round in 0..5 {
        for direction in [Direction::Up, Direction::Down] {
            proxy.set_flow_of(0, direction, Flow::Stalled);
        }
        for n in 1..=200 {
            publisher.append("e", Value::json(n.to_string())).await.unwrap();
            publisher.set("v", Value::json((round * 200 + n).to_string())).await.unwrap();
        }
        for direction in [Direction::Down, Direction::Up] {
            proxy.set_flow_of(0, direction, Flow::Open);
        }
        let last = ((round + 1) * 200).to_string();
        follower.until(|witness| witness.sequence("e") == (round + 1) * 200 && witness.value("v") == Some(&last)).await;
    }
    assert_eq!(follower.witness.missing(), 0);
    assert_eq!(proxy.connections().len(), 1, "nobody hung up");
}

#[tokio::test]
async fn heartbeats_keep_a_middlebox_from_forgetting() {
    let limit = HEARTBEAT * 5 / 2;
    let lively = Gateway::lively().await;
    let kept = Proxy::start(lively.address).await;
    kept.set_idle_limit(limit);
    let follower = Follower::start("a subscriber", &kept.url(), "v");
    follower.until_connected().await;

    // The same middlebox forgets a connection that is not kept alive, and the session makes another.
    let silent = Gateway::start(&[], &[("OUTPOUR_LIMITS_HEARTBEAT", "60s")]).await;
    let forgotten = Proxy::start(silent.address).await;
    forgotten.set_idle_limit(limit);
    let mut other = Follower::start("another subscriber", &forgotten.url(), "v");
    forgotten.until_up(2).await;
    eager(&silent.url()).connect().await.unwrap().set("v", Value::json("1")).await.unwrap();
    other.until(|witness| witness.value("v") == Some("1")).await;

    assert_eq!(kept.connections().len(), 1);
    eager(&lively.url()).connect().await.unwrap().set("v", Value::json("1")).await.unwrap();
    let mut follower = follower;
    follower.until(|witness| witness.value("v") == Some("1")).await;
}

#[tokio::test]
async fn bytes_of_an_older_connection_come_late() {
    let gateway = Gateway::lively().await;
    let proxy = Proxy::start(gateway.address).await;
    let direct = eager(&gateway.url()).connect().await.unwrap();
    direct.create("events", event_topic(10_000)).await.unwrap();
    let mut follower = Follower::over("a subscriber", direct, "events");
    // Held with publishes on their way: the publisher sends them again over its next connection, and
    // then the gateway gets those of the older one.
    let hold =
        |nth| Rule { which: Which::Nth(nth), direction: Direction::Up, after: 3_000, fault: Fault::HoldUntilNext };
    proxy.set_rules([hold(0), hold(1)]);
    let mut publisher = Process::publish(&proxy.url(), &["--events"]);
    for n in 1..=1000 {
        publisher.write(&format!("{{\"topic\":\"events\",\"value\":{n}}}\n")).await;
    }
    publisher.succeed().await;
    follower.until(|witness| witness.sequence("events") >= 1000).await;
    assert_eq!(follower.witness.value("events"), Some("1000"), "each event once");
    let held: Vec<_> = proxy.connections().into_iter().take(2).map(|connection| connection.up > 3_000).collect();
    assert_eq!(held, [true, true], "the older connections' bytes were passed on in the end");
    follower.drain();
    assert_eq!(follower.witness.sequence("events"), 1000);
}

#[tokio::test]
async fn what_was_held_for_a_subscriber_comes_late() {
    let gateway = Gateway::lively().await;
    let proxy = Proxy::start(gateway.address).await;
    let hold =
        |nth| Rule { which: Which::Nth(nth), direction: Direction::Down, after: 2_000, fault: Fault::HoldUntilNext };
    proxy.set_rules([hold(0)]);
    let publisher = eager(&gateway.url()).connect().await.unwrap();
    publisher.create("events", event_topic(100_000)).await.unwrap();
    let mut subscriber = Process::subscribe(&proxy.url(), &["events"]);
    let mut witness = Witness::new("sub");
    proxy.until_up(0).await;
    let mut n = 0;
    while proxy.connections().len() < 2 {
        n += 1;
        publisher.append("events", Value::json(n.to_string())).await.unwrap();
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    while witness.sequence("events") < n {
        witness.observe(subscriber.observe().await);
    }
    assert_eq!(witness.missing(), 0);
}
