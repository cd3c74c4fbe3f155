//! The `outpour` command.

mod bench;
mod feed;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Live data for everyone outside, over networks that drop
#[derive(Debug, Parser)]
#[command(name = "outpour", version, arg_required_else_help = true)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Measure what Outpour costs
    #[command(subcommand)]
    Bench(bench::BenchCommand),
}

fn main() -> ExitCode {
    let result = match Arguments::parse().command {
        Command::Bench(command) => bench::run(&command),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("outpour: {error}");
            ExitCode::FAILURE
        }
    }
}
