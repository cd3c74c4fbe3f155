//! `cargo xtask faults`: a soak for as long as one likes.

use std::process::ExitCode;
use std::time::{Duration, SystemTime};

use clap::Parser;
use outpour_faults::soak;

/// Real gateways and clients, and everything that goes wrong between them, at random from a seed
#[derive(Debug, Parser)]
#[command(name = "outpour-faults")]
struct Arguments {
    /// For how long, in seconds
    #[arg(long, default_value_t = 60)]
    seconds: u64,
    /// What to repeat [default: something new]
    #[arg(long)]
    seed: Option<u64>,
}

#[tokio::main]
async fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let since_1970 = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let seed = arguments.seed.unwrap_or(since_1970.as_millis() as u64);
    println!("seed {seed}");
    let report = |report: &soak::Report| println!("{report:?}");
    // A panic says what went wrong, after the seed.
    let soaked = tokio::spawn(soak::soak(seed, Duration::from_secs(arguments.seconds), report)).await;
    match soaked {
        Ok(_) => ExitCode::SUCCESS,
        Err(_) => {
            eprintln!("Repeat with `cargo xtask faults --seconds {} --seed {seed}`.", arguments.seconds);
            ExitCode::FAILURE
        }
    }
}
