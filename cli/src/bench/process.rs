//! The processes that are measured: started on a core of their own, their CPU time and memory read from `/proc`.

use std::{
    fs,
    io::{self, BufRead as _, BufReader, Read as _},
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    os::unix::process::CommandExt as _,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};

use rustix::{
    process::{Resource, Rlimit, Signal},
    thread::CpuSet,
};

use super::fanout::BenchError;

/// A server that does not accept within this time does not work.
const START_TIMEOUT: Duration = Duration::from_secs(10);

/// Raises the limit of open descriptors as far as this process may, and returns it.
pub(super) fn raise_descriptor_limit() -> u64 {
    let limit = rustix::process::getrlimit(Resource::Nofile);
    let raised = Rlimit { current: limit.maximum, maximum: limit.maximum };
    match rustix::process::setrlimit(Resource::Nofile, raised) {
        Ok(()) => limit.maximum,
        Err(_) => limit.current,
    }
    .unwrap_or(u64::MAX)
}

/// Which core each side runs on. Both are `None` where there is only one.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Cores {
    pub(super) server: Option<usize>,
    pub(super) generator: Option<usize>,
}

impl Cores {
    /// The first two cores that this process may use.
    pub(super) fn available() -> Self {
        let allowed = rustix::thread::sched_getaffinity(None).unwrap_or_else(|_| CpuSet::new());
        let mut cores = (0..CpuSet::MAX_CPU).filter(|core| allowed.is_set(*core));
        match (cores.next(), cores.next()) {
            (server @ Some(_), generator @ Some(_)) => Self { server, generator },
            _ => Self::default(),
        }
    }
}

/// Keeps the calling thread, and what it starts from now on, on one core.
pub(super) fn pin(core: usize) -> io::Result<()> {
    let mut cores = CpuSet::new();
    cores.set(core);
    Ok(rustix::thread::sched_setaffinity(None, &cores)?)
}

/// Becomes `program`, on `core`, and to be killed when the parent ends however it ends.
pub(super) fn become_server(core: Option<usize>, program: &Path, arguments: &[String]) -> BenchError {
    let prepared = rustix::process::set_parent_process_death_signal(Some(Signal::KILL))
        .map_err(io::Error::from)
        .and_then(|()| core.map_or(Ok(()), pin));
    let error = match prepared {
        Ok(()) => Command::new(program).args(arguments).exec(),
        Err(error) => error,
    };
    BenchError::Start { program: program.display().to_string(), error }
}

/// A folder that goes when this goes.
#[derive(Debug)]
pub(super) struct Scratch(PathBuf);

impl Scratch {
    pub(super) fn new(name: &str) -> Result<Self, BenchError> {
        let path = std::env::temp_dir().join(format!("outpour-bench-{}-{name}", std::process::id()));
        fs::create_dir_all(&path)
            .map_err(|error| BenchError::Io { doing: format!("create {}", path.display()), error })?;
        Ok(Self(path))
    }

    pub(super) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// A server that this process started. It ends when this is dropped.
#[derive(Debug)]
pub(super) struct Server {
    child: Child,
    name: String,
    scratch: Scratch,
}

impl Server {
    /// Starts `program` on `core`. Its standard error goes to a file that [`Server::failure`] quotes.
    pub(super) fn start(
        name: &str,
        program: &Path,
        arguments: &[String],
        scratch: Scratch,
        core: Option<usize>,
    ) -> Result<Self, BenchError> {
        let failed = |error| BenchError::Start { program: program.display().to_string(), error };
        let log = fs::File::create(scratch.path().join("log")).map_err(failed)?;
        let mut command = Command::new(std::env::current_exe().map_err(failed)?);
        command.args(["bench", "launch"]);
        if let Some(core) = core {
            command.arg("--core").arg(core.to_string());
        }
        command.arg("--").arg(program).args(arguments);
        let child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(log)
            .current_dir(scratch.path())
            .spawn()
            .map_err(failed)?;
        Ok(Self { child, name: name.to_owned(), scratch })
    }

    pub(super) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Waits for the line `listening on ws://HOST:PORT` on the server's standard output.
    pub(super) fn announced_url(&mut self) -> Result<String, BenchError> {
        let Some(stdout) = self.child.stdout.take() else {
            return Err(self.failure());
        };
        let (sender, receiver) = mpsc::channel();
        thread::spawn(move || {
            let mut stdout = BufReader::new(stdout);
            let mut line = String::new();
            while stdout.read_line(&mut line).is_ok_and(|read| read > 0) {
                if let Some(url) = line.trim().strip_prefix("listening on ") {
                    let _ = sender.send(url.to_owned());
                    break;
                }
                line.clear();
            }
            // A server that prints more must not stall on a full pipe.
            let _ = io::copy(&mut stdout, &mut io::sink());
        });
        receiver.recv_timeout(START_TIMEOUT).map_err(|_| self.failure())
    }

    /// Waits until the server accepts connections at `address`.
    pub(super) fn accepts(&mut self, address: SocketAddr) -> Result<(), BenchError> {
        if let Some(mut stdout) = self.child.stdout.take() {
            thread::spawn(move || io::copy(&mut stdout, &mut io::sink()));
        }
        let deadline = Instant::now() + START_TIMEOUT;
        while TcpStream::connect(address).is_err() {
            if Instant::now() > deadline || !matches!(self.child.try_wait(), Ok(None)) {
                return Err(self.failure());
            }
            thread::sleep(Duration::from_millis(10));
        }
        Ok(())
    }

    /// What to say when the server does not do as it should: its own last words, if it had any.
    pub(super) fn failure(&mut self) -> BenchError {
        let mut log = String::new();
        let _ = fs::File::open(self.scratch.path().join("log")).and_then(|mut file| file.read_to_string(&mut log));
        let ended = matches!(self.child.try_wait(), Ok(Some(_)));
        BenchError::Server {
            name: self.name.clone(),
            what: if ended { "ended at once" } else { "does not accept connections" },
            log: log.lines().rev().find(|line| !line.trim().is_empty()).map(str::to_owned),
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A loopback port that was free a moment ago, for servers that can't choose one themselves.
pub(super) fn free_port() -> Result<u16, BenchError> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
        .and_then(|listener| listener.local_addr())
        .map(|address| address.port())
        .map_err(|error| BenchError::Io { doing: "find a free port".into(), error })
}

/// Where `program` is found, on the path or where daemons are kept.
pub(super) fn find_program(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain(["/usr/sbin", "/usr/local/sbin", "/usr/local/bin"].map(PathBuf::from))
        .map(|folder| folder.join(program))
        .find(|file| file.is_file())
}

/// CPU time in nanoseconds of all threads that a process has now. The scheduler counts in nanoseconds;
/// `/proc/PID/stat` would count in ticks of 10 ms.
pub(super) fn cpu_nanos(pid: u32) -> Option<u64> {
    let mut nanos = 0;
    for task in fs::read_dir(format!("/proc/{pid}/task")).ok()?.flatten() {
        let Ok(statistics) = fs::read_to_string(task.path().join("schedstat")) else {
            continue;
        };
        nanos += statistics.split_whitespace().next()?.parse::<u64>().ok()?;
    }
    Some(nanos)
}

/// Resident memory of a process in bytes.
pub(super) fn resident_bytes(pid: u32) -> Option<u64> {
    // The exact sum over all mappings: `statm` lags behind by what each core has not accounted for yet.
    let (file, name) = (format!("/proc/{pid}/smaps_rollup"), "Rss:");
    let kilobytes = field(&file, name).or_else(|| field(&format!("/proc/{pid}/status"), "VmRSS:"))?;
    Some(kilobytes * 1024)
}

fn field(file: &str, name: &str) -> Option<u64> {
    let text = fs::read_to_string(file).ok()?;
    text.lines().find_map(|line| line.strip_prefix(name)?.split_whitespace().next()?.parse().ok())
}

/// CPU time in nanoseconds that everything on the machine has used.
pub(super) fn machine_cpu_nanos() -> Option<u64> {
    const NANOS_PER_TICK: u64 = 10_000_000;
    let text = fs::read_to_string("/proc/stat").ok()?;
    let ticks: Vec<u64> = text.lines().next()?.split_whitespace().skip(1).flat_map(str::parse).collect();
    // user, nice, system, (idle, iowait,) irq, softirq
    let busy: u64 = ticks.iter().enumerate().filter(|(place, _)| matches!(place, 0..=2 | 5..=6)).map(|(_, t)| t).sum();
    Some(busy * NANOS_PER_TICK)
}

/// The process of this machine that listens on a loopback or wildcard port, if it is ours to see.
pub(super) fn listening_on(port: u16) -> Option<u32> {
    const LISTENING: &str = "0A";
    let sockets = ["/proc/net/tcp", "/proc/net/tcp6"].map(|file| fs::read_to_string(file).unwrap_or_default());
    let inode = sockets.iter().flat_map(|text| text.lines()).find_map(|line| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let (_, found) = fields.get(1)?.rsplit_once(':')?;
        let here = u16::from_str_radix(found, 16).ok()? == port && *fields.get(3)? == LISTENING;
        here.then(|| fields.get(9).map(|inode| format!("socket:[{inode}]")))?
    })?;
    fs::read_dir("/proc").ok()?.flatten().find_map(|process| {
        let pid: u32 = process.file_name().to_str()?.parse().ok()?;
        let mut descriptors = fs::read_dir(process.path().join("fd")).ok()?.flatten();
        descriptors
            .any(|descriptor| fs::read_link(descriptor.path()).is_ok_and(|link| link.as_os_str() == inode.as_str()))
            .then_some(pid)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cpu_time_grows_with_work() {
        let before = cpu_nanos(std::process::id()).unwrap();
        let (mut sum, deadline) = (0u64, Instant::now() + Duration::from_secs(20));
        while cpu_nanos(std::process::id()).unwrap() < before + 1_000_000 {
            sum = std::hint::black_box((0..100_000u64).fold(sum, u64::wrapping_add));
            assert!(Instant::now() < deadline, "CPU time does not advance");
        }
    }

    #[test]
    fn memory_is_counted_in_bytes() {
        assert!(resident_bytes(std::process::id()).unwrap() > 100_000);
        assert_eq!(resident_bytes(u32::MAX), None);
    }

    #[test]
    fn the_process_behind_a_port_is_found() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        assert_eq!(listening_on(port), Some(std::process::id()));
        drop(listener);
        assert_eq!(listening_on(port), None);
    }
}
