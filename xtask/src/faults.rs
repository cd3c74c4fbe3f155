//! `cargo xtask faults`: real gateways and clients, and everything that goes wrong between them.

use clap::Args;

use crate::{
    Result,
    project::{Project, run as run_command},
};

/// How long, and what.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// For how long, in seconds
    #[arg(long, default_value_t = 60)]
    seconds: u64,
    /// What to repeat [default: something new]
    #[arg(long)]
    seed: Option<u64>,
}

/// Builds the programs and lets them suffer.
pub(crate) fn run(project: &Project, options: &Options) -> Result {
    project.build_programs()?;
    let mut command = project.command(project.binary("debug", "outpour-faults"));
    command.args(["--seconds", &options.seconds.to_string()]);
    if let Some(seed) = options.seed {
        command.args(["--seed", &seed.to_string()]);
    }
    run_command(&mut command)
}
