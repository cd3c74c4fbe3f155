//! `cargo xtask bench`: the benchmarks whose figures the README quotes.

use clap::{Args, ValueEnum};

use crate::{
    Result,
    project::{Project, output, run as run_command},
};

/// What to measure.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// The benchmark to run
    #[arg(value_enum, default_value_t = Benchmark::All)]
    benchmark: Benchmark,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Benchmark {
    /// One topic to 1,000 subscribers: at 50,000 deliveries a second
    Fanout,
    /// The recorded feeds of `examples/feeds` as deltas
    Delta,
    /// A million topics in one gateway
    Topics,
    All,
}

/// Builds the program as people run it and runs the benchmark on this machine.
pub(crate) fn run(project: &Project, options: &Options) -> Result {
    run_command(&mut project.cargo(["build", "--release", "--package", "outpour-cli"]))?;
    let wanted = |benchmark| options.benchmark == Benchmark::All || options.benchmark == benchmark;
    if wanted(Benchmark::Fanout) {
        fanout(project)?;
    }
    if wanted(Benchmark::Delta) {
        delta(project)?;
    }
    if wanted(Benchmark::Topics) {
        topics(project)?;
    }
    Ok(())
}

fn fanout(project: &Project) -> Result {
    println!("==> fan-out: 1,000 subscribers, 1 topic, 200 B, 50 updates a second");
    let load = ["--subscribers", "1000", "--topics", "1", "--rate", "50", "--size", "200", "--seconds", "10"];
    run_command(project.command(project.binary("release", "outpour")).args(["bench", "fanout"]).args(load))
}

fn delta(project: &Project) -> Result {
    println!("==> deltas of the recorded feeds");
    let tracked = output(project.command("git").args(["ls-files", "-z", "--", "examples/feeds/*.zst"]))?;
    let feeds = tracked.split_terminator('\0');
    run_command(project.command(project.binary("release", "outpour")).args(["bench", "delta"]).args(feeds))
}

fn topics(project: &Project) -> Result {
    println!("==> a million topics");
    run_command(&mut project.cargo(["bench", "--package", "outpour-server", "--bench", "topics"]))
}
