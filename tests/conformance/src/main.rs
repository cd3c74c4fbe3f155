//! `cargo xtask conformance`: has every SDK play the same scenarios against real gateways, and holds what they say
//! against each other. The README beside this crate specifies scenarios and runners.

#![allow(clippy::unwrap_used, reason = "a harness may end in a panic: that is how its tests fail")]

mod expectation;
mod matrix;
mod play;
mod runner;
mod scenario;
mod schema;
mod stage;

use std::process::ExitCode;

use clap::Parser;
use futures_util::future::join_all;

use crate::matrix::{Cell, Matrix};
use crate::play::{Outcome, play};
use crate::runner::Runner;
use crate::scenario::Scenario;

/// The conformance suite
#[derive(Debug, Parser)]
#[command(name = "outpour-conformance")]
struct Options {
    /// Play the scenarios whose names contain this alone
    #[arg(long, default_value = "")]
    scenario: String,
    /// Let the SDKs whose names contain this play alone
    #[arg(long, default_value = "")]
    sdk: String,
    /// Print every step, and what was answered
    #[arg(long)]
    verbose: bool,
}

#[tokio::main]
async fn main() -> ExitCode {
    let options = Options::parse();
    let scenarios: Vec<_> = match scenario::load() {
        Ok(all) => all.into_iter().filter(|scenario| scenario.name.contains(&options.scenario)).collect(),
        Err(error) => {
            eprintln!("error: {error}");
            return ExitCode::FAILURE;
        }
    };
    let mut runners: Vec<_> =
        runner::load().into_iter().filter(|runner| runner.sdk.contains(&options.sdk)).map(Runner::new).collect();
    if scenarios.is_empty() || runners.is_empty() {
        eprintln!("error: no scenario or no SDK has such a name");
        return ExitCode::FAILURE;
    }
    let alone = alone(&scenarios, &mut runners, options.verbose).await;
    println!("{alone}");
    let together = together(&scenarios, &mut runners, options.verbose).await;
    if !together.is_empty() {
        println!("{together}");
    }
    if alone.is_conforming() && together.is_conforming() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Every scenario by every SDK.
async fn alone(scenarios: &[Scenario], runners: &mut [Runner], verbose: bool) -> Matrix {
    let mut matrix = Matrix::new("scenario", runners.iter().map(|runner| runner.name().to_owned()).collect());
    for scenario in scenarios {
        // Much of a scenario is waiting for gateways and networks.
        let outcomes = join_all(runners.iter_mut().map(async |runner| match scenario.except.get(runner.name()) {
            Some(why) => Outcome::Excepted(why.clone()),
            None => play(scenario, runner, None, verbose).await,
        }));
        let outcomes = outcomes.await;
        matrix.add(&scenario.name, Cell::row(scenario, outcomes));
    }
    matrix
}

/// The scenarios for two SDKs by every pair of different ones.
async fn together(scenarios: &[Scenario], runners: &mut [Runner], verbose: bool) -> Matrix {
    let pairs: Vec<(usize, usize)> = (0..runners.len())
        .flat_map(|here| (0..runners.len()).map(move |there| (here, there)))
        .filter(|(here, there)| here != there)
        .collect();
    let name = |(here, there): &(usize, usize)| format!("{} -> {}", runners[*there].name(), runners[*here].name());
    let mut matrix = Matrix::new("publisher -> subscriber", pairs.iter().map(name).collect());
    for scenario in scenarios.iter().filter(|scenario| !scenario.elsewhere.is_empty()) {
        let mut outcomes = Vec::new();
        for (here, there) in &pairs {
            let [here, there] = runners.get_disjoint_mut([*here, *there]).unwrap();
            let excepted = [here.name(), there.name()].iter().find_map(|name| scenario.except.get(*name)).cloned();
            outcomes.push(match excepted {
                Some(why) => Outcome::Excepted(why),
                None => play(scenario, here, Some(there), verbose).await,
            });
        }
        matrix.add(&scenario.name, Cell::row(scenario, outcomes));
    }
    matrix
}
