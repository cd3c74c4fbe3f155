//! Publishers that lose their connection between a publish and its verdict: each change is made once.

use outpour::{ErrorCode, HistoryStart, Value};
use outpour_faults::{Direction, Ending, Fault, Flow, Gateway, Proxy, Rule, Which, eager, event_topic};

/// The first connections are cut as soon as so many bytes have gone up, each a little later than the one
/// before: what was published with them has no verdict. A FIN lets the gateway read it, a RST may not.
fn cut_before_the_verdict(connections: usize, later: u64) -> Vec<Rule> {
    let ending = |nth| if nth % 2 == 0 { Ending::Finish } else { Ending::Reset };
    (0..connections)
        .map(|nth| Rule::nth(nth, Direction::Up, 400 + later * nth as u64, Fault::Cut(ending(nth))))
        .collect()
}

/// As [`cut_before_the_verdict`]; besides, no verdict comes back from the first bytes on.
fn let_no_verdict_back(connections: usize) -> Vec<Rule> {
    let fault = Fault::Flow(Direction::Down, Flow::Stalled);
    let mute = Rule { which: Which::First(connections), direction: Direction::Up, after: 330, fault };
    cut_before_the_verdict(connections, 41).into_iter().chain([mute]).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn events_are_appended_once() {
    let gateway = Gateway::lively().await;
    let proxy = Proxy::start(gateway.address).await;
    proxy.set_rules(let_no_verdict_back(20));
    let publisher = eager(&proxy.url()).start().unwrap();
    let mut verdicts = vec![publisher.create("events", event_topic(100_000)).send_when_possible().await.unwrap()];
    for n in 1..=1000 {
        verdicts.push(publisher.append("events", Value::json(n.to_string())).send_when_possible().await.unwrap());
    }
    let mut last = None;
    for verdict in verdicts {
        let version = verdict.await.unwrap();
        assert!(last < Some(version), "each has a version of its own");
        last = Some(version);
    }
    let reader = eager(&gateway.url()).connect().await.unwrap();
    let (events, _) = reader.fetch_events("events", HistoryStart::All, 2000).await.unwrap();
    let told: Vec<_> = events.iter().map(|event| (event.sequence, event.value.to_string())).collect();
    let wanted: Vec<_> = (1..=1000).map(|n| (n, n.to_string())).collect();
    assert_eq!(told, wanted, "each once, and in order");
    assert!(proxy.connections().len() > 20);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn conditions_are_judged_once() {
    let gateway = Gateway::lively().await;
    let mut counting = Vec::new();
    for publisher in 0..3 {
        let proxy = Proxy::start(gateway.address).await;
        proxy.set_rules(cut_before_the_verdict(12, 7));
        counting.push(tokio::spawn(async move {
            let session = eager(&proxy.url()).start().unwrap();
            let mut made = 0_i64;
            // Everybody counts one further than they read, unless somebody was faster.
            while made < 40 || proxy.connections().len() <= 12 {
                let held = session.get("counter").await.unwrap();
                let publish = match &held {
                    Some(held) => session.set("counter", held.value.as_i64().unwrap() + 1).if_version(held.version),
                    None => session.set("counter", 1_i64).if_absent(),
                };
                match publish.await {
                    Ok(_) => made += 1,
                    Err(error) => assert!(
                        matches!(error.code(), ErrorCode::VersionMismatch | ErrorCode::AlreadyExists),
                        "publisher {publisher}: {error}"
                    ),
                }
            }
            made
        }));
    }
    let mut made = 0;
    for task in counting {
        made += task.await.unwrap();
    }
    let reader = eager(&gateway.url()).connect().await.unwrap();
    let count = reader.get("counter").await.unwrap().unwrap().value.as_i64();
    assert_eq!(count, Some(made), "an increment was lost or made twice");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn update_streams_go_on() {
    let gateway = Gateway::lively().await;
    let proxy = Proxy::start(gateway.address).await;
    proxy.set_rules(let_no_verdict_back(15));
    let publisher = eager(&proxy.url()).start().unwrap();
    let stream = publisher.update_stream("document").unwrap();
    let mut text = String::new();
    let mut verdicts = Vec::new();
    for n in 0..300 {
        text.push_str(&format!("line {n}\n"));
        verdicts.push(stream.set(text.clone()).send_when_possible().await.unwrap());
    }
    for verdict in verdicts {
        verdict.await.unwrap();
    }
    let reader = eager(&gateway.url()).connect().await.unwrap();
    assert_eq!(reader.get("document").await.unwrap().unwrap().value.as_str(), Some(text.as_str()));
}
