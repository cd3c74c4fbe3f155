//! Publishes a typed price ten times, of which only the digits that changed go upstream.
//!
//! `cargo run -p outpour-examples --bin ticker -- ws://127.0.0.1:7400`

use serde::{Deserialize, Serialize};

#[derive(Debug, Serialize, Deserialize)]
struct Price {
    bid: f64,
    ask: f64,
    venue: String,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), outpour::Error> {
    let url = std::env::args().nth(1).unwrap_or_else(|| "ws://127.0.0.1:7400".into());
    let session = outpour::connect(&url).await?;

    let stream = session.update_stream("prices/eurusd")?;
    for tick in 0..10 {
        let bid = 1.08 + f64::from(tick) / 10_000.0;
        let price = Price { bid, ask: bid + 0.0002, venue: "example exchange".into() };
        stream.set(outpour::json(&price)?).await?;
    }

    let held = session.get("prices/eurusd").await?.expect("it was just set");
    let price: Price = outpour::from_json(&held.value)?;
    println!("the last bid is {:.4}", price.bid);
    println!("{} bytes were sent", session.statistics().bytes_out);
    session.close().await;
    Ok(())
}
