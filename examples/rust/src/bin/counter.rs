//! Counts in a topic that others may count in as well: whoever was slower tries again.
//!
//! `cargo run -p outpour-examples --bin counter -- ws://127.0.0.1:7400`

use outpour::ErrorCode;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), outpour::Error> {
    let url = std::env::args().nth(1).unwrap_or_else(|| "ws://127.0.0.1:7400".into());
    let session = outpour::connect(&url).await?;
    let count = loop {
        let held = session.get("counters/runs").await?;
        let count = held.as_ref().and_then(|held| held.value.as_i64()).unwrap_or(0) + 1;
        let set = session.set("counters/runs", count);
        let set = match held {
            Some(held) => set.if_version(held.version),
            None => set.if_absent(),
        };
        match set.await {
            Ok(_) => break count,
            Err(error) if matches!(error.code(), ErrorCode::VersionMismatch | ErrorCode::AlreadyExists) => {}
            Err(error) => return Err(error),
        }
    };
    println!("run {count}");
    session.close().await;
    Ok(())
}
