//! Both halves of the protocol in virtual time: the real sessions, peers, fan-out, broker and log,
//! without sockets, threads or a clock, everything drawn from one seed, against a reference model.
//!
//! A run that fails prints its seed; the same seed gives the same run.

pub mod client;
pub mod gateway;
pub mod log;
pub mod model;
pub mod network;
pub mod random;
pub mod transition;
pub mod world;

pub use world::{Failure, Sabotage, World};

/// Runs `transitions` transitions drawn from `seed`, heals the network, and checks what everybody
/// holds. Returns a fingerprint of the run.
///
/// # Errors
/// What was found wrong, with the trace of the run.
pub fn run(seed: u64, transitions: usize, sabotage: Sabotage) -> Result<u64, Failure> {
    let mut world = World::new(seed, sabotage);
    for _ in 0..transitions {
        world.transition()?;
    }
    world.settle()?;
    Ok(world.fingerprint())
}
