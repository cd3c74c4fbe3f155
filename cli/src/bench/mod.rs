//! `outpour bench`: what Outpour costs, measured against what it could cost at least.

mod behind;
mod delta;
// CPU time, memory and cores of processes are read and set in Linux's own ways.
#[cfg(target_os = "linux")]
mod fanout;
#[cfg(target_os = "linux")]
mod frame;
#[cfg(target_os = "linux")]
mod process;
#[cfg(target_os = "linux")]
mod resume;

use std::path::PathBuf;

/// What to measure
#[derive(Clone, Debug, clap::Subcommand)]
pub(crate) enum BenchCommand {
    /// How much smaller the deltas of recorded feeds are than their values, and what they cost
    Delta {
        /// Feeds as JSON lines, plain or compressed with gzip or zstd
        #[arg(required = true, value_name = "FILE")]
        files: Vec<PathBuf>,
        /// Print the figures as JSON
        #[arg(long)]
        json: bool,
    },
    #[cfg(target_os = "linux")]
    Resume(resume::ResumeArgs),
    #[cfg(target_os = "linux")]
    Fanout(fanout::FanoutArgs),
    #[cfg(target_os = "linux")]
    #[command(hide = true)]
    Floor(fanout::FloorArgs),
    #[cfg(target_os = "linux")]
    #[command(hide = true)]
    Launch(fanout::LaunchArgs),
}

/// Runs one benchmark and prints its report.
///
/// # Errors
/// When the benchmark can't be run; the error says why in one sentence.
pub(crate) fn run(command: &BenchCommand) -> Result<(), Box<dyn std::error::Error>> {
    match command {
        BenchCommand::Delta { files, json } => delta::run(files, *json)?,
        #[cfg(target_os = "linux")]
        BenchCommand::Resume(args) => resume::run(args)?,
        #[cfg(target_os = "linux")]
        BenchCommand::Fanout(args) => fanout::run(args)?,
        #[cfg(target_os = "linux")]
        BenchCommand::Floor(args) => fanout::run_floor(args)?,
        #[cfg(target_os = "linux")]
        BenchCommand::Launch(args) => fanout::run_launch(args)?,
    }
    Ok(())
}
