//! Sessions against real gateways over real sockets.

use std::net::SocketAddr;
use std::time::Duration;

use outpour::{
    ConnectionState, ErrorCode, HistoryStart, Session, SessionBuilder, SubscribeOptions, Subscription, Update,
    UpdateKind, Value, Version,
};
use outpour_core::Epoch;
use outpour_server::gateway::{Gateway, GatewayConfig};
use outpour_server::log::MemoryLog;

type Result<T = ()> = std::result::Result<T, Box<dyn std::error::Error>>;

async fn pair() -> Result<(Gateway, Session)> {
    let gateway = Gateway::ephemeral()?;
    let session = outpour::connect(&gateway.url()).await?;
    Ok((gateway, session))
}

async fn next(subscription: &mut Subscription) -> Result<Update> {
    Ok(subscription.next().await.ok_or("the subscription ended")??)
}

async fn next_text(subscription: &mut Subscription) -> Result<String> {
    match next(subscription).await?.kind {
        UpdateKind::Value { value, .. } | UpdateKind::Event { value, .. } => Ok(value.to_string()),
        other => Err(format!("{other:?}").into()),
    }
}

#[tokio::test]
async fn a_topic_is_followed_from_its_current_value_on() -> Result {
    let (_gateway, session) = pair().await?;
    session.set("a/before", "1").await?;
    let mut updates = session.subscribe("a/*")?;
    assert_eq!(next_text(&mut updates).await?, "1");
    session.set("a/after", "2").await?;
    session.set("b", "3").await?;
    session.set("a/after", "4").await?;
    assert_eq!(next_text(&mut updates).await?, "2");
    assert_eq!(next_text(&mut updates).await?, "4");
    session.remove("a/after").await?;
    let removed = next(&mut updates).await?;
    assert_eq!((removed.path.as_str(), removed.kind), ("a/after", UpdateKind::Removed));
    let replica = session.replica("a/before").ok_or("no replica")?;
    assert!(!replica.stale && session.age(&replica) < Duration::from_secs(600));
    assert!(session.replica("a/after").is_none() && session.replica("b").is_none());
    Ok(())
}

#[tokio::test]
async fn the_round_trip_is_measured() -> Result {
    let (_gateway, session) = pair().await?;
    session.set("a", 1).await?;
    session.ping();
    // What is asked for after the ping is answered after it.
    session.get("a").await?;
    let round_trip = session.round_trip().ok_or("nothing was measured")?;
    assert!(round_trip < Duration::from_secs(60));
    Ok(())
}

#[tokio::test]
async fn conditions_are_judged_by_the_gateway() -> Result {
    let (_gateway, session) = pair().await?;
    let first = session.set("a", 1).if_absent().await?;
    let refused = session.set("a", 2).if_absent().await.unwrap_err();
    assert_eq!((refused.code(), refused.current_version()), (ErrorCode::AlreadyExists, Some(first)));
    let second = session.set("a", 2).if_version(first).await?;
    assert!(second > first);
    let refused = session.remove("a").if_version(first).await.unwrap_err();
    assert_eq!((refused.code(), refused.current_version()), (ErrorCode::VersionMismatch, Some(second)));
    assert_eq!(session.set("a", "text").await.unwrap_err().code(), ErrorCode::TypeMismatch);
    assert_eq!(session.append("a", 3).await.unwrap_err().code(), ErrorCode::KindMismatch);
    assert_eq!(session.remove("none").await.unwrap_err().code(), ErrorCode::NoSuchTopic);
    assert_eq!(session.set("a//b", 1).await.unwrap_err().code(), ErrorCode::BadPath);
    assert_eq!(session.set("j", Value::json("{")).await.unwrap_err().code(), ErrorCode::BadValue);
    assert_eq!(session.get("a").await?.ok_or("no value")?.value.as_i64(), Some(2));
    Ok(())
}

#[tokio::test]
async fn events_are_told_once_and_in_order_with_as_much_history_as_asked() -> Result {
    let (_gateway, session) = pair().await?;
    for number in 1..=5 {
        session.append("log", format!("event {number}")).await?;
    }
    let options = SubscribeOptions { from: HistoryStart::Last(2), ..SubscribeOptions::default() };
    let mut recent = session.subscribe_with("log", &options)?;
    session.append("log", "event 6").await?;
    for number in 4..=6_u64 {
        let update = next(&mut recent).await?;
        let UpdateKind::Event { value, sequence, .. } = update.kind else { panic!("{update:?}") };
        assert_eq!((value.to_string(), sequence), (format!("event {number}"), number));
    }
    let (items, more) = session.fetch_events("log", HistoryStart::All, 4).await?;
    assert_eq!((items.len(), more), (4, true));
    let (items, more) = session.fetch_events("log", HistoryStart::After(items[3].version), 100).await?;
    assert_eq!((items[0].sequence, items.len(), more), (5, 2, false));
    Ok(())
}

#[tokio::test]
async fn patches_change_what_they_name_and_keep_the_rest_as_it_was_written() -> Result {
    let (_gateway, session) = pair().await?;
    session.set("j", Value::json(r#"{"z":18.6000,"a":[1,2]}"#)).await?;
    session.patch("j", r#"[{"op":"add","path":"/a/-","value":3}]"#).await?;
    session.merge_patch("j", r#"{"b":1.50}"#).await?;
    let value = session.get("j").await?.ok_or("no value")?.value;
    assert_eq!(value.as_str(), Some(r#"{"z":18.6000,"a":[1,2,3],"b":1.50}"#));
    assert_eq!(session.patch("j", "nonsense").await.unwrap_err().code(), ErrorCode::BadPatch);
    assert_eq!(session.patch("none", "[]").await.unwrap_err().code(), ErrorCode::NoSuchTopic);
    Ok(())
}

#[tokio::test]
async fn an_update_stream_sends_what_changed_and_survives_other_writers() -> Result {
    let (_gateway, session) = pair().await?;
    let stream = session.update_stream("doc")?;
    let text = |number: u32| format!("{}{number}{}", "a".repeat(2000), "b".repeat(2000));
    stream.set(text(0)).await?;
    let before = session.statistics().bytes_out;
    for number in 1..=20 {
        stream.set(text(number)).await?;
    }
    assert!(session.statistics().bytes_out - before < 20 * 100, "deltas of a digit are small");
    session.set("doc", "somebody else was here").await?;
    stream.set(text(21)).await?;
    assert_eq!(session.get("doc").await?.ok_or("no value")?.value.as_str(), Some(text(21).as_str()));
    Ok(())
}

fn gateway_at(listen: SocketAddr, epoch: u8) -> Result<Gateway> {
    let config = GatewayConfig {
        listen,
        workers: 1,
        shutdown_grace: Duration::from_millis(500),
        retry_after: Duration::ZERO,
        ..GatewayConfig::default()
    };
    Ok(Gateway::start(config, Box::new(MemoryLog::new(Epoch([epoch; 16]), 1024)))?)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_session_outlives_its_gateway() -> Result {
    let gateway = gateway_at(([127, 0, 0, 1], 0).into(), 1)?;
    let address = gateway.address();
    let builder = SessionBuilder::new(&gateway.url());
    let session = builder.backoff(Duration::from_millis(5), Duration::from_millis(20)).connect().await?;
    let mut states = session.connection();
    let mut updates = session.subscribe("**")?;
    session.set("a", "first").await?;
    assert_eq!(next_text(&mut updates).await?, "first");

    tokio::task::spawn_blocking(move || gateway.shutdown()).await?;
    while !matches!(states.next().await.ok_or("the session is over")?, ConnectionState::Disconnected { .. }) {}
    assert!(session.replica("a").ok_or("no replica")?.stale);
    let queued = session.set("b", "while away").send()?;

    let _gateway = gateway_at(address, 2)?;
    assert!(queued.await? > Version::NONE);
    // The new gateway's log began anew: what only the old one held is gone, and that is told.
    let mut told = Vec::new();
    while told.len() < 2 {
        let update = next(&mut updates).await?;
        told.push((update.path.as_str().to_owned(), update.kind == UpdateKind::Removed));
    }
    told.sort();
    assert_eq!(told, [("a".to_owned(), true), ("b".to_owned(), false)]);
    Ok(())
}

#[tokio::test]
async fn dropping_the_last_handle_closes_the_session() -> Result {
    let (gateway, session) = pair().await?;
    let updates = session.subscribe("**")?;
    let other = session.clone();
    drop(session);
    other.set("a", 1).await?;
    assert_eq!(gateway.statistics().connections, 1);
    let mut states = other.connection();
    drop(other);
    drop(updates);
    let mut last = None;
    while let Some(state) = states.next().await {
        last = Some(state);
    }
    let Some(ConnectionState::Closed { error }) = last else { panic!("{last:?}") };
    assert_eq!(error.code(), ErrorCode::Closed);
    Ok(())
}

#[tokio::test]
async fn closing_waits_for_verdicts_and_ends_streams() -> Result {
    let (gateway, session) = pair().await?;
    let mut updates = session.subscribe("none/*")?;
    let sent: Vec<_> =
        (0..1000).map(|number| session.set("a", number).send()).collect::<std::result::Result<_, _>>()?;
    session.close().await;
    for acknowledgement in sent {
        acknowledgement.await?;
    }
    assert!(updates.next().await.is_none());
    assert_eq!(session.set("a", 1).await.unwrap_err().code(), ErrorCode::Closed);
    assert_eq!(session.subscribe("a").unwrap_err().code(), ErrorCode::Closed);
    let again = outpour::connect(&gateway.url()).await?;
    assert_eq!(again.get("a").await?.ok_or("no value")?.value.as_i64(), Some(999));
    Ok(())
}

#[tokio::test]
async fn a_slow_application_loses_intermediate_values_and_never_the_newest() -> Result {
    let (_gateway, session) = pair().await?;
    let options = SubscribeOptions { mailbox_count: 4, ..SubscribeOptions::default() };
    let mut slow = session.subscribe_with("v", &options)?;
    let mut witness = session.subscribe("v")?;
    for number in 0..200_i64 {
        session.set("v", number).await?;
    }
    while next_text(&mut witness).await? != "199" {}
    let mut told = Vec::new();
    while told.last().is_none_or(|last| last != "199") {
        told.push(next_text(&mut slow).await?);
    }
    assert!(told.len() <= 5, "{told:?}");
    Ok(())
}

#[tokio::test]
async fn a_full_queue_says_so_and_makes_room() -> Result {
    let gateway = Gateway::ephemeral()?;
    let session = SessionBuilder::new(&gateway.url()).queue(4, 1 << 20).connect().await?;
    let sent: Vec<_> = (0..100).map(|number| session.set("a", number).send()).collect();
    let refused = sent.iter().filter(|sent| matches!(sent, Err(error) if error.code() == ErrorCode::QueueFull)).count();
    assert_eq!(refused, 96, "nothing is settled while the test does not wait");
    for number in 0..100 {
        session.set("a", number).send_when_possible().await?;
    }
    session.set("a", -1).await?;
    assert_eq!(session.get("a").await?.ok_or("no value")?.value.as_i64(), Some(-1));
    Ok(())
}
