//! `outpour drain`: have a running gateway move its sessions elsewhere and end.

use std::error::Error;
use std::io::{Write, stdout};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};

use crate::pid_file;

/// What a gateway may take beyond the time it was given, until it counts as stuck.
const MARGIN: Duration = Duration::from_secs(10);
/// The longest `shutdown_grace`.
const LONGEST: Duration = Duration::from_secs(600);

/// Options of `outpour drain`.
#[derive(Debug, clap::Args)]
#[command(group(clap::ArgGroup::new("gateway").required(true).args(["pid", "pid_file"])))]
pub(crate) struct Arguments {
    /// The gateway's process
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(i32).range(1..))]
    pid: Option<i32>,
    /// The file that the gateway was started with: outpour serve --pid-file FILE
    #[arg(long, value_name = "FILE")]
    pid_file: Option<PathBuf>,
    /// How long it may take, such as 30s; what has not moved by then is ended [default: the gateway's shutdown_grace]
    #[arg(long, value_name = "TIME", conflicts_with = "pid", value_parser = time)]
    within: Option<Duration>,
}

/// Asks the gateway, and waits until it has ended.
pub(crate) fn run(arguments: &Arguments) -> Result<(), Box<dyn Error>> {
    let number = match (&arguments.pid_file, arguments.pid) {
        (Some(path), _) => pid_file::running(path)?,
        (None, pid) => pid.unwrap_or_default(),
    };
    let absent = || format!("there is no process {number}");
    // From here on it is this process, even if it ends and another gets its number.
    let process = match pidfd_open(Pid::from_raw(number).ok_or_else(absent)?, PidfdFlags::empty()) {
        Ok(process) => process,
        Err(Errno::SRCH) => return Err(absent().into()),
        Err(error) => return Err(format!("process {number} can't be watched: {error}").into()),
    };
    if arguments.pid.is_some() && !is_gateway(number) {
        return Err(format!("process {number} is not a gateway (outpour serve): nothing was done").into());
    }
    if let (Some(path), Some(within)) = (&arguments.pid_file, arguments.within) {
        pid_file::request(path, within)?;
    }
    let start = Instant::now();
    pidfd_send_signal(&process, Signal::TERM)
        .map_err(|error| format!("process {number} can't be signalled: {error}"))?;
    let patience = arguments.within.unwrap_or(LONGEST) + MARGIN;
    loop {
        let left = patience.saturating_sub(start.elapsed());
        if left.is_zero() {
            return Err(format!("the gateway (process {number}) has not ended within {patience:?}: see its log").into());
        }
        let timeout = Timespec::try_from(left).ok();
        match poll(&mut [PollFd::new(&process, PollFlags::IN)], timeout.as_ref()) {
            Ok(0) | Err(Errno::INTR) => {}
            Ok(_) => break,
            Err(error) => return Err(format!("process {number} can't be waited for: {error}").into()),
        }
    }
    writeln!(stdout(), "the gateway (process {number}) has ended after {:.1} s", start.elapsed().as_secs_f64())?;
    Ok(())
}

/// Whether a process is `outpour serve`, as far as the system tells.
fn is_gateway(number: i32) -> bool {
    let command = std::fs::read(format!("/proc/{number}/cmdline")).unwrap_or_default();
    let mut words = command.split(|byte| *byte == 0);
    words.next().is_some_and(|program| program.ends_with(b"outpour")) && words.any(|word| word == b"serve")
}

/// A length of time such as `30s`.
fn time(text: &str) -> Result<Duration, String> {
    let within = outpour_server::config::parse_duration(text).filter(|time| *time <= LONGEST);
    within.ok_or_else(|| "give a length of time up to 10m, such as 30s or 500ms".into())
}
