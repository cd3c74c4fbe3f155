//! Publishes one value and says which version it became: the smallest program there is.
//!
//! `cargo run -p outpour-examples --bin publish -- ws://127.0.0.1:7400 greetings/hello "Hello, world"`

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), outpour::Error> {
    let mut arguments = std::env::args().skip(1);
    let url = arguments.next().unwrap_or_else(|| "ws://127.0.0.1:7400".into());
    let path = arguments.next().unwrap_or_else(|| "greetings/hello".into());
    let text = arguments.next().unwrap_or_else(|| "Hello, world".into());

    let session = outpour::connect(&url).await?;
    let version = session.set(&path, text).await?;
    println!("{path} is at version {version}");
    session.close().await;
    Ok(())
}
