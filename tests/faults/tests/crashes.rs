//! Processes that are killed or halted.

use std::collections::BTreeMap;
use std::time::Duration;

use outpour::{HistoryStart, Value};
use outpour_faults::{Follower, Gateway, Process, Proxy, Witness, eager, event_topic, free_port};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_gateway_without_data_begins_a_new_life() {
    let address = format!("127.0.0.1:{}", free_port());
    let mut gateway = Gateway::start_at(&address, &[], &[]).await;
    let mut subscriber = Process::subscribe(&gateway.url(), &["v/*", "events"]);
    let mut witness = Witness::new("sub");
    for life in 1..=4 {
        if life > 1 {
            gateway.process.kill().await;
            gateway = Gateway::start_at(&address, &[], &[]).await;
        }
        let mut publisher = Process::publish(&gateway.url(), &[]);
        for n in 0..500 {
            let line = format!("{{\"topic\":\"v/{}\",\"value\":{{\"life\":{life},\"n\":{n}}}}}\n", n % 7);
            publisher.write(&line).await;
        }
        publisher.succeed().await;
        let newest = |topic| (0..500).rev().find(|n| n % 7 == topic).unwrap();
        let wanted: BTreeMap<_, _> = (0..7)
            .map(|topic| (format!("v/{topic}"), format!("{{\"life\":{life},\"n\":{}}}", newest(topic))))
            .collect();
        while witness.held() != wanted {
            witness.observe(subscriber.observe().await);
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_halted_gateway_goes_on_without_duplicates() {
    let gateway = Gateway::lively().await;
    let publisher = eager(&gateway.url()).connect().await.unwrap();
    publisher.create("h/events", event_topic(10_000)).await.unwrap();
    let proxy = Proxy::start(gateway.address).await;
    let mut followers: Vec<_> =
        (0..20).map(|n| Follower::start(&format!("subscriber {n}"), &proxy.url(), "h/**")).collect();
    publisher.set("h/v", Value::json("0")).await.unwrap();
    for follower in &mut followers {
        follower.until(|witness| witness.value("h/v") == Some("0")).await;
    }
    // Sent to a gateway that does not answer, again and again over new connections.
    gateway.process.freeze();
    let mut verdicts = Vec::new();
    for n in 1..=200 {
        verdicts.push(publisher.append("h/events", Value::json(n.to_string())).send().unwrap());
        verdicts.push(publisher.set("h/v", Value::json(n.to_string())).send().unwrap());
    }
    tokio::time::sleep(Duration::from_secs(10)).await;
    let tried = proxy.connections().len();
    assert!(tried <= 20 * 6, "{tried} connections to a gateway that does not answer");
    gateway.process.thaw();
    for verdict in verdicts {
        verdict.await.unwrap();
    }
    for follower in &mut followers {
        follower.until(|witness| witness.sequence("h/events") == 200 && witness.value("h/v") == Some("200")).await;
        assert_eq!(follower.witness.missing(), 0);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_halted_subscriber_goes_on_without_duplicates() {
    let gateway = Gateway::lively().await;
    let proxy = Proxy::start(gateway.address).await;
    let publisher = eager(&gateway.url()).connect().await.unwrap();
    publisher.create("h/events", event_topic(100_000)).await.unwrap();
    let mut subscriber = Process::subscribe(&proxy.url(), &["h/**"]);
    let mut witness = Witness::new("sub");
    publisher.set("h/v", Value::json("0")).await.unwrap();
    witness.observe(subscriber.observe().await);
    subscriber.freeze();
    let mut n = 0;
    let until = tokio::time::Instant::now() + Duration::from_secs(10);
    while tokio::time::Instant::now() < until {
        n += 1;
        publisher.append("h/events", Value::json(n.to_string())).await.unwrap();
        publisher.set("h/v", Value::json(n.to_string())).await.unwrap();
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    subscriber.thaw();
    while witness.sequence("h/events") < n || witness.value("h/v") != Some(&n.to_string()) {
        witness.observe(subscriber.observe().await);
    }
    assert_eq!(witness.missing(), 0);
    assert!(proxy.connections().len() <= 3, "it comes back once: {:?}", proxy.connections());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clients_killed_in_mid_batch_hurt_nobody() {
    let gateway = Gateway::start(&[], &[]).await;
    let reader = eager(&gateway.url()).connect().await.unwrap();
    for topic in ["k/0", "k/1", "k/2", "k/3"] {
        reader.create(topic, event_topic(1_000_000)).await.unwrap();
    }
    let mut follower = Follower::over("one who stays", reader, "k/*");
    for round in 0..4 {
        let topic = format!("k/{round}");
        let mut subscribers: Vec<_> =
            (0..3).map(|_| Process::subscribe(&gateway.url(), &["k/*", "--history", "100000"])).collect();
        let mut publisher = Process::publish(&gateway.url(), &["--events"]);
        for block in 0..10 {
            let lines: String =
                (1..=400).map(|n| format!("{{\"topic\":\"{topic}\",\"value\":{}}}\n", block * 400 + n)).collect();
            publisher.write(&lines).await;
        }
        follower.until(|witness| witness.sequence(&topic) > 300 * (round + 1)).await;
        for subscriber in &mut subscribers {
            subscriber.kill().await;
        }
        publisher.kill().await;
    }
    // What was published is a beginning of what was to be published, without holes.
    let survivor = eager(&gateway.url()).connect().await.unwrap();
    for topic in ["k/0", "k/1", "k/2", "k/3"] {
        let (events, _) = survivor.fetch_events(topic, HistoryStart::All, 10_000).await.unwrap();
        let told: Vec<_> = events.iter().map(|event| event.value.to_string()).collect();
        let wanted: Vec<_> = (1..=told.len()).map(|n| n.to_string()).collect();
        assert_eq!(told, wanted);
        follower.until(|witness| witness.sequence(topic) == told.len() as u64).await;
    }
    assert_eq!(follower.witness.missing(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_gateway_without_descriptors_goes_on_serving() {
    let gateway = Gateway::start_limited("ulimit -n 48", &["--workers", "1"], &[]).await;
    let publisher = eager(&gateway.url()).connect().await.unwrap();
    publisher.set("v", Value::json("1")).await.unwrap();
    let mut inside = Follower::start("one inside", &gateway.url(), "v");
    inside.until(|witness| witness.value("v") == Some("1")).await;
    let mut crowd: Vec<_> = (0..60).map(|n| Follower::start(&format!("subscriber {n}"), &gateway.url(), "v")).collect();
    // Those who are in are served while others knock.
    for n in 2..100 {
        publisher.set("v", Value::json(n.to_string())).await.unwrap();
    }
    inside.until(|witness| witness.value("v") == Some("99")).await;
    // When some leave, others come in.
    while let Some(mut follower) = crowd.pop() {
        if crowd.len() < 20 {
            follower.until(|witness| witness.value("v") == Some("99")).await;
        }
        follower.session.close().await;
    }
    publisher.set("v", Value::json("100")).await.unwrap();
    inside.until(|witness| witness.value("v") == Some("100")).await;
}
