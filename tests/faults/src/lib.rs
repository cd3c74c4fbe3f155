//! Real gateways and clients, and a network between them that fails as networks do.
//!
//! - [`Proxy`]: a TCP proxy that cuts, stalls, slows and reorders connections, on command, by
//!   rules, or at random from a seed;
//! - [`Process`]: `outpour serve`, `sub` and `pub` as people run them;
//! - [`Witness`]: writes down what one subscriber was told and objects to what must never happen;
//! - [`soak`]: all of it together, for as long as one likes.

#![allow(clippy::unwrap_used, reason = "a harness may end in a panic: that is how its tests fail")]

mod follower;
mod process;
mod program;
mod proxy;
mod random;
pub mod soak;
mod witness;

pub use follower::{Follower, eager, event_topic};
pub use process::{Gateway, Process, free_port};
pub use proxy::{Connection, Direction, Ending, Fault, Flow, Proxy, Rule, Which};
pub use random::Random;
pub use witness::{Observation, What, Witness};

/// How long anything awaited may take before a test fails: far longer than it takes on a slow machine.
pub const PATIENCE: std::time::Duration = std::time::Duration::from_secs(60);

/// Awaits something that has to happen.
///
/// # Panics
/// If it does not within [`PATIENCE`].
#[track_caller]
pub fn soon<T>(what: &str, awaited: impl Future<Output = T>) -> impl Future<Output = T> {
    let caller = std::panic::Location::caller();
    async move {
        match tokio::time::timeout(PATIENCE, awaited).await {
            Ok(value) => value,
            Err(_) => panic!("{caller}: {what} did not happen within {PATIENCE:?}"),
        }
    }
}
