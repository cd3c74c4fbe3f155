//! `outpour serve` as it is run: what it prints, where, and how it ends.

#![allow(clippy::unwrap_used, reason = "a test may end in a panic")]

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, ChildStderr, Command, Output, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use tungstenite::Message;
use tungstenite::client::IntoClientRequest;
use tungstenite::http::HeaderValue;

fn outpour() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_outpour"));
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("OUTPOUR_")) {
        command.env_remove(name);
    }
    command
}

/// Runs a command that is to be refused, and gives its one sentence.
fn refused(arguments: &[&str], code: i32) -> String {
    let Output { status, stdout, stderr } = outpour().arg("serve").args(arguments).output().unwrap();
    let sentence = String::from_utf8(stderr).unwrap();
    assert_eq!(status.code(), Some(code), "{sentence}");
    assert!(stdout.is_empty());
    sentence
}

/// A gateway that is ended when a test is over, however it ends.
struct Running {
    child: Child,
    address: String,
}

impl Running {
    fn start(command: &mut Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
        let address = line.trim_end().strip_prefix("listening on ws://").expect(&line).to_owned();
        TcpStream::connect(&address).unwrap();
        Self { child, address }
    }

    /// Ends it with a signal, and gives what it wrote to standard output after its address, and its log.
    fn end(mut self, signal: Signal) -> (String, String) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
        let (mut rest, mut log) = (String::new(), String::new());
        self.child.stdout.take().unwrap().read_to_string(&mut rest).unwrap();
        let mut stderr: ChildStderr = self.child.stderr.take().unwrap();
        stderr.read_to_string(&mut log).unwrap();
        assert_eq!(self.child.wait().unwrap().code(), Some(0), "{log}");
        (rest, log)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _gone = self.child.kill();
        let _reaped = self.child.wait();
    }
}

#[test]
fn it_says_where_it_listens_and_ends_in_order() {
    for signal in [Signal::TERM, Signal::INT] {
        let gateway = Running::start(outpour().args(["serve", "--listen", "127.0.0.1:0", "--workers", "1"]));
        let address = gateway.address.clone();
        assert_ne!(address, "127.0.0.1:0");
        let (rest, log) = gateway.end(signal);
        assert_eq!(rest, "");
        assert!(log.contains("started") && log.contains(&address) && log.contains("stopped"), "{log}");
        assert!(!log.contains('\u{1b}'), "colours are for terminals: {log}");
    }
}

#[test]
fn file_environment_and_flags_add_up() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("gateway.toml");
    fs::write(&file, "listen = '127.0.0.1:0'\nlog = 'error'\nworkers = 1\n[[topic]]\nselector = 'a'\n").unwrap();
    let gateway = Running::start(
        outpour()
            .args(["serve", "--workers", "3"])
            .env("OUTPOUR_CONFIG", &file)
            .env("OUTPOUR_LOG", "info")
            .env("OUTPOUR_LOG_FORMAT", "json"),
    );
    let (_, log) = gateway.end(Signal::TERM);
    let started: Vec<serde_json::Value> = log
        .lines()
        .map(|line| serde_json::from_str(line).expect(line))
        .filter(|entry: &serde_json::Value| entry["message"] == "started")
        .collect();
    assert_eq!((&started[0]["workers"], &started[0]["rules"]), (&3.into(), &1.into()), "{log}");
}

#[test]
fn the_log_can_be_turned_off() {
    let (_, log) =
        Running::start(outpour().args(["serve", "--listen", "127.0.0.1:0", "--log", "off"])).end(Signal::TERM);
    assert_eq!(log, "");
}

#[test]
fn what_cannot_be_served_is_one_sentence() {
    let sentence = refused(&["--listen", "0.0.0.0:0"], 1);
    assert!(sentence.starts_with("outpour: --listen: 0.0.0.0:0 can be reached from other machines"), "{sentence}");
    assert!(sentence.contains("--allow-anonymous") && sentence.lines().count() == 1, "{sentence}");

    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("gateway.toml");
    fs::write(&file, "[limits]\nmax_value = '1GiB'\n").unwrap();
    let name = file.to_str().unwrap();
    assert_eq!(
        refused(&["--config", name], 1),
        format!("outpour: {name}:2:13: limits.max_value can't be \"1GiB\": give 1KiB to 16MiB\n")
    );

    let gateway = Running::start(outpour().args(["serve", "--listen", "127.0.0.1:0"]));
    let sentence = refused(&["--listen", &gateway.address, "--log", "off"], 1);
    assert!(sentence.starts_with(&format!("outpour: can't listen on {}: ", gateway.address)), "{sentence}");
    assert_eq!(sentence.lines().count(), 1, "{sentence}");
}

/// Reads the log up to a line with these words.
fn wait_for_log(log: &mut impl BufRead, words: &str) {
    let mut line = String::new();
    while !line.contains(words) {
        line.clear();
        assert!(log.read_line(&mut line).unwrap() > 0, "the log ended without {words:?}");
    }
}

/// Fault 24: whoever is in stays served while the process has no descriptors left, and the others get in later.
#[test]
fn it_survives_the_lack_of_descriptors() {
    let gateway = Running::start(Command::new("sh").args([
        "-c",
        "ulimit -n 60; exec \"$0\" serve --listen 127.0.0.1:0 --workers 1",
        env!("CARGO_BIN_EXE_outpour"),
    ]));
    let mut gateway = gateway;
    let mut log = BufReader::new(gateway.child.stderr.take().unwrap());
    let stream = TcpStream::connect(&gateway.address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    let mut request = format!("ws://{}/", gateway.address).into_client_request().unwrap();
    request.headers_mut().insert("Sec-WebSocket-Protocol", HeaderValue::from_static("outpour.v1"));
    let (mut inside, _) = tungstenite::client(request, stream).unwrap();

    let crowd: Vec<TcpStream> = (0..100).map(|_| TcpStream::connect(&gateway.address).unwrap()).collect();
    wait_for_log(&mut log, "no connection can be accepted now");
    inside.send(Message::Ping("still there?".into())).unwrap();
    assert_eq!(inside.read().unwrap(), Message::Pong("still there?".into()));

    drop(crowd);
    let mut late = TcpStream::connect(&gateway.address).unwrap();
    late.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    late.write_all(b"GET /health HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
    let mut answer = String::new();
    late.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    wait_for_log(&mut log, "connections are accepted again");
}

#[test]
fn wrong_usage_has_a_code_of_its_own() {
    assert!(refused(&["--listen", "here"], 2).contains("--listen"));
    assert!(refused(&["--log-format", "xml"], 2).contains("text, json"));
    assert!(refused(&["--no-such-flag"], 2).contains("--no-such-flag"));
}

#[test]
fn beyond_the_machine_with_a_warning() {
    let gateway = Running::start(outpour().args(["serve", "--listen", "0.0.0.0:0", "--allow-anonymous"]));
    let (_, log) = gateway.end(Signal::TERM);
    assert!(log.contains("WARN") && log.contains("allow_anonymous"), "{log}");
}

/// What a gateway answers to a browser that opens its address.
fn page(gateway: &Running, path: &str) -> String {
    let mut socket = TcpStream::connect(&gateway.address).unwrap();
    socket.write_all(format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n").as_bytes()).unwrap();
    let mut answer = Vec::new();
    socket.read_to_end(&mut answer).unwrap();
    String::from_utf8_lossy(&answer).into_owned()
}

#[test]
fn browsers_are_shown_the_console_unless_it_is_off() {
    let gateway = Running::start(outpour().args(["serve", "--listen", "127.0.0.1:0"]));
    let (index, facts) = (page(&gateway, "/"), page(&gateway, "/console.json"));
    assert!(index.contains("Content-Type: text/html") && index.contains("'wasm-unsafe-eval'"), "{index}");
    assert!(index.to_ascii_lowercase().contains("<!doctype html>") && index.contains("Outpour"), "{index}");
    assert!(facts.contains("application/json") && facts.ends_with("\"gateways\":[]}"), "{facts}");
    for (flag, variable) in [(Some("--no-console"), None), (None, Some("false"))] {
        let gateway = Running::start(
            outpour()
                .args(["serve", "--listen", "127.0.0.1:0"])
                .args(flag)
                .envs(variable.map(|value| ("OUTPOUR_CONSOLE", value))),
        );
        assert!(page(&gateway, "/").contains("Content-Type: text/plain"));
        assert!(page(&gateway, "/console.json").starts_with("HTTP/1.1 404 "));
        assert!(page(&gateway, "/health").starts_with("HTTP/1.1 200 "));
    }
}
