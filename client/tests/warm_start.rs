//! What a program holds is there when it starts anew, and its session goes on where it was.

use std::time::Duration;

use outpour::{
    ConnectionState, ErrorCode, QueuePolicy, ResumeOutcome, Session, SessionBuilder, Subscription, Update, UpdateKind,
};
use outpour_server::gateway::{Gateway, GatewayConfig};
use outpour_server::log::{DiskLog, DiskOptions};

type Result<T = ()> = std::result::Result<T, Box<dyn std::error::Error>>;

/// Long enough for deltas of it to pay.
fn price(n: u32) -> String {
    format!("{{\"bid\":1.0841,\"ask\":1.0843,\"venue\":\"somewhere\",\"n\":{n}}}")
}

async fn next(subscription: &mut Subscription) -> Result<Update> {
    let update = tokio::time::timeout(Duration::from_secs(60), subscription.next()).await?;
    Ok(update.ok_or("the subscription ended")??)
}

async fn until_live(session: &Session) -> Result {
    let mut states = session.connection();
    while states.next().await.ok_or("the session is over")? != ConnectionState::Connected {}
    Ok(())
}

#[tokio::test]
async fn values_are_there_at_once_and_only_changes_travel() -> Result {
    let directory = tempfile::tempdir()?;
    let path = directory.path().join("prices.store");
    let gateway = Gateway::ephemeral()?;
    let publisher = outpour::connect(&gateway.url()).await?;
    for n in 0..50 {
        publisher.set(&format!("prices/{n}"), outpour::Value::json(price(n))).await?;
    }
    let session = SessionBuilder::new(&gateway.url()).with_store(&path).connect().await?;
    let mut prices = session.subscribe("prices/*")?;
    for _ in 0..50 {
        next(&mut prices).await?;
    }
    session.close().await;

    publisher.set("prices/7", outpour::Value::json(price(777))).await?;
    publisher.remove("prices/8").await?;
    let session = SessionBuilder::new(&gateway.url()).with_store(&path).start()?;
    let mut resumptions = session.resumptions();
    let held = session.replica("prices/7").ok_or("nothing is held")?;
    assert_eq!((held.value.to_string(), held.stale), (price(7), true));
    let mut prices = session.subscribe("prices/*")?;
    for _ in 0..50 {
        assert!(next(&mut prices).await?.wire_bytes == 0);
    }
    let mut changed = [next(&mut prices).await?, next(&mut prices).await?];
    changed.sort_by_key(|update| update.path.as_str().to_owned());
    assert!(matches!(&changed[0].kind, UpdateKind::Value { value, .. } if value.to_string() == price(777)));
    assert_eq!(changed[1].kind, UpdateKind::Removed);
    assert_eq!(resumptions.next().await.ok_or("no end")?.outcome, ResumeOutcome::Complete);
    let counted = session.statistics();
    assert!(counted.snapshots == 0 && counted.bytes_in < 200, "{counted:?}");
    Ok(())
}

#[tokio::test]
async fn a_session_goes_on_by_deltas_at_a_gateway_that_was_started_anew() -> Result {
    let directory = tempfile::tempdir()?;
    let start = || -> Result<Gateway> {
        let config = GatewayConfig { listen: ([127, 0, 0, 1], 0).into(), ..GatewayConfig::default() };
        Ok(Gateway::start(config, Box::new(DiskLog::open(directory.path(), DiskOptions::default())?))?)
    };
    let store = tempfile::tempdir()?;
    let path = store.path().join("store");
    let gateway = start()?;
    let publisher = outpour::connect(&gateway.url()).await?;
    publisher.set("a", outpour::Value::json(price(1))).await?;
    let session = SessionBuilder::new(&gateway.url()).with_store(&path).connect().await?;
    let mut updates = session.subscribe("a")?;
    next(&mut updates).await?;
    session.close().await;
    drop(publisher);
    drop(gateway);

    let gateway = start()?;
    let publisher = outpour::connect(&gateway.url()).await?;
    publisher.set("a", outpour::Value::json(price(2))).await?;
    let session = SessionBuilder::new(&gateway.url()).with_store(&path).connect().await?;
    let mut updates = session.subscribe("a")?;
    assert!(next(&mut updates).await?.wire_bytes == 0);
    assert!(matches!(next(&mut updates).await?.kind, UpdateKind::Value { value, .. } if value.to_string() == price(2)));
    assert_eq!((session.statistics().deltas, session.statistics().snapshots), (1, 0));
    Ok(())
}

#[tokio::test]
async fn a_store_that_is_damaged_is_set_aside_and_one_in_use_is_not_shared() -> Result {
    let directory = tempfile::tempdir()?;
    let path = directory.path().join("store");
    std::fs::write(&path, b"OPst\x01 something that no session wrote")?;
    let gateway = Gateway::ephemeral()?;
    let session = SessionBuilder::new(&gateway.url()).with_store(&path).connect().await?;
    assert!(!path.exists() && directory.path().join("store.damaged").exists());
    let refused = SessionBuilder::new(&gateway.url()).with_store(&path).start().map(drop).unwrap_err();
    assert!(refused.code() == ErrorCode::BadOptions && refused.to_string().contains("in use"), "{refused}");
    session.set("a", "1").await?;
    let mut updates = session.subscribe("a")?;
    next(&mut updates).await?;
    session.close().await;
    drop(session);
    // It is free again, and sound.
    let again = SessionBuilder::new(&gateway.url()).with_store(&path).start()?;
    assert!(again.replica("a").is_some());
    Ok(())
}

#[tokio::test]
async fn a_session_that_was_suspended_comes_back_where_it_was() -> Result {
    let gateway = Gateway::ephemeral()?;
    let publisher = outpour::connect(&gateway.url()).await?;
    publisher.set("a", outpour::Value::json(price(1))).await?;
    let session = outpour::connect(&gateway.url()).await?;
    let mut updates = session.subscribe("a")?;
    next(&mut updates).await?;
    let mut states = session.connection();
    session.suspend();
    while states.next().await.ok_or("the session is over")? != ConnectionState::Suspended {}
    publisher.set("a", outpour::Value::json(price(2))).await?;
    let mut resumptions = session.resumptions();
    session.resume();
    assert!(matches!(next(&mut updates).await?.kind, UpdateKind::Value { value, .. } if value.to_string() == price(2)));
    assert_eq!(resumptions.next().await.ok_or("no end")?.outcome, ResumeOutcome::Complete);
    assert_eq!(session.statistics().deltas, 1);
    // Hints change nothing for a connection that works.
    session.network_down();
    session.network_up();
    publisher.set("a", outpour::Value::json(price(3))).await?;
    next(&mut updates).await?;
    assert_eq!(session.statistics().connections, 2);
    Ok(())
}

#[tokio::test]
async fn the_application_chooses_what_a_full_queue_does() -> Result {
    let unreachable = "ws://127.0.0.1:9";
    let strict = SessionBuilder::new(unreachable).queue(2, 1 << 20).when_full(QueuePolicy::Error).start()?;
    let [first, second] = [strict.set("a", 1).send()?, strict.set("a", 2).send()?];
    assert_eq!(strict.set("a", 3).await.unwrap_err().code(), ErrorCode::QueueFull);
    drop((first, second));

    let gateway = Gateway::ephemeral()?;
    let newest = SessionBuilder::new(unreachable)
        .or_at(&gateway.url())
        .queue(2, 1 << 20)
        .when_full(QueuePolicy::DropOldest)
        .start()?;
    let [oldest, _second, _third] =
        [newest.set("a", 1).send()?, newest.set("a", 2).send()?, newest.set("a", 3).send()?];
    assert_eq!(oldest.await.unwrap_err().code(), ErrorCode::QueueFull);

    let patient = SessionBuilder::new(unreachable).or_at(&gateway.url()).queue(1, 1 << 20).start()?;
    let _first = patient.set("b", 1).send()?;
    patient.set("b", 2).await?;
    until_live(&patient).await?;
    Ok(())
}
