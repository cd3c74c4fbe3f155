//! The Outpour session for JavaScript: the protocol core, driven by the platform's own `WebSocket` and timer.
//!
//! Nothing of the protocol is decided here, and nothing of the API that people use: that is the npm package in
//! `bindings/js`, which calls the functions of `src/engine.rs`, provides those of `src/platform.rs`, and reads the records
//! (`src/records.rs`) that an engine hands out. No generator stands between the two: what one makes weighs more than both.

#[cfg(target_arch = "wasm32")]
mod allocator;
mod clock;
mod driver;
mod engine;
mod engines;
mod exchange;
#[cfg(target_arch = "wasm32")]
mod heap;
mod platform;
mod records;
mod socket_events;
mod update_records;
