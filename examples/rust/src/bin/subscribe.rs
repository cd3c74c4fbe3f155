//! Follows topics and prints what happens to them.
//!
//! `cargo run -p outpour-examples --bin subscribe -- ws://127.0.0.1:7400 'prices/**'`

use outpour::UpdateKind;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), outpour::Error> {
    let mut arguments = std::env::args().skip(1);
    let url = arguments.next().unwrap_or_else(|| "ws://127.0.0.1:7400".into());
    let selector = arguments.next().unwrap_or_else(|| "**".into());

    let session = outpour::connect(&url).await?;
    let mut updates = session.subscribe(&selector)?;
    while let Some(update) = updates.next().await {
        let update = update?;
        match update.kind {
            UpdateKind::Value { value, version } => println!("{} = {value} (version {version})", update.path),
            UpdateKind::Event { value, sequence, .. } => println!("{} #{sequence}: {value}", update.path),
            UpdateKind::Gap { first, last } => println!("{}: events {first} to {last} are missing", update.path),
            UpdateKind::Removed => println!("{} is removed", update.path),
            _ => {}
        }
    }
    Ok(())
}
