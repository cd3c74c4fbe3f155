//! The `outpour` command.

mod access;
mod bench;
mod console;
mod demo;
mod drain;
mod feed;
mod get;
mod interrupt;
mod output;
mod pid_file;
mod publish;
mod serve;
mod subscribe;

use std::error::Error;
use std::process::ExitCode;

use clap::{CommandFactory, Parser, Subcommand};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Live data over any network: a gateway, and tools to publish, follow and measure
#[derive(Debug, Parser)]
#[command(name = "outpour", version, arg_required_else_help = true, disable_help_subcommand = true)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run a gateway
    Serve(serve::Arguments),
    /// Have a gateway move its sessions elsewhere and end
    Drain(drain::Arguments),
    /// Publish one value, or a feed
    Pub(publish::Arguments),
    /// Follow topics
    Sub(subscribe::Arguments),
    /// Print current values
    Get(get::Arguments),
    /// Show a gateway with recorded feeds at work
    Demo(demo::Arguments),
    /// Measure what Outpour costs
    #[command(subcommand)]
    Bench(bench::BenchCommand),
    /// Print a script that completes commands in a shell
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
}

fn main() -> ExitCode {
    // Usage errors leave here with exit code 2.
    let done = match Arguments::parse().command {
        Command::Serve(arguments) => serve::run(&arguments),
        Command::Drain(arguments) => drain::run(&arguments),
        Command::Pub(arguments) => block_on(publish::run(&arguments)),
        Command::Sub(arguments) => block_on(subscribe::run(&arguments)),
        Command::Get(arguments) => block_on(get::run(&arguments)),
        Command::Demo(arguments) => block_on(demo::run(&arguments)),
        Command::Bench(command) => bench::run(&command),
        Command::Completions { shell } => {
            clap_complete::generate(shell, &mut Arguments::command(), "outpour", &mut std::io::stdout());
            Ok(())
        }
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("outpour: {failure}");
            ExitCode::FAILURE
        }
    }
}

/// Runs a command that talks to a gateway.
fn block_on(command: impl Future<Output = Result<(), Box<dyn Error>>>) -> Result<(), Box<dyn Error>> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(command)
}
