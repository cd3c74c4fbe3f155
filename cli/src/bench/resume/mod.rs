//! `outpour bench resume`: what it costs to go on after a lost connection.
//!
//! The SDK talks to a gateway through a relay that counts the bytes of the TCP connection. The relay cuts it, topics
//! change meanwhile, and the next connection is let through to the same gateway or to another one of the same log.
//! Gateways are processes of their own, `outpour serve --data`; the other one is started when the first was killed.
//! A session that begins afresh is measured beside it, on the same topics.

mod conversation;
mod error;
mod relay;
mod report;
mod scenario;
mod site;
mod work;

use std::io::{self, Write};

pub(crate) use self::error::ResumeError;
use self::{
    report::Report,
    scenario::{Gateways, Scenario},
};

/// Measure the bytes and the time that it takes to go on after a lost connection
///
/// Bytes are those of the TCP connection beyond the WebSocket handshake, which is counted by itself; a first message
/// that rides in the upgrade request counts as beyond it. Beside each resumption stands a session that begins afresh.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct ResumeArgs {
    /// Topics that are subscribed to with one selector; may be repeated [default: 1, 100, 1000 and 10000]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub(crate) topics: Vec<u32>,
    /// How many of them change while the client is away, in percent; may be repeated [default: 0, 1 and 100]
    #[arg(long, value_name = "PERCENT", value_parser = clap::value_parser!(u8).range(0..=100))]
    pub(crate) changed: Vec<u8>,
    /// Size of a value in bytes
    #[arg(long, default_value_t = 1000, value_name = "BYTES", value_parser = clap::value_parser!(u32).range(64..=65_536))]
    pub(crate) size: u32,
    /// How often each case is measured: times are medians, bytes the most of any round
    #[arg(long, default_value_t = 3, value_name = "R", value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub(crate) rounds: u32,
    /// Print one JSON object
    #[arg(long)]
    pub(crate) json: bool,
}

/// Runs the benchmark and prints its report.
///
/// # Errors
/// If a gateway can't be started, or a session does not get what it subscribes to.
pub(crate) fn run(args: &ResumeArgs) -> Result<(), ResumeError> {
    let topics = if args.topics.is_empty() { vec![1, 100, 1000, 10_000] } else { args.topics.clone() };
    let changed = if args.changed.is_empty() { vec![0, 1, 100] } else { args.changed.clone() };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let mut report = Report::new(args.size, args.rounds);
    for topics in topics {
        for percent in &changed {
            // A single topic has no hundredth part.
            let changed = topics * u32::from(*percent) / 100;
            if changed == 0 && *percent > 0 {
                continue;
            }
            for gateways in [Gateways::Same, Gateways::Another] {
                let scenario = Scenario { topics, changed, size: args.size as usize, gateways };
                let rounds = (0..args.rounds).map(|_| runtime.block_on(scenario.measure()));
                report.add(scenario, &rounds.collect::<Result<Vec<_>, _>>()?);
            }
        }
    }
    let mut out = io::stdout().lock();
    if args.json {
        writeln!(out, "{}", report.json())?;
    } else {
        write!(out, "{}", report.table())?;
    }
    Ok(())
}
