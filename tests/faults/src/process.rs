//! Gateways, subscribers and publishers as people run them.

use std::net::SocketAddr;
use std::process::{ExitStatus, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use rustix::process::{Pid, Resource, Rlimit, Signal, getrlimit, kill_process, prlimit};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::task::JoinHandle;

use crate::program::program;
use crate::{Observation, soon};

/// A running `outpour`, which is killed when it is dropped.
#[derive(Debug)]
pub struct Process {
    child: Child,
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
    log: Arc<Mutex<String>>,
    logging: JoinHandle<()>,
}

impl Process {
    /// Runs `outpour` with these arguments and environment.
    #[must_use]
    pub fn start(arguments: &[&str], environment: &[(&str, &str)]) -> Self {
        let mut command = Command::new(program());
        command.args(arguments);
        Self::spawn(command, environment)
    }

    /// Runs `outpour` under limits that are set by a line for the shell, such as `ulimit -n 40`.
    #[must_use]
    pub fn start_limited(limits: &str, arguments: &[&str], environment: &[(&str, &str)]) -> Self {
        let mut command = Command::new("sh");
        command.arg("-c").arg(format!("{limits}; exec \"$0\" \"$@\"")).arg(program()).args(arguments);
        Self::spawn(command, environment)
    }

    fn spawn(mut command: Command, environment: &[(&str, &str)]) -> Self {
        for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("OUTPOUR_")) {
            command.env_remove(name);
        }
        command.envs(environment.iter().copied()).kill_on_drop(true);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let log = Arc::new(Mutex::new(String::new()));
        let (mut errors, kept) = (child.stderr.take().unwrap(), Arc::clone(&log));
        let logging = tokio::spawn(async move {
            let mut buffer = [0; 4096];
            while let Ok(count @ 1..) = errors.read(&mut buffer).await {
                let mut kept = kept.lock().unwrap_or_else(PoisonError::into_inner);
                kept.push_str(&String::from_utf8_lossy(&buffer[..count]));
            }
        });
        let (input, output) = (child.stdin.take(), BufReader::new(child.stdout.take().unwrap()));
        Self { child, input, output, log, logging }
    }

    /// Follows topics with `outpour sub --jsonl`.
    #[must_use]
    pub fn subscribe(url: &str, arguments: &[&str]) -> Self {
        let arguments: Vec<&str> = ["sub", url, "--jsonl"].into_iter().chain(arguments.iter().copied()).collect();
        Self::start(&arguments, &[])
    }

    /// Publishes lines with `outpour pub --jsonl`.
    #[must_use]
    pub fn publish(url: &str, arguments: &[&str]) -> Self {
        let arguments: Vec<&str> = ["pub", url, "--jsonl"].into_iter().chain(arguments.iter().copied()).collect();
        Self::start(&arguments, &[])
    }

    /// Gives it lines on its standard input.
    pub async fn write(&mut self, lines: &str) {
        let input = self.input.as_mut().unwrap();
        input.write_all(lines.as_bytes()).await.unwrap();
        input.flush().await.unwrap();
    }

    /// The next line of its standard output; `None` after the last.
    pub async fn line(&mut self) -> Option<String> {
        let mut line = String::new();
        let read = soon("a line of output", self.output.read_line(&mut line)).await.unwrap();
        (read > 0).then(|| line.trim_end().to_owned())
    }

    /// What a subscriber prints next.
    pub async fn observe(&mut self) -> Observation {
        match self.line().await {
            Some(line) => Observation::from_line(&line),
            None => panic!("the subscriber has ended: {}", self.log()),
        }
    }

    /// What it has written to standard error so far.
    #[must_use]
    pub fn log(&self) -> String {
        self.log.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Ends its input and waits for it to end.
    pub async fn end(&mut self) -> ExitStatus {
        self.input = None;
        let status = soon("the end of a process", self.child.wait()).await.unwrap();
        // What it said last is often why.
        let _told = (&mut self.logging).await;
        status
    }

    /// Ends its input, waits for it to end, and expects success.
    pub async fn succeed(&mut self) {
        let status = self.end().await;
        assert!(status.success(), "{status}: {}", self.log());
    }

    /// How much memory it has.
    #[must_use]
    pub fn resident_bytes(&self) -> u64 {
        let id = self.child.id().unwrap();
        let pages = std::fs::read_to_string(format!("/proc/{id}/statm")).unwrap();
        pages.split(' ').nth(1).unwrap().parse::<u64>().unwrap() * rustix::param::page_size() as u64
    }

    /// Lets no file of its grow beyond so many bytes from now on, or any file.
    pub fn limit_files(&self, bytes: Option<u64>) {
        let id = self.child.id().and_then(|id| Pid::from_raw(id.cast_signed()));
        let maximum = getrlimit(Resource::Fsize).maximum;
        prlimit(id, Resource::Fsize, Rlimit { current: bytes, maximum }).unwrap();
    }

    /// Sends it a signal.
    pub fn signal(&self, signal: Signal) {
        let id = self.child.id().and_then(|id| Pid::from_raw(id.cast_signed())).unwrap();
        kill_process(id, signal).unwrap();
    }

    /// Halts it with SIGSTOP: its sockets stay open, and nobody answers.
    pub fn freeze(&self) {
        self.signal(Signal::STOP);
    }

    /// Lets it go on with SIGCONT.
    pub fn thaw(&self) {
        self.signal(Signal::CONT);
    }

    /// Kills it with SIGKILL, and waits until it is gone.
    pub async fn kill(&mut self) {
        self.child.kill().await.unwrap();
    }
}

/// A running `outpour serve`.
#[derive(Debug)]
pub struct Gateway {
    /// The process.
    pub process: Process,
    /// Where it listens.
    pub address: SocketAddr,
}

impl Gateway {
    /// Starts a gateway on a free port.
    pub async fn start(arguments: &[&str], environment: &[(&str, &str)]) -> Self {
        Self::start_at("127.0.0.1:0", arguments, environment).await
    }

    /// Starts a gateway that hears of its clients, and is heard of, every second.
    pub async fn lively() -> Self {
        Self::start(&[], &[("OUTPOUR_LIMITS_HEARTBEAT", "1s")]).await
    }

    /// Starts a gateway at an address, such as that of one that was killed.
    pub async fn start_at(address: &str, arguments: &[&str], environment: &[(&str, &str)]) -> Self {
        let arguments: Vec<&str> =
            ["serve", "--listen", address].into_iter().chain(arguments.iter().copied()).collect();
        Self::ready(Process::start(&arguments, environment)).await
    }

    /// Starts a gateway under limits that are set by a line for the shell.
    pub async fn start_limited(limits: &str, arguments: &[&str], environment: &[(&str, &str)]) -> Self {
        let arguments: Vec<&str> =
            ["serve", "--listen", "127.0.0.1:0"].into_iter().chain(arguments.iter().copied()).collect();
        Self::ready(Process::start_limited(limits, &arguments, environment)).await
    }

    async fn ready(mut process: Process) -> Self {
        let line = process.line().await.unwrap_or_else(|| panic!("the gateway has ended: {}", process.log()));
        let address = line.strip_prefix("listening on ws://").unwrap_or_else(|| panic!("{line}"));
        Self { address: address.parse().unwrap(), process }
    }

    /// Where clients connect.
    #[must_use]
    pub fn url(&self) -> String {
        format!("ws://{}", self.address)
    }
}

/// A port of 127.0.0.1 that is free, and that the system gives to nobody by itself.
#[must_use]
pub fn free_port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    loop {
        let offset = NEXT.fetch_add(1, Ordering::Relaxed).wrapping_add(std::process::id() as u16);
        let port = 12_000 + offset % 18_000;
        if std::net::TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}
