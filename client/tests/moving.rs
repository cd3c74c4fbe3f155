//! A session whose gateway is drained goes on at another one, and its application is not disconnected.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use outpour::{ConnectionState, SessionBuilder, Subscription, UpdateKind};
use outpour_server::gateway::Gateway;

type Result<T = ()> = std::result::Result<T, Box<dyn std::error::Error>>;

/// The next value, whatever becomes of topics in between: the two gateways have a log each.
async fn next_text(updates: &mut Subscription) -> Result<String> {
    loop {
        if let UpdateKind::Value { value, .. } = updates.next().await.ok_or("the subscription ended")??.kind {
            return Ok(value.to_string());
        }
    }
}

#[tokio::test]
async fn a_session_moves_before_its_gateway_is_gone() -> Result {
    let (old, new) = (Gateway::ephemeral()?, Gateway::ephemeral()?);
    let session = SessionBuilder::new(&old.url()).or_at(&new.url()).connect().await?;
    let losses = Arc::new(AtomicUsize::new(0));
    let (mut states, counted) = (session.connection(), Arc::clone(&losses));
    tokio::spawn(async move {
        while let Some(state) = states.next().await {
            counted.fetch_add(usize::from(state != ConnectionState::Connected), Ordering::Relaxed);
        }
    });
    let mut updates = session.subscribe("a")?;
    session.set("a", "at the old one").await?;
    assert_eq!(next_text(&mut updates).await?, "at the old one");

    let drained = tokio::task::spawn_blocking(move || old.drain(Duration::from_secs(10))).await?;
    assert_eq!((drained.connections, drained.cut), (1, 0), "it has left by itself");
    assert_eq!(session.connection_state(), ConnectionState::Connected);
    session.set("a", "at the new one").await?;
    assert_eq!(next_text(&mut updates).await?, "at the new one");
    assert_eq!(losses.load(Ordering::Relaxed), 0);
    assert_eq!(session.statistics().connections, 2);
    assert_eq!(new.statistics().connections, 1);
    Ok(())
}
