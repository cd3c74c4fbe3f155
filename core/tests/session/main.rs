//! The client's half of the conversation against the gateway's real half, on a clock of the tests' own.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::std_instead_of_core,
    clippy::std_instead_of_alloc,
    reason = "a test may panic in what it calls, too"
)]

mod connection;
mod credentials;
mod endings;
mod failover;
mod gateway;
mod hostile;
mod journeys;
mod lifecycle;
mod merging;
mod moving;
mod pings;
mod properties;
mod publishing;
mod recovery;
mod store;
mod telling;
mod world;
