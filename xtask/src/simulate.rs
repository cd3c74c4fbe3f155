//! `cargo xtask simulate`: sessions, gateways, logs and networks in virtual time.

use clap::Args;

use crate::{
    Result,
    project::{Project, run as run_command},
};

/// How many runs, and of what.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// How many seeds to run
    #[arg(long, default_value_t = 1000)]
    seeds: u64,
    /// The first of them
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// How many transitions each run has
    #[arg(long, default_value_t = 200)]
    transitions: usize,
    /// A deliberate defect, to see that it is found (`tests/simulation/src/sabotage.rs` has them all)
    #[arg(long)]
    sabotage: Option<String>,
}

/// Builds the simulation as fast as it can be, and runs it.
pub(crate) fn run(project: &Project, options: &Options) -> Result {
    run_command(&mut project.cargo(["build", "--release", "--package", "outpour-simulation"]))?;
    let mut command = project.command(project.binary("release", "outpour-simulation"));
    command.args(["--seeds", &options.seeds.to_string(), "--seed", &options.seed.to_string()]);
    command.args(["--transitions", &options.transitions.to_string()]);
    if let Some(sabotage) = &options.sabotage {
        command.args(["--sabotage", sabotage]);
    }
    run_command(&mut command)
}
