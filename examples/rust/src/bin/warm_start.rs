//! Follows prices. Started a second time it shows what it held at once, without a network too, and then what changed.
//!
//! `cargo run -p outpour-examples --bin warm_start -- ws://127.0.0.1:7400`

use outpour::UpdateKind;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), outpour::Error> {
    let url = std::env::args().nth(1).unwrap_or_else(|| "ws://127.0.0.1:7400".into());
    let session = outpour::SessionBuilder::new(&url).with_store("prices.store").start()?;

    let mut prices = session.subscribe("prices/**")?;
    while let Some(update) = prices.next().await {
        let update = update?;
        let note = if update.stale { "  (held from before)" } else { "" };
        match update.kind {
            UpdateKind::Value { value, .. } => println!("{} = {value}{note}", update.path),
            UpdateKind::Removed => println!("{} is removed", update.path),
            _ => {}
        }
    }
    Ok(())
}
