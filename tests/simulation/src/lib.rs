//! Both halves of the protocol in virtual time: the real sessions, peers, fan-out, broker and log,
//! without sockets, threads or a clock, everything drawn from one seed, against a reference model.
//!
//! A run that fails prints its seed; the same seed gives the same run.

pub mod checks;
pub mod client;
pub mod disk;
pub mod engine;
pub mod failure;
pub mod faults;
pub mod fetching;
pub mod gateway;
pub mod limits;
pub mod log;
pub mod model;
pub mod network;
pub mod random;
pub mod sabotage;
pub mod transition;
pub mod world;

#[cfg(test)]
mod coverage;
#[cfg(test)]
mod round_trips;

pub use failure::Failure;
pub use sabotage::Sabotage;
pub use world::World;

/// Runs `transitions` transitions drawn from `seed`, heals the network, and checks what everybody
/// holds. Returns a fingerprint of the run.
///
/// # Errors
/// What was found wrong, with the trace of the run.
pub fn run(seed: u64, transitions: usize, sabotage: Sabotage) -> Result<u64, Failure> {
    run_only(seed, &(0..transitions).collect::<Vec<_>>(), sabotage)
}

/// The same with some of the transitions only. Each is drawn by itself: it is the same whether the others are there or
/// not.
fn run_only(seed: u64, transitions: &[usize], sabotage: Sabotage) -> Result<u64, Failure> {
    let mut world = World::new(seed, sabotage);
    for number in transitions {
        world.draw_anew(*number as u64 + 1);
        world.transition()?;
    }
    world.settle()?;
    Ok(world.fingerprint())
}

/// How many runs are made to find a shorter one that fails as well.
const SHORTENINGS: usize = 400;

/// A run of a seed that fails, made as short as can be by leaving transitions out: delta debugging
/// (A. Zeller, R. Hildebrandt, "Simplifying and Isolating Failure-Inducing Input", 2002).
///
/// Gives the failure with what was found wrong first, and how many transitions are left; `None` if the seed does not fail.
#[must_use]
pub fn shorten(seed: u64, transitions: usize, sabotage: Sabotage) -> Option<(Failure, usize)> {
    let mut kept: Vec<usize> = (0..transitions).collect();
    let mut failure = run_only(seed, &kept, sabotage).err()?;
    let (mut size, mut runs) = (kept.len().div_ceil(2), 0);
    while size > 0 && runs < SHORTENINGS {
        let mut start = 0;
        let mut shorter = false;
        while start < kept.len() && runs < SHORTENINGS {
            let rest: Vec<usize> = kept
                .iter()
                .enumerate()
                .filter(|(at, _)| !(start..start + size).contains(at))
                .map(|(_, n)| *n)
                .collect();
            runs += 1;
            match run_only(seed, &rest, sabotage) {
                Err(found) => {
                    (kept, failure, shorter) = (rest, found, true);
                }
                Ok(_) => start += size,
            }
        }
        if !shorter || size > 1 {
            size /= 2;
        }
    }
    Some((failure, kept.len()))
}
