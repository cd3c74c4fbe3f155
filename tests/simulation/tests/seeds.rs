//! Many runs, each from its seed.

use outpour_simulation::{Sabotage, run};

/// `SIMULATION_SEEDS` runs that many; `SIMULATION_SEED` starts with that one.
fn setting(name: &str, otherwise: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(otherwise)
}

#[test]
fn every_promise_is_kept_on_every_seed() {
    let first = setting("SIMULATION_SEED", 1);
    for seed in first..first + setting("SIMULATION_SEEDS", 300) {
        if let Err(failure) = run(seed, 150, Sabotage::None) {
            panic!(
                "{failure}\nreplay: SIMULATION_SEED={seed} SIMULATION_SEEDS=1 cargo test -p outpour-simulation every"
            );
        }
    }
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
    for sabotage in [Sabotage::LoseMessages, Sabotage::SkipOutcomes, Sabotage::DropUpdates, Sabotage::ForgetPublishes] {
        let found = (1..200).find(|seed| run(*seed, 150, sabotage).is_err());
        assert!(found.is_some(), "{sabotage:?} went unnoticed");
    }
}
