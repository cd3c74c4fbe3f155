//! Runs the simulation over many seeds: `cargo xtask simulate`.

use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use clap::Parser;
use outpour_simulation::{Failure, Sabotage, run, shorten};

/// Both halves of the protocol in virtual time, each run drawn from a seed.
#[derive(Debug, Parser)]
struct Options {
    /// How many seeds to run
    #[arg(long, default_value_t = 1000)]
    seeds: u64,
    /// The first of them
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// How many transitions each run has
    #[arg(long, default_value_t = 200)]
    transitions: usize,
    /// A deliberate defect, to see that it is found
    #[arg(long, value_parser = |name: &str| Sabotage::from_name(name).ok_or("there is no such defect"), default_value = "none")]
    sabotage: Option<Sabotage>,
}

/// How often to say how far it is.
const REPORT: Duration = Duration::from_secs(10);

fn main() -> ExitCode {
    let options = Options::parse();
    let sabotage = options.sabotage.unwrap_or(Sabotage::None);
    let end = options.seed + options.seeds;
    let (next, failed, start) = (AtomicU64::new(options.seed), AtomicBool::new(false), Instant::now());
    let found: Mutex<Option<(Failure, usize)>> = Mutex::new(None);
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let reported = Mutex::new(Instant::now());
    let look = || {
        while !failed.load(Ordering::Relaxed)
            && let seed = next.fetch_add(1, Ordering::Relaxed)
            && seed < end
        {
            if run(seed, options.transitions, sabotage).is_err() && !failed.swap(true, Ordering::Relaxed) {
                eprintln!("seed {seed} fails; looking for a shorter run that does");
                *found.lock().expect("no thread panics") = shorten(seed, options.transitions, sabotage);
            }
            let mut last = reported.lock().expect("no thread panics");
            if last.elapsed() > REPORT {
                *last = Instant::now();
                let done = seed - options.seed + 1;
                eprintln!(
                    "{done} of {} seeds, {:.0} a second",
                    options.seeds,
                    done as f64 / start.elapsed().as_secs_f64()
                );
            }
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(look);
        }
    });
    if let Some((failure, left)) = found.into_inner().expect("no thread panics") {
        println!("{failure}\n{left} of {} transitions are left.", options.transitions);
        println!(
            "To see it again: cargo xtask simulate --seed {} --seeds 1 --transitions {}",
            failure.seed, options.transitions
        );
        return ExitCode::FAILURE;
    }
    let seconds = start.elapsed().as_secs_f64();
    println!(
        "{} seeds of {} transitions kept every promise, in {seconds:.1} s: {:.0} a second on {threads} threads.",
        options.seeds,
        options.transitions,
        options.seeds as f64 / seconds
    );
    ExitCode::SUCCESS
}
