//! Many runs, each from its seed.

use std::sync::atomic::{AtomicU64, Ordering};

use outpour_simulation::{Sabotage, run, shorten};

/// How many transitions a run has.
const TRANSITIONS: usize = 200;

/// `SIMULATION_SEEDS` runs that many; `SIMULATION_SEED` starts with that one.
fn setting(name: &str, otherwise: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(otherwise)
}

#[test]
fn every_promise_is_kept_on_every_seed() {
    let first = setting("SIMULATION_SEED", 1);
    let (next, end) = (AtomicU64::new(first), first + setting("SIMULATION_SEEDS", 2000));
    let look = || {
        while let seed = next.fetch_add(1, Ordering::Relaxed)
            && seed < end
        {
            if let Some((failure, left)) =
                run(seed, TRANSITIONS, Sabotage::None).err().and(shorten(seed, TRANSITIONS, Sabotage::None))
            {
                panic!(
                    "{failure}\n{left} transitions are left. To see it again: cargo xtask simulate --seed {seed} --seeds 1"
                );
            }
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(look);
        }
    });
}

#[test]
fn the_same_seed_gives_the_same_run() {
    for seed in 1..20 {
        let fingerprints = [0; 2].map(|_| run(seed, 100, Sabotage::None).expect("no promise is broken"));
        assert_eq!(fingerprints[0], fingerprints[1], "seed {seed}");
    }
}

#[test]
fn deliberate_defects_are_found() {
    for sabotage in Sabotage::ALL {
        let found = (1..400).find(|seed| run(*seed, TRANSITIONS, sabotage).is_err());
        println!("{sabotage:?}: found with seed {found:?}");
        assert!(found.is_some(), "{sabotage:?} went unnoticed");
    }
}
