//! Connections that end: in mid-frame, without a close, in one direction, while they are made.

use std::collections::BTreeMap;

use outpour_faults::{Direction, Ending, Fault, Follower, Gateway, Process, Proxy, Rule, eager, event_topic};

/// Follows values and events through a proxy whose first connections end as the rules say, while
/// both are published around it. Ends when the subscriber holds everything that was published.
async fn follow_through(rules: Vec<Rule>) -> Vec<outpour_faults::Connection> {
    let cuts = rules.len();
    let gateway = Gateway::lively().await;
    let proxy = Proxy::start(gateway.address).await;
    proxy.set_rules(rules);
    let publisher = eager(&gateway.url()).connect().await.unwrap();
    publisher.create("f/events", event_topic(1_000_000)).await.unwrap();
    let mut follower = Follower::start("a subscriber", &proxy.url(), "f/**");
    let mut wanted = BTreeMap::new();
    for n in 1.. {
        for topic in ["f/a", "f/b"] {
            let value = format!("{{\"n\":{n},\"text\":\"{}\"}}", "x".repeat(n % 300));
            publisher.set(topic, outpour::Value::json(value.clone())).await.unwrap();
            wanted.insert(topic.to_owned(), value);
        }
        let event = format!("{{\"n\":{n}}}");
        publisher.append("f/events", outpour::Value::json(event.clone())).await.unwrap();
        wanted.insert("f/events".to_owned(), event);
        follower.drain();
        if proxy.connections().len() > cuts && n >= 100 && follower.witness.sequence("f/events") > 0 {
            break;
        }
        tokio::task::yield_now().await;
    }
    follower.until_holding(&wanted).await;
    assert_eq!(follower.witness.missing(), 0, "the gateway keeps as many events");
    follower.session.close().await;
    proxy.connections()
}

/// One cut for each of the first connections, each a few bytes later than the one before.
fn each_later(direction: Direction, first: u64, step: u64, count: usize, fault: Fault) -> Vec<Rule> {
    (0..count).map(|nth| Rule::nth(nth, direction, first + step * nth as u64, fault)).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reset_in_mid_frame() {
    // The gateway's answer to the upgrade has some 130 bytes; frames have a few dozen.
    let connections = follow_through(each_later(Direction::Down, 260, 61, 25, Fault::Cut(Ending::Reset))).await;
    for (nth, connection) in connections[..25].iter().enumerate() {
        assert_eq!(connection.down, 260 + 61 * nth as u64, "each was cut at its byte");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn finish_without_a_close() {
    follow_through(each_later(Direction::Down, 260, 53, 25, Fault::Cut(Ending::Finish))).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reset_during_the_handshake() {
    // The client says no more than its upgrade and its hello before it is answered.
    follow_through(each_later(Direction::Up, 0, 14, 15, Fault::Cut(Ending::Reset))).await;
    follow_through(each_later(Direction::Down, 1, 11, 25, Fault::Cut(Ending::Reset))).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn half_closed_connections() {
    follow_through(each_later(Direction::Down, 200, 97, 10, Fault::HalfClose(Direction::Up))).await;
    follow_through(each_later(Direction::Down, 200, 97, 10, Fault::HalfClose(Direction::Down))).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn programs_go_on_after_a_cut() {
    let gateway = Gateway::lively().await;
    let (below, above) = (Proxy::start(gateway.address).await, Proxy::start(gateway.address).await);
    let mut subscriber = Process::subscribe(&below.url(), &["events"]);
    let mut witness = outpour_faults::Witness::new("sub");
    below.until_up(0).await;
    let mut publisher = Process::publish(&above.url(), &["--events"]);
    for (round, ending) in [Ending::Reset, Ending::Finish].into_iter().enumerate() {
        for n in 0..200 {
            publisher.write(&format!("{{\"topic\":\"events\",\"value\":{n}}}\n")).await;
        }
        while witness.sequence("events") < 200 * round as u64 + 100 {
            witness.observe(subscriber.observe().await);
        }
        above.cut(ending);
        below.cut(ending);
    }
    publisher.succeed().await;
    while witness.sequence("events") < 400 {
        witness.observe(subscriber.observe().await);
    }
    assert_eq!(witness.missing(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_network_is_away_and_comes_back() {
    let gateway = Gateway::lively().await;
    let proxy = Proxy::start(gateway.address).await;
    let publisher = eager(&gateway.url()).connect().await.unwrap();
    publisher.set("v", outpour::Value::json("1")).await.unwrap();
    let mut follower = Follower::start("a subscriber", &proxy.url(), "v");
    follower.until(|witness| witness.value("v") == Some("1")).await;
    for n in 2..6 {
        proxy.refuse(true);
        proxy.cut(Ending::Reset);
        let refused = proxy.connections().len() + 5;
        proxy.until("five attempts", |all| all.len() >= refused).await;
        let held = follower.session.replica("v").unwrap();
        assert!(held.stale, "a replica says that there may be a newer one");
        publisher.set("v", outpour::Value::json(n.to_string())).await.unwrap();
        proxy.refuse(false);
        follower.until(|witness| witness.value("v") == Some(&n.to_string())).await;
    }
}
