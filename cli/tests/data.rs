//! `outpour serve --data` as it is run: killed, crowded, and with no room left.

#![allow(clippy::unwrap_used, reason = "a test may end in a panic")]

use std::io::{BufRead, BufReader, Read, Write};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::thread;

fn outpour() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_outpour"));
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("OUTPOUR_")) {
        command.env_remove(name);
    }
    command
}

/// Runs a command, with this on its standard input, and gives what it printed.
fn run(arguments: &[&str], input: &str) -> Result<String, String> {
    let mut command = outpour();
    command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    // A command that reads nothing may have ended already.
    let _unread = child.stdin.take().unwrap().write_all(input.as_bytes());
    let Output { status, stdout, stderr } = child.wait_with_output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    if status.success() { Ok(text(stdout)) } else { Err(text(stderr)) }
}

/// A gateway on a port of its own, killed when it is dropped.
struct Running {
    child: Child,
    url: String,
}

impl Running {
    fn start(data: &Path, arguments: &[&str]) -> Self {
        let mut command = outpour();
        command.args(["serve", "--listen", "127.0.0.1:0", "--data"]).arg(data).args(arguments);
        Self::spawn(command)
    }

    fn spawn(mut command: Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
        if line.is_empty() {
            child.stderr.take().unwrap().read_to_string(&mut line).unwrap();
        }
        let url = line.trim_end().strip_prefix("listening on ").expect(&line).to_owned();
        Self { child, url }
    }

    /// With SIGKILL.
    fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _gone = self.child.kill();
        let _reaped = self.child.wait();
    }
}

fn lines(count: usize) -> String {
    (0..count).map(|index| format!("{{\"topic\":\"t/{}\",\"value\":{index}}}\n", index % 50)).collect()
}

/// What was acknowledged is there after every kill, with its versions, on whatever port.
#[test]
fn killed_in_the_middle_of_writing_it_loses_nothing_that_was_acknowledged() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let mut before = String::new();
    for (round, fsync) in ["never", "interval", "always", "never"].iter().enumerate() {
        let gateway = Running::start(&data, &["--fsync", fsync]);
        assert_eq!(run(&["get", &gateway.url, "kept/**", "--jsonl"], "").unwrap(), before);
        let path = format!("kept/{round}");
        run(&["pub", &gateway.url, &path, "\"acknowledged\""], "").unwrap();
        run(&["pub", &gateway.url, "kept/events", "--events", &round.to_string()], "").unwrap();
        before = run(&["get", &gateway.url, "kept/**", "--jsonl"], "").unwrap();
        assert!(before.contains(&path));
        // Somebody publishes without end while the gateway is killed.
        let mut busy = outpour();
        busy.args(["pub", &gateway.url, "--jsonl", "--loop"]).stdin(Stdio::piped()).stderr(Stdio::null());
        let mut busy = busy.spawn().unwrap();
        busy.stdin.take().unwrap().write_all(lines(1_000).as_bytes()).unwrap();
        let mut follower = outpour();
        follower.args(["sub", &gateway.url, "t/*", "--jsonl", "--count", "500"]).stdout(Stdio::null());
        follower.stderr(Stdio::null());
        assert!(follower.status().unwrap().success());
        gateway.kill();
        busy.kill().unwrap();
        busy.wait().unwrap();
    }
    let gateway = Running::start(&data, &[]);
    assert_eq!(run(&["get", &gateway.url, "kept/**", "--jsonl"], "").unwrap(), before);
    assert_eq!(run(&["get", &gateway.url, "t/*"], "").unwrap().lines().count(), 50);
}

#[test]
fn a_directory_serves_one_gateway() {
    let folder = tempfile::tempdir().unwrap();
    let gateway = Running::start(folder.path(), &[]);
    let second = ["serve", "--listen", "127.0.0.1:0", "--data", folder.path().to_str().unwrap()];
    let sentence = run(&second, "").unwrap_err();
    let id = gateway.child.id();
    assert!(sentence.contains(&format!("the process {id} is using this directory")), "{sentence}");
    assert_eq!(sentence.lines().count(), 1, "{sentence}");
    gateway.kill();
    Running::start(folder.path(), &[]).kill();
}

#[test]
fn damage_is_said_in_a_sentence() {
    let folder = tempfile::tempdir().unwrap();
    let gateway = Running::start(folder.path(), &[]);
    run(&["pub", &gateway.url, "--jsonl"], &lines(100)).unwrap();
    gateway.kill();
    let segment = folder.path().join("00000000000000000001.records");
    let mut bytes = std::fs::read(&segment).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(&segment, bytes).unwrap();
    let arguments = ["serve", "--listen", "127.0.0.1:0", "--data", folder.path().to_str().unwrap()];
    let sentence = run(&arguments, "").unwrap_err();
    assert!(sentence.contains(&format!("{} is damaged", segment.display())), "{sentence}");
    assert!(sentence.contains("backup"), "{sentence}");
}

/// The limit on the size of files stands for a disk that is full.
#[test]
fn a_full_disk_refuses_publishes_and_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let mut command = Command::new("sh");
    // In units of 512 bytes.
    command.args(["-c", "ulimit -f 128; exec \"$0\" \"$@\"", env!("CARGO_BIN_EXE_outpour")]);
    command.args(["serve", "--listen", "127.0.0.1:0", "--data"]).arg(&data);
    let gateway = Running::spawn(command);
    run(&["pub", &gateway.url, "a", "\"before\""], "").unwrap();
    let large = format!("\"{}\"", "x".repeat(100_000));
    let mut publisher = outpour();
    publisher.args(["pub", &gateway.url, "b"]).stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped());
    let mut publisher = publisher.spawn().unwrap();
    publisher.stdin.take().unwrap().write_all(large.as_bytes()).unwrap();
    let refused = thread::spawn(move || publisher.wait_with_output().unwrap());
    let sentence = String::from_utf8(refused.join().unwrap().stderr).unwrap();
    assert!(sentence.contains("log-unavailable"), "{sentence}");
    // Reading goes on, and what fits is taken.
    assert_eq!(run(&["get", &gateway.url, "a"], "").unwrap(), "a  \"before\"\n");
    run(&["pub", &gateway.url, "a", "\"after\""], "").unwrap();
    gateway.kill();
    let gateway = Running::start(&data, &[]);
    assert_eq!(run(&["get", &gateway.url, "**"], "").unwrap(), "a  \"after\"\n");
    run(&["pub", &gateway.url, "b"], &large).unwrap();
}
