//! Gateways that keep their data: killed, moved to another port, and out of room.

use std::collections::BTreeMap;

use outpour::{ErrorCode, HistoryStart, Value};
use outpour_faults::{Ending, Follower, Gateway, Process, Proxy, Witness, eager, event_topic};
use rustix::process::Signal;

/// Every start on a port of its own, with the same data.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_gateway_with_data_goes_on_at_another_port() {
    let folder = tempfile::tempdir().unwrap();
    let data = ["--data", folder.path().to_str().unwrap()];
    let mut gateway = Gateway::start(&data, &[]).await;
    let proxy = Proxy::start(gateway.address).await;
    let publisher = eager(&proxy.url()).connect().await.unwrap();
    publisher.create("d/events", event_topic(100_000)).await.unwrap();
    let mut follower = Follower::start("a subscriber", &proxy.url(), "d/**");
    let mut program = Process::subscribe(&proxy.url(), &["d/**"]);
    let mut programs_witness = Witness::new("sub");
    publisher.set("d/0", Value::json(document(0))).await.unwrap();
    follower.until(|witness| witness.value("d/0").is_some()).await;
    programs_witness.observe(program.observe().await);

    let mut wanted = BTreeMap::new();
    let mut verdicts = Vec::new();
    let mut n = 0;
    for _ in 0..8 {
        // The kill strikes while these are on their way: some have a verdict, some don't.
        for _ in 0..60 {
            n += 1;
            let topic = format!("d/{}", n % 7);
            wanted.insert(topic.clone(), document(n));
            verdicts.push(publisher.set(&topic, Value::json(document(n))).send().unwrap());
            wanted.insert("d/events".to_owned(), n.to_string());
            verdicts.push(publisher.append("d/events", Value::json(n.to_string())).send().unwrap());
        }
        follower.until(|witness| witness.sequence("d/events") > n - 60).await;
        gateway.process.kill().await;
        gateway = Gateway::start(&data, &[]).await;
        proxy.set_upstream(gateway.address);
    }
    for verdict in verdicts {
        verdict.await.unwrap();
    }
    follower.until_holding(&wanted).await;
    while programs_witness.held() != wanted {
        programs_witness.observe(program.observe().await);
    }
    assert_eq!((follower.witness.missing(), programs_witness.missing()), (0, 0));
    let (events, _) = publisher.fetch_events("d/events", HistoryStart::All, 10_000).await.unwrap();
    let told: Vec<_> = events.iter().map(|event| event.value.to_string()).collect();
    assert_eq!(told, (1..=n).map(|n| n.to_string()).collect::<Vec<_>>(), "each event once");
    let counted = follower.session.statistics();
    assert!(counted.connections >= 8, "{counted:?}");
    assert!(counted.snapshots <= 7, "what was held is gone on from by deltas: {counted:?}");
}

/// A document of which a new version changes a little.
fn document(n: u64) -> String {
    format!("{{\"n\":{n},\"text\":\"{}\"}}", outpour_faults::Random::new(7).text(600))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stopped_gateway_with_data_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let data = ["--data", folder.path().to_str().unwrap()];
    let mut gateway = Gateway::start(&data, &[("OUTPOUR_RETRY_AFTER", "0s")]).await;
    let proxy = Proxy::start(gateway.address).await;
    let publisher = eager(&proxy.url()).connect().await.unwrap();
    let mut follower = Follower::start("a subscriber", &proxy.url(), "v");
    for n in 1..=4 {
        let version = publisher.set("v", Value::json(document(n))).await.unwrap();
        follower.until(|witness| witness.value("v") == Some(&document(n))).await;
        gateway.process.signal(Signal::TERM);
        gateway.process.succeed().await;
        gateway = Gateway::start(&data, &[("OUTPOUR_RETRY_AFTER", "0s")]).await;
        proxy.set_upstream(gateway.address);
        let held = publisher.get("v").await.unwrap().unwrap();
        assert_eq!(held.version, version, "versions survive");
    }
    follower.until_connected().await;
    assert_eq!(follower.session.statistics().snapshots, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_disk_refuses_publishes_and_loses_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let data = ["--data", folder.path().to_str().unwrap()];
    // A file that may grow no further fails as a full disk does, once the signal is out of the way.
    let mut gateway = Gateway::start_limited("trap '' XFSZ", &data, &[]).await;
    let proxy = Proxy::start(gateway.address).await;
    let publisher = eager(&proxy.url()).connect().await.unwrap();
    publisher.create("f/events", event_topic(100_000)).await.unwrap();
    let mut follower = Follower::start("a subscriber", &proxy.url(), "f/**");
    publisher.set("f/v", Value::json("1")).await.unwrap();
    follower.until(|witness| witness.value("f/v").is_some()).await;
    publisher.append("f/events", Value::json(document(1))).await.unwrap();
    follower.until(|witness| witness.sequence("f/events") == 1).await;
    gateway.process.limit_files(Some(64 << 10));

    let mut written = 1;
    let refused = loop {
        match publisher.append("f/events", Value::json(document(written + 1))).await {
            Ok(_) => written += 1,
            Err(error) => break error,
        }
        assert!(written < 1000, "64 KiB hold more than they can");
    };
    assert_eq!(refused.code(), ErrorCode::LogUnavailable, "{refused}");
    // What is there is served on, to those who come as well.
    follower.until(|witness| witness.sequence("f/events") == written).await;
    let other = eager(&gateway.url()).connect().await.unwrap();
    let (events, _) = other.fetch_events("f/events", HistoryStart::All, 10_000).await.unwrap();
    assert_eq!(events.len() as u64, written);

    // There is room again.
    gateway.process.limit_files(None);
    written += 1;
    publisher.append("f/events", Value::json(document(written))).await.unwrap();
    follower.until(|witness| witness.sequence("f/events") == written).await;

    // And nothing that was refused is there after a crash.
    gateway.process.limit_files(Some(1));
    publisher.append("f/events", Value::json(document(0))).await.unwrap_err();
    gateway.process.kill().await;
    gateway = Gateway::start(&data, &[]).await;
    proxy.set_upstream(gateway.address);
    written += 1;
    publisher.append("f/events", Value::json(document(written))).await.unwrap();
    follower.until(|witness| witness.sequence("f/events") == written).await;
    let (events, _) = publisher.fetch_events("f/events", HistoryStart::All, 10_000).await.unwrap();
    let told: Vec<_> = events.iter().map(|event| event.value.to_string()).collect();
    assert_eq!(told, (1..=written).map(document).collect::<Vec<_>>());
}

#[tokio::test]
async fn data_has_one_gateway_at_a_time() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().to_str().unwrap();
    let mut first = Gateway::start(&["--data", data], &[]).await;
    let mut second = Process::start(&["serve", "--listen", "127.0.0.1:0", "--data", data], &[]);
    assert_eq!(second.end().await.code(), Some(1));
    assert!(second.log().contains(data), "{}", second.log());
    first.process.kill().await;
    Gateway::start(&["--data", data], &[]).await;
}

/// A cut and a kill at the same time: the connection goes, and so does what it went to.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn publishes_survive_a_gateway_killed_before_the_verdict() {
    let folder = tempfile::tempdir().unwrap();
    let data = ["--data", folder.path().to_str().unwrap()];
    let mut gateway = Gateway::start(&data, &[]).await;
    let proxy = Proxy::start(gateway.address).await;
    let mut publisher = Process::publish(&proxy.url(), &["--events"]);
    let mut follower = Follower::start("a subscriber", &proxy.url(), "events");
    let mut n = 0;
    for ending in [Ending::Reset, Ending::Finish, Ending::Reset] {
        for _ in 0..300 {
            n += 1;
            publisher.write(&format!("{{\"topic\":\"events\",\"value\":{n}}}\n")).await;
        }
        follower.until(|witness| witness.sequence("events") > n - 200).await;
        gateway.process.kill().await;
        proxy.cut(ending);
        gateway = Gateway::start(&data, &[]).await;
        proxy.set_upstream(gateway.address);
    }
    publisher.succeed().await;
    follower.until(|witness| witness.sequence("events") >= n).await;
    assert_eq!((follower.witness.missing(), follower.witness.value("events")), (0, Some("900")));
}
