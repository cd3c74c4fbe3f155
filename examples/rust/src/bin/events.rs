//! Appends to an event topic, and follows it from its past on.
//!
//! `cargo run -p outpour-examples --bin events -- ws://127.0.0.1:7400`

use outpour::{HistoryStart, SubscribeOptions, UpdateKind};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), outpour::Error> {
    let url = std::env::args().nth(1).unwrap_or_else(|| "ws://127.0.0.1:7400".into());
    let session = outpour::connect(&url).await?;
    for event in ["opened", "filled", "closed"] {
        session.append("orders/7/log", event).await?;
    }

    let options = SubscribeOptions { from: HistoryStart::Last(2), ..SubscribeOptions::default() };
    let mut events = session.subscribe_with("orders/*/log", &options)?;
    for _ in 0..2 {
        let Some(update) = events.next().await else { break };
        if let UpdateKind::Event { value, .. } = update?.kind {
            println!("{value}");
        }
    }
    session.close().await;
    Ok(())
}
