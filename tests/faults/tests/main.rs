//! Each fault against real gateways and clients; `docs/testing.md` says which test is for which.
#![allow(clippy::unwrap_used, reason = "a test may end in a panic")]

mod crashes;
mod crowd;
mod cuts;
mod data;
mod drain;
mod publishing;
mod slow;
mod soak;
mod stalls;
