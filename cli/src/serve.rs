//! `outpour serve`: run a gateway until told to stop.

use std::io::Write;
use std::net::SocketAddr;

use outpour_server::gateway::{Gateway, GatewayConfig};
use outpour_server::log::MemoryLog;

/// Options of `outpour serve`.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Where to listen; port 0 takes a free one.
    #[arg(long, default_value = "127.0.0.1:7400")]
    listen: SocketAddr,
    /// How many threads share the sessions; 0 for one for each CPU.
    #[arg(long, default_value_t = 0)]
    workers: usize,
}

/// Runs a gateway until SIGTERM or SIGINT.
pub(crate) fn run(arguments: &Arguments) -> Result<(), Box<dyn std::error::Error>> {
    let mut epoch = [0; 16];
    getrandom::fill(&mut epoch).map_err(|error| format!("no randomness for the log's epoch: {error}"))?;
    let mut config = GatewayConfig { listen: arguments.listen, ..GatewayConfig::default() };
    if arguments.workers > 0 {
        config.workers = arguments.workers;
    }
    let mut signals = signal_hook::iterator::Signals::new([signal_hook::consts::SIGTERM, signal_hook::consts::SIGINT])
        .map_err(|error| format!("signals can't be handled: {error}"))?;
    let gateway = Gateway::start(config, Box::new(MemoryLog::new(outpour_core::Epoch(epoch), 1024)))
        .map_err(|error| format!("can't listen on {}: {error}", arguments.listen))?;
    println!("listening on ws://{}", gateway.address());
    let _flushed = std::io::stdout().flush();
    signals.forever().next();
    gateway.shutdown();
    Ok(())
}
