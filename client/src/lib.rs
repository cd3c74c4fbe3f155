//! Live data over any network: the Outpour SDK for Rust.
//!
//! A publisher sets a topic; every subscriber holds a replica of it, and only the bytes that changed
//! cross the network. A [`Session`] outlives its connections: after a lost network it goes on from
//! where it was.
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let gateway = outpour_server::gateway::Gateway::ephemeral()?;
//! # let url = gateway.url();
//! use outpour::{UpdateKind, Value};
//!
//! let session = outpour::connect(&url).await?; // "ws://127.0.0.1:7400"
//! session.set("prices/eurusd", Value::json(r#"{"bid":1.0841,"ask":1.0843}"#)).await?;
//!
//! let mut prices = session.subscribe("prices/**")?;
//! let update = prices.next().await.expect("the session is open")?;
//! if let UpdateKind::Value { value, version } = update.kind {
//!     println!("{} is {value} since {version}", update.path);
//! }
//! session.close().await;
//! # Ok(()) }
//! ```
//!
//! The protocol itself lives in `outpour-core`; this crate drives it with tokio and a WebSocket.

mod builder;
mod clock;
mod connection;
mod credentials;
mod driver;
mod endpoint;
mod error;
mod publish;
mod session;
mod state;
mod store;
mod subscription;
mod transport;
#[cfg(feature = "serde")]
mod typed;

pub use builder::{QueuePolicy, SessionBuilder};
pub use connection::{ConnectionState, ConnectionStates, Resumption, Resumptions};
pub use error::Error;
pub use outpour_core::session::{
    FetchedItem, MissedEvents, Replica, ResumeOutcome, Statistics, SubscribeOptions, Update, UpdateKind,
};
pub use outpour_core::wire::{HistoryStart, TopicProperties};
pub use outpour_core::{Epoch, ErrorCode, Fault, Path, Selector, TopicKind, Value, ValueType, Version};
pub use publish::{Acknowledgement, Publish, UpdateStream};
pub use session::{Session, connect};
pub use subscription::Subscription;
#[cfg(feature = "serde")]
pub use typed::{from_json, json};
