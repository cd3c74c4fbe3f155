//! `cargo xtask bench`: the benchmarks whose figures the README quotes.

use std::path::Path;

use clap::{Args, ValueEnum};

use crate::{
    Result, npm,
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
    /// One topic to 1,000 subscribers, beside the floor and the peers installed here; and idle sessions
    Fanout,
    /// The recorded feeds of `examples/feeds` as deltas
    Delta,
    /// Going on after a lost connection, on the same and on another gateway, beside new sessions
    Resume,
    /// A million topics in one gateway
    Topics,
    /// The npm package in headless Chromium, beside a plain `WebSocket` and `JSON.parse`
    Browser,
    All,
}

/// What `outpour bench fanout` is asked; each with the peers that are installed, if they are comparable.
const FANOUT: [(&str, &[&str], bool); 4] = [
    ("CPU per delivery, one update in flight", &["--in-flight", "1"], true),
    ("CPU per delivery, 32 events in flight", &["--in-flight", "32", "--events"], true),
    ("latency at 50,000 deliveries a second", &["--rate", "50"], true),
    ("memory of 16,000 idle sessions", &["--subscribers", "16000", "--rate", "0"], false),
];

/// The peers that `outpour bench fanout` knows, and their programs.
const PEERS: [(&str, &str); 3] = [("mosquitto", "mosquitto"), ("nats", "nats-server"), ("redis", "redis-server")];

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
    if wanted(Benchmark::Resume) {
        println!("==> going on after a lost connection: outpour bench resume");
        run_command(project.command(project.binary("release", "outpour")).args(["bench", "resume"]))?;
    }
    if wanted(Benchmark::Topics) {
        topics(project)?;
    }
    if wanted(Benchmark::Browser) {
        println!("==> in headless Chromium: npm run bench, in bindings/js");
        npm::bench_in_browser(project)?;
    }
    Ok(())
}

fn fanout(project: &Project) -> Result {
    let peers: Vec<_> = PEERS.iter().filter(|(_, program)| is_installed(program)).map(|(name, _)| *name).collect();
    for (what, arguments, compared) in FANOUT {
        let peers = peers.iter().filter(|_| compared).flat_map(|peer| ["--peer", *peer]);
        let arguments: Vec<_> = ["bench", "fanout"].into_iter().chain(arguments.iter().copied()).chain(peers).collect();
        println!("==> {what}: outpour {}", arguments.join(" "));
        run_command(project.command(project.binary("release", "outpour")).args(arguments))?;
    }
    Ok(())
}

fn delta(project: &Project) -> Result {
    let tracked = output(project.command("git").args(["ls-files", "-z", "--", "examples/feeds/*.zst"]))?;
    let feeds: Vec<_> = tracked.split_terminator('\0').collect();
    println!("==> deltas of the recorded feeds: outpour bench delta {}", feeds.join(" "));
    run_command(project.command(project.binary("release", "outpour")).args(["bench", "delta"]).args(feeds))
}

fn topics(project: &Project) -> Result {
    if !project.path("server/benches/topics.rs").is_file() {
        println!("==> NOT RUN: a million topics: there is no server/benches/topics.rs");
        return Ok(());
    }
    println!("==> a million topics: cargo bench -p outpour-server --bench topics");
    run_command(&mut project.cargo(["bench", "--package", "outpour-server", "--bench", "topics"]))
}

/// Whether a program is on the path, or where Debian keeps servers.
fn is_installed(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut folders = std::env::split_paths(&path).chain([Path::new("/usr/sbin").to_path_buf()]);
    folders.any(|folder| folder.join(program).is_file())
}
