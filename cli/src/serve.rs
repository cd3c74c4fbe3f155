//! `outpour serve`: run a gateway until told to stop.

use std::env;
use std::error::Error;
use std::io::{IsTerminal, Write, stderr, stdout};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use clap::ValueEnum;
use outpour_server::config::{Config, FsyncPolicy, LogFormat, Overlay};
use outpour_server::gateway::{Drained, Gateway};
use outpour_server::log::{DiskLog, Log, LogError, MemoryLog};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use signal_hook::consts::{SIGINT, SIGTERM, SIGXFSZ};
use signal_hook::iterator::Signals;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Layer, fmt};

use crate::console;
use crate::pid_file::PidFile;

/// Options of `outpour serve`; each goes before the environment and the file.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Where to listen [default: 127.0.0.1:7400]; port 0 takes a free one
    #[arg(long, value_name = "ADDRESS")]
    listen: Option<SocketAddr>,
    /// Read the settings in this TOML file
    #[arg(long, value_name = "FILE", env = "OUTPOUR_CONFIG")]
    config: Option<PathBuf>,
    /// How many threads share the sessions; 0 for one for each CPU [default: 0]
    #[arg(long, value_name = "N")]
    workers: Option<u64>,
    /// Let anybody who can reach the gateway read and write every topic
    #[arg(long)]
    allow_anonymous: bool,
    /// Let pages from this origin (https://example.com, or *) connect; may be repeated
    #[arg(long, value_name = "ORIGIN")]
    allowed_origin: Vec<String>,
    /// Show browsers no console
    #[arg(long)]
    no_console: bool,
    /// Keep the data in this directory, so that it survives the gateway; without, it is in memory only
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// When data is made durable against a crash of the machine [default: interval]
    #[arg(long, value_name = "WHEN")]
    fsync: Option<Fsync>,
    /// Where a drain sends sessions (ws://other.example:7400); may be repeated
    #[arg(long, value_name = "URL")]
    redirect: Vec<String>,
    /// Write the process id to this file, for outpour drain
    #[arg(long, value_name = "FILE")]
    pid_file: Option<PathBuf>,
    /// What to log: off, error, warn, info, debug or trace, or TARGET=LEVEL, or several with commas [default: info]
    #[arg(long, value_name = "FILTER")]
    log: Option<String>,
    /// How to write the log [default: text]
    #[arg(long, value_name = "FORMAT")]
    log_format: Option<Format>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Fsync {
    /// Before it is told or acknowledged
    Always,
    /// In the background, a second later (fsync_interval)
    Interval,
    /// When the operating system does
    Never,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Format {
    Text,
    Json,
}

/// Runs a gateway until SIGTERM or SIGINT.
pub(crate) fn run(arguments: &Arguments) -> Result<(), Box<dyn Error>> {
    // What is not UTF-8 can't be a setting.
    let environment =
        env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
    let config = Config::load(arguments.config.as_deref(), environment, &arguments.overlay())?;
    start_logging(&config)?;
    raise_descriptor_limit(config.gateway.max_connections);
    let unhandled = |error| format!("signals can't be handled: {error}");
    let mut signals = Signals::new([SIGTERM, SIGINT]).map_err(unhandled)?;
    // A file that may not grow any more is as good as a full disk: no reason to die.
    signal_hook::flag::register(SIGXFSZ, Arc::default()).map_err(unhandled)?;
    let grace = config.gateway.shutdown_grace;
    let gateway = start(config)?;
    let pid_file = arguments.pid_file.as_deref().map(PidFile::create).transpose()?;
    writeln!(stdout(), "listening on ws://{}", gateway.address())
        .and_then(|()| stdout().flush())
        .map_err(|error| format!("the address can't be written to standard output: {error}"))?;
    let signal = signals.forever().next();
    std::thread::spawn(move || {
        if signals.forever().next().is_some() {
            std::process::exit(1);
        }
    });
    if signal == Some(SIGTERM) {
        let within = pid_file.as_ref().and_then(PidFile::take_request).unwrap_or(grace);
        tracing::info!(?within, "draining: sessions are asked to go elsewhere; a second signal ends it at once");
        let Drained { connections, cut } = gateway.drain(within);
        tracing::info!(connections, cut, "drained");
    } else {
        tracing::info!("stopping: sessions are told goodbye; a second signal ends it at once");
        gateway.shutdown();
    }
    tracing::info!("stopped");
    Ok(())
}

impl Arguments {
    fn overlay(&self) -> Overlay {
        Overlay {
            listen: self.listen,
            workers: self.workers,
            allow_anonymous: self.allow_anonymous.then_some(true),
            allowed_origins: (!self.allowed_origin.is_empty()).then(|| self.allowed_origin.clone()),
            console: self.no_console.then_some(false),
            redirects: (!self.redirect.is_empty()).then(|| self.redirect.clone()),
            log: self.log.clone(),
            log_format: self.log_format.map(|format| match format {
                Format::Text => LogFormat::Text,
                Format::Json => LogFormat::Json,
            }),
            data: self.data.clone(),
            fsync: self.fsync.map(|fsync| match fsync {
                Fsync::Always => FsyncPolicy::Always,
                Fsync::Interval => FsyncPolicy::Interval,
                Fsync::Never => FsyncPolicy::Never,
            }),
        }
    }
}

/// Raises this process's limit of open files as far as the system lets it: each connection is one.
fn raise_descriptor_limit(connections: usize) {
    /// The log, the threads' polls, standard input and output.
    const OTHERS: u64 = 64;
    let limit = getrlimit(Resource::Nofile);
    let raised = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum });
    let files = if raised.is_ok() { limit.maximum } else { limit.current };
    // `None` stands for no limit.
    if let Some(files) = files.filter(|files| *files < connections as u64 + OTHERS) {
        tracing::warn!(files, connections, "the system lets this process open fewer files than limits.max_connections");
    }
}

fn start(config: Config) -> Result<Gateway, String> {
    let log = open_log(&config)?;
    let Config { mut gateway, allow_anonymous, console, data, .. } = config;
    if console {
        gateway.site = console::site(&[]);
    }
    let (listen, workers, rules) = (gateway.listen, gateway.workers, gateway.broker.rules.len());
    let gateway = Gateway::start(gateway, log).map_err(|error| {
        match (error.get_ref().is_some_and(|inner| inner.is::<LogError>()), data) {
            (true, Some(directory)) => format!("{}: {error}", directory.display()),
            _ => format!("can't listen on {listen}: {error}; choose another address with --listen"),
        }
    })?;
    tracing::info!(address = %gateway.address(), workers, rules, version = env!("CARGO_PKG_VERSION"), "started");
    if allow_anonymous {
        tracing::warn!("anybody who can reach the gateway may read and write every topic (allow_anonymous)");
    }
    Ok(gateway)
}

fn open_log(config: &Config) -> Result<Box<dyn Log>, String> {
    let Some(directory) = &config.data else {
        let log = MemoryLog::fresh().map_err(|error| format!("there is no randomness for the log's epoch: {error}"))?;
        return Ok(Box::new(log));
    };
    let log = DiskLog::open(directory, config.disk_options()).map_err(|error| error.to_string())?;
    tracing::info!(directory = %directory.display(), epoch = %log.epoch(), fsync = config.fsync.name(), "data is kept");
    Ok(Box::new(log))
}

/// The log goes to standard error: standard output has the address alone.
fn start_logging(config: &Config) -> Result<(), String> {
    let filter: Targets = config.log.parse().map_err(|error| format!("the log's filter can't be used: {error}"))?;
    let layer = fmt::layer().with_writer(stderr);
    let layer = match config.log_format {
        LogFormat::Text => {
            let coloured = stderr().is_terminal() && env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
            layer.with_ansi(coloured).boxed()
        }
        LogFormat::Json => layer.json().flatten_event(true).boxed(),
    };
    tracing_subscriber::registry()
        .with(layer.with_filter(filter))
        .try_init()
        .map_err(|error| format!("the log can't be started: {error}"))
}
