//! One round with one server: start it, open all connections, measure, end it.

use std::time::{Duration, Instant};

use serde::Serialize;

use super::{
    BenchError,
    delivery::Tally,
    generator::{Generator, Pace, Work},
    process::{self, Cores},
    target::Target,
};

/// Published before anything is measured, so that caches, buffers and the server's own structures are warm.
const WARM_UP: Duration = Duration::from_millis(200);
/// After connecting, until memory is measured.
const SETTLE: Duration = Duration::from_millis(200);

/// What to do in a round.
#[derive(Clone, Copy, Debug)]
pub(super) struct Plan {
    pub(super) work: Work,
    /// `None` leaves the connections idle.
    pub(super) pace: Option<Pace>,
    pub(super) time: Duration,
    pub(super) cores: Cores,
}

/// What one round with one server showed.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Round {
    pub(super) deliveries: u64,
    pub(super) lost: u64,
    pub(super) conflated: u64,
    pub(super) repeated: u64,
    pub(super) disconnected: usize,
    pub(super) updates: u64,
    pub(super) deliveries_per_s: Option<f64>,
    pub(super) p50_ms: Option<f64>,
    pub(super) p99_ms: Option<f64>,
    pub(super) p999_ms: Option<f64>,
    pub(super) max_ms: Option<f64>,
    pub(super) server_us_per_delivery: Option<f64>,
    pub(super) server_cpu_percent: Option<f64>,
    pub(super) generator_cpu_percent: Option<f64>,
    /// Of one core: what else ran on the machine meanwhile.
    pub(super) foreign_cpu_percent: Option<f64>,
    pub(super) wire_bytes_per_delivery: Option<f64>,
    /// Resident memory of the server for each session that is connected and subscribed.
    pub(super) server_bytes_per_session: Option<f64>,
    /// The same after the load.
    pub(super) server_bytes_per_session_loaded: Option<f64>,
}

/// CPU time used so far.
#[derive(Clone, Copy)]
struct Cpu {
    at: Instant,
    server: Option<u64>,
    generator: Option<u64>,
    machine: Option<u64>,
}

impl Cpu {
    fn now(server: Option<u32>) -> Self {
        Self {
            at: Instant::now(),
            server: server.and_then(process::cpu_nanos),
            generator: process::cpu_nanos(std::process::id()),
            machine: process::machine_cpu_nanos(),
        }
    }
}

/// Runs one round of `plan` with `target`.
pub(super) fn round(target: &Target, plan: &Plan) -> Result<Round, BenchError> {
    let running = target.start(plan.work.subscribers, plan.cores.server)?;
    let pid = running.pid;
    let mut generator = Generator::connect(running.address, running.protocol, plan.work)?;
    let memory = || pid.and_then(process::resident_bytes);
    let before = memory();
    generator.subscribe()?;
    generator.idle(SETTLE)?;
    let idle = memory();
    let (tally, cpu) = match plan.pace {
        None => {
            let cpu = Cpu::now(pid);
            generator.idle(plan.time)?;
            (None, cpu)
        }
        Some(pace) => {
            generator.run(pace, WARM_UP)?;
            let cpu = Cpu::now(pid);
            (Some(generator.run(pace, plan.time)?), cpu)
        }
    };
    let (after, loaded) = (Cpu::now(pid), memory());
    if running.outlives {
        generator.remove_topics()?;
    }
    let per_session = |now: Option<u64>| Some((now? as f64 - before? as f64) / plan.work.subscribers.max(1) as f64);
    let used = |from: Option<u64>, to: Option<u64>| Some(to?.saturating_sub(from?) as f64);
    let server = used(cpu.server, after.server);
    let own = used(cpu.generator, after.generator);
    let machine = used(cpu.machine, after.machine);
    let tally = tally.as_ref();
    let nanos = tally.map_or(plan.time.as_nanos() as f64, |tally| tally.nanos as f64);
    let passed = (after.at - cpu.at).as_nanos() as f64;
    let percent = |used: Option<f64>| Some(used? / passed * 100.0);
    let deliveries = tally.map_or(0, |tally| tally.deliveries);
    let per_delivery =
        |amount: Option<f64>| (deliveries > 0).then(|| amount.map(|amount| amount / deliveries as f64))?;
    let quantile = |q: f64| tally?.latency.quantile(q).map(|nanos| nanos as f64 / 1e6);
    let count = |of: fn(&Tally) -> u64| tally.map_or(0, of);
    Ok(Round {
        deliveries,
        lost: count(|tally| tally.lost),
        conflated: count(|tally| tally.conflated),
        repeated: count(|tally| tally.repeated),
        disconnected: generator.disconnected(),
        updates: count(|tally| tally.updates),
        deliveries_per_s: (deliveries > 0).then(|| deliveries as f64 / nanos * 1e9),
        p50_ms: quantile(0.5),
        p99_ms: quantile(0.99),
        p999_ms: quantile(0.999),
        max_ms: tally.filter(|_| deliveries > 0).map(|tally| tally.latency.max() as f64 / 1e6),
        server_us_per_delivery: per_delivery(server.map(|nanos| nanos / 1000.0)),
        server_cpu_percent: percent(server),
        generator_cpu_percent: percent(own),
        foreign_cpu_percent: percent((|| Some((machine? - server? - own?).max(0.0)))()),
        wire_bytes_per_delivery: per_delivery(tally.map(|tally| tally.bytes as f64)),
        server_bytes_per_session: per_session(idle),
        server_bytes_per_session_loaded: plan.pace.and_then(|_| per_session(loaded)),
    })
}
