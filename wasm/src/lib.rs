//! The Outpour session for JavaScript: the protocol core, driven by the platform's own `WebSocket` and timer.
//!
//! Nothing of the protocol is decided here, and nothing of the API that people use: that is the npm package in
//! `bindings/js`, which calls an [`Engine`] and reads the records (`src/records.rs`) that it hands out.

mod clock;
mod driver;
mod engine;
mod platform;
mod records;
mod socket;
mod update_records;

pub use engine::{Engine, describe_code, describe_store_error};
pub use platform::Host;
