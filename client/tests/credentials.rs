//! Sessions that show who they are.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use outpour::{ErrorCode, SessionBuilder, Value};
use outpour_server::auth::{AuthError, Authenticator, Identity};
use outpour_server::gateway::{Gateway, GatewayConfig};
use outpour_server::log::MemoryLog;

type Result<T = ()> = std::result::Result<T, Box<dyn std::error::Error>>;

/// Takes tickets, each for a while.
#[derive(Debug)]
struct Tickets {
    lifetime: Duration,
    /// The number of the newest ticket that was taken.
    newest: AtomicUsize,
}

impl Authenticator for Tickets {
    fn authenticate(&self, credentials: &[u8], now_ms: u64) -> std::result::Result<Identity, AuthError> {
        let number = std::str::from_utf8(credentials).ok().and_then(|text| text.strip_prefix("ticket ")?.parse().ok());
        let number: usize = number.ok_or(AuthError::Unknown)?;
        self.newest.fetch_max(number, Ordering::SeqCst);
        let expires_ms = Some(now_ms + self.lifetime.as_millis() as u64);
        Ok(Identity { principal: "anna".into(), expires_ms })
    }
}

fn gateway(lifetime: Duration) -> Result<(Gateway, Arc<Tickets>)> {
    let tickets = Arc::new(Tickets { lifetime, newest: AtomicUsize::new(0) });
    let mut config = GatewayConfig { listen: ([127, 0, 0, 1], 0).into(), ..GatewayConfig::default() };
    config.shard.authenticator = Arc::<Tickets>::clone(&tickets);
    Ok((Gateway::start(config, Box::new(MemoryLog::fresh()?))?, tickets))
}

#[tokio::test]
async fn a_session_shows_what_it_was_given() -> Result {
    let (gateway, tickets) = gateway(Duration::from_secs(600))?;
    let session = SessionBuilder::new(&gateway.url()).credentials("ticket 7").connect().await?;
    session.set("a", Value::text("b")).await?;
    assert_eq!(tickets.newest.load(Ordering::SeqCst), 7);
    session.close().await;

    let refused = SessionBuilder::new(&gateway.url()).credentials("no ticket").connect().await;
    assert_eq!(refused.err().map(|error| error.code()), Some(ErrorCode::Unauthenticated));
    let refused = SessionBuilder::new(&gateway.url()).connect().await;
    assert_eq!(refused.err().map(|error| error.code()), Some(ErrorCode::Unauthenticated));
    Ok(())
}

#[tokio::test]
async fn a_session_goes_on_with_new_credentials_when_the_last_have_expired() -> Result {
    let (gateway, tickets) = gateway(Duration::from_millis(300))?;
    let asked = Arc::new(AtomicUsize::new(0));
    let expired = Arc::new(AtomicUsize::new(0));
    let (count, late) = (Arc::clone(&asked), Arc::clone(&expired));
    let session = SessionBuilder::new(&gateway.url())
        .credentials_from(move |has_expired| {
            late.fetch_add(usize::from(has_expired), Ordering::SeqCst);
            let number = count.fetch_add(1, Ordering::SeqCst) + 1;
            async move { Ok::<_, std::io::Error>(format!("ticket {number}").into_bytes()) }
        })
        .connect()
        .await?;
    let mut number = 0;
    while tickets.newest.load(Ordering::SeqCst) < 3 {
        number += 1;
        session.set("a", Value::text(number.to_string())).await?;
    }
    let held = session.get("a").await?;
    assert!(held.is_some());
    // Once for each need: the first, and each time that the last had expired.
    let asked = asked.load(Ordering::SeqCst);
    assert_eq!(asked, expired.load(Ordering::SeqCst) + 1);
    session.close().await;
    Ok(())
}
