//! `outpour bench fanout`: how much it costs to tell many subscribers what changed.
//!
//! Outpour, a floor that does nothing but write to sockets, and servers of others are given the same work in short
//! rounds that alternate, so that noise on the machine hits all of them. What counts is the ratio to the floor.

mod delivery;
mod error;
mod floor;
mod floor_protocol;
mod generator;
mod histogram;
mod measure;
mod opening;
mod outpour;
mod peers;
mod protocol;
mod report;
mod stamp;
mod target;
mod websocket;

use std::{
    io,
    net::{Ipv4Addr, TcpListener},
    path::Path,
    time::Duration,
};

pub(crate) use self::{error::BenchError, peers::Peer};
use self::{
    generator::{Pace, Work},
    measure::{Plan, Round},
    report::{Conditions, Report, Summary},
    target::Target,
};
use super::process::{self, Cores};

/// Publish updates to many subscribers and report latency, CPU time and memory
///
/// Outpour, a floor server that only writes to sockets, and other servers that are installed here take turns at the
/// same work. Figures are medians over the rounds; ratios are taken within each round. On a machine that is busy with
/// other things, `chrt -r 1 outpour bench fanout …` (as root) keeps those away.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct FanoutArgs {
    /// Gateway to measure, as ws://HOST:PORT; without it one is started on a core of its own
    #[arg(long)]
    pub(crate) url: Option<String>,
    /// Subscribers, each with a connection of its own and one topic
    #[arg(long, default_value_t = 1000, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) subscribers: u32,
    /// Topics that updates and subscribers are spread over
    #[arg(long, default_value_t = 1, value_name = "T", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) topics: u32,
    /// Updates a second over all topics; 0 leaves the sessions idle and measures their memory
    #[arg(long, default_value_t = 50.0, value_name = "UPDATES_PER_S", value_parser = not_negative)]
    pub(crate) rate: f64,
    /// Keep K updates on the way instead: the next leaves when the oldest has reached all its subscribers
    #[arg(long, value_name = "K", conflicts_with = "rate", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) in_flight: Option<u32>,
    /// Size of a value in bytes, at least 24
    #[arg(long, default_value_t = 200, value_name = "BYTES", value_parser = clap::value_parser!(u32).range(24..=1_048_576))]
    pub(crate) size: u32,
    /// How much of a value an update changes, in percent: less than 100 lets deltas save bytes
    #[arg(long, default_value_t = 100, value_name = "PERCENT", value_parser = clap::value_parser!(u8).range(0..=100))]
    pub(crate) change: u8,
    /// Publish events in place of values: none of them is ever superseded
    #[arg(long)]
    pub(crate) events: bool,
    /// How long to measure each server, over all rounds
    #[arg(long, default_value_t = 8.0, value_name = "S", value_parser = not_negative)]
    pub(crate) seconds: f64,
    /// Rounds that servers take turns in
    #[arg(long, default_value_t = 4, value_name = "R", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) rounds: u32,
    /// Give the same work to another server that is installed here; may be repeated
    #[arg(long, value_enum, value_name = "NAME")]
    pub(crate) peer: Vec<Peer>,
    /// Measure the floor and the peers only
    #[arg(long, hide = true)]
    pub(crate) skip_outpour: bool,
    /// Print one JSON object
    #[arg(long)]
    pub(crate) json: bool,
}

/// The server that all others are compared with
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct FloorArgs {
    /// Write everything that is due to a socket at once
    #[arg(long)]
    pub(crate) coalesce: bool,
}

/// Become another program, on one core, until the parent ends
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct LaunchArgs {
    /// Core to run on
    #[arg(long)]
    pub(crate) core: Option<usize>,
    /// Program and its arguments
    #[arg(required = true, last = true)]
    pub(crate) command: Vec<String>,
}

/// Runs the benchmark and prints its report.
///
/// # Errors
/// When a server can't be started or reached, or ends the publisher's connection. Lost deliveries are not an error but
/// part of the report.
pub(crate) fn run(args: &FanoutArgs) -> Result<(), BenchError> {
    for peer in &args.peer {
        peer.check_installed()?;
    }
    let subscribers = args.subscribers as usize;
    // The publisher's connection, what `epoll` and the standard streams take, and something to spare.
    let limit = process::raise_descriptor_limit();
    if limit < u64::from(args.subscribers) + 64 {
        return Err(BenchError::Descriptors { subscribers, limit });
    }
    let cores = Cores::available();
    if let Some(core) = cores.generator {
        process::pin(core).map_err(|error| BenchError::Io { doing: "choose a core".into(), error })?;
    }
    let pace = match args.in_flight {
        Some(count) => Some(Pace::InFlight(count as usize)),
        None => (args.rate > 0.0).then_some(Pace::Rate(args.rate)),
    };
    let rounds = if pace.is_some() { args.rounds } else { 1 };
    let plan = Plan {
        work: Work { subscribers, topics: args.topics as usize, size: args.size as usize, change: args.change },
        pace,
        time: Duration::from_secs_f64((args.seconds / f64::from(rounds)).clamp(0.01, 86_400.0)),
        cores,
    };
    let mut targets = Vec::new();
    if !args.skip_outpour {
        targets.push(Target::Outpour { url: args.url.clone(), events: args.events });
    }
    targets.push(Target::Floor { coalesce: false });
    // With one update on the way there is nothing to coalesce.
    if matches!(pace, Some(Pace::InFlight(2..))) {
        targets.push(Target::Floor { coalesce: true });
    }
    targets.extend(args.peer.iter().copied().map(Target::Peer));
    let measured = take_turns(&targets, &plan, rounds)?;
    let report = summarize(args, &plan, &targets, measured);
    if args.json {
        println!("{}", report.json());
    } else {
        print!("{}", report.table());
    }
    for warning in report.warnings() {
        eprintln!("note: {warning}");
    }
    Ok(())
}

/// Serves as the floor until the process ends.
///
/// # Errors
/// When the system gives no socket.
pub(crate) fn run_floor(args: &FloorArgs) -> Result<(), BenchError> {
    process::raise_descriptor_limit();
    let failed = |error| BenchError::Io { doing: "serve as the floor".into(), error };
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).map_err(failed)?;
    println!("listening on ws://{}", listener.local_addr().map_err(failed)?);
    floor::serve(listener, args.coalesce).map_err(failed)
}

/// Becomes another program.
///
/// # Errors
/// When there is no such program; otherwise it does not return.
pub(crate) fn run_launch(args: &LaunchArgs) -> Result<(), BenchError> {
    let (program, arguments) = args
        .command
        .split_first()
        .ok_or_else(|| BenchError::Io { doing: "start a server".into(), error: io::ErrorKind::InvalidInput.into() })?;
    Err(process::become_server(args.core, Path::new(program), arguments))
}

/// Runs every round with every target, each round in the opposite order of the one before. Returns each target's
/// rounds.
fn take_turns(targets: &[Target], plan: &Plan, rounds: u32) -> Result<Vec<Vec<Round>>, BenchError> {
    let mut measured: Vec<Vec<Round>> = vec![Vec::new(); targets.len()];
    for round in 0..rounds {
        let mut order: Vec<usize> = (0..targets.len()).collect();
        if round % 2 == 1 {
            order.reverse();
        }
        for target in order {
            measured[target].push(measure::round(&targets[target], plan)?);
        }
    }
    Ok(measured)
}

fn summarize(args: &FanoutArgs, plan: &Plan, targets: &[Target], mut measured: Vec<Vec<Round>>) -> Report {
    let mut rounds_of = |wanted: &Target| {
        let place = targets.iter().position(|target| target == wanted);
        place.and_then(|place| measured.get_mut(place)).map(std::mem::take).unwrap_or_default()
    };
    let floor = rounds_of(&Target::Floor { coalesce: false });
    let coalescing = rounds_of(&Target::Floor { coalesce: true });
    let mut summary = |target: &Target| Summary::new(target.name(), rounds_of(target), &floor, &coalescing);
    let peers = args.peer.iter().map(|peer| summary(&Target::Peer(*peer))).collect();
    let measured =
        (!args.skip_outpour).then(|| summary(&Target::Outpour { url: args.url.clone(), events: args.events }));
    let floor_summary = Summary::new("floor", floor.clone(), &floor, &coalescing);
    Report {
        conditions: Conditions {
            subscribers: plan.work.subscribers,
            topics: plan.work.topics,
            size: plan.work.size,
            change_percent: plan.work.change,
            events: args.events,
            rate: match plan.pace {
                Some(Pace::Rate(rate)) => Some(rate),
                _ => None,
            },
            in_flight: match plan.pace {
                Some(Pace::InFlight(count)) => Some(count),
                _ => None,
            },
            seconds: args.seconds,
            rounds: floor.len(),
            pinned: plan.cores.server.is_some(),
        },
        measured,
        floor: floor_summary,
        coalescing_floor: (!coalescing.is_empty())
            .then(|| Summary::new("floor (coalescing)", coalescing.clone(), &floor, &coalescing)),
        peers,
    }
}

fn not_negative(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(number) if number.is_finite() && number >= 0.0 => Ok(number),
        _ => Err("a number that is not negative is needed".to_owned()),
    }
}
