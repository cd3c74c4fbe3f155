//! `outpour drain`, and what SIGTERM does: a gateway that has sessions ends, and says how.

#![allow(clippy::unwrap_used, reason = "a test may end in a panic")]

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use outpour_core::wire::{ClientFrame, Frames, GatewayFrame, Hello, PROTOCOL_MAJOR, PROTOCOL_MINOR};
use outpour_core::{ErrorCode, PublishNumber, PublisherId};
use rustix::process::{Pid, Signal, kill_process};
use tungstenite::client::IntoClientRequest;
use tungstenite::http::HeaderValue;
use tungstenite::{Message, WebSocket};

fn outpour(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_outpour"));
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("OUTPOUR_")) {
        command.env_remove(name);
    }
    command.args(arguments);
    command
}

/// A gateway that is ended when a test is over, however it ends.
struct Running {
    child: Child,
    address: String,
    pid_file: PathBuf,
    _folder: tempfile::TempDir,
}

impl Running {
    fn start(arguments: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let pid_file = folder.path().join("outpour.pid");
        let mut command = outpour(&["serve", "--listen", "127.0.0.1:0", "--workers", "1", "--pid-file"]);
        command.arg(&pid_file).args(arguments);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
        let address = line.trim_end().strip_prefix("listening on ws://").expect(&line).to_owned();
        Self { child, address, pid_file, _folder: folder }
    }

    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    /// Its exit code and its log, when it has ended.
    fn end(mut self) -> (Option<i32>, String) {
        let mut log = String::new();
        self.child.stderr.take().unwrap().read_to_string(&mut log).unwrap();
        (self.child.wait().unwrap().code(), log)
    }

    fn drain(&self, arguments: &[&str]) -> (Option<i32>, String) {
        drain(&self.pid_file, arguments)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _gone = self.child.kill();
        let _reaped = self.child.wait();
    }
}

/// Runs `outpour drain`, and gives its exit code and what it says.
fn drain(pid_file: &Path, arguments: &[&str]) -> (Option<i32>, String) {
    told(outpour(&["drain", "--pid-file"]).arg(pid_file).args(arguments).output().unwrap())
}

fn told(Output { status, stdout, stderr }: Output) -> (Option<i32>, String) {
    (status.code(), String::from_utf8([stdout, stderr].concat()).unwrap())
}

/// A client that says hello, and then only listens.
struct Stubborn(WebSocket<TcpStream>);

impl Stubborn {
    fn connect(address: &str) -> Self {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        let mut request = format!("ws://{address}/").into_client_request().unwrap();
        request.headers_mut().insert("Sec-WebSocket-Protocol", HeaderValue::from_static("outpour.v1"));
        let (mut socket, _) = tungstenite::client(request, stream).unwrap();
        let mut message = Vec::new();
        ClientFrame::Hello(Hello {
            major: PROTOCOL_MAJOR,
            minor: PROTOCOL_MINOR,
            publisher: PublisherId([1; 16]),
            settled: PublishNumber(0),
            max_message: 4 << 20,
            agent: "stubborn",
            resume: None,
            credentials: &[],
        })
        .encode(&mut message);
        socket.send(Message::binary(message)).unwrap();
        let mut client = Self(socket);
        client.wait_for(|frame| matches!(frame, GatewayFrame::Welcome(_)).then_some(()));
        client
    }

    fn wait_for<T>(&mut self, fits: impl Fn(&GatewayFrame<'_>) -> Option<T>) -> T {
        loop {
            if let Message::Binary(message) = self.0.read().unwrap() {
                let frames = Frames::new(&message).filter_map(|raw| raw.and_then(GatewayFrame::decode).unwrap());
                if let Some(found) = frames.into_iter().find_map(|frame| fits(&frame)) {
                    return found;
                }
            }
        }
    }

    fn wait_for_goodbye(&mut self) {
        let code = self.wait_for(|frame| match frame {
            GatewayFrame::Goodbye(goodbye) => Some(goodbye.code),
            _ => None,
        });
        assert_eq!(code, ErrorCode::ShuttingDown.number());
    }
}

#[test]
fn a_gateway_without_sessions_ends_at_once() {
    let gateway = Running::start(&[]);
    let (code, said) = gateway.drain(&[]);
    assert_eq!(code, Some(0), "{said}");
    assert!(said.starts_with(&format!("the gateway (process {}) has ended after ", gateway.child.id())), "{said}");
    assert!(!gateway.pid_file.exists());
    let (code, log) = gateway.end();
    assert_eq!(code, Some(0), "{log}");
    assert!(log.contains("drained") && log.contains("connections=0"), "{log}");
}

#[test]
fn the_process_can_be_named_by_its_number() {
    let gateway = Running::start(&[]);
    let number = gateway.child.id().to_string();
    let (code, said) = told(outpour(&["drain", "--pid", &number]).output().unwrap());
    assert_eq!(code, Some(0), "{said}");
    assert_eq!(gateway.end().0, Some(0));
}

#[test]
fn a_session_that_stays_is_ended_when_its_time_is_over() {
    let gateway = Running::start(&["--log", "info"]);
    let mut client = Stubborn::connect(&gateway.address);
    let start = Instant::now();
    let request = {
        let pid_file = gateway.pid_file.clone();
        std::thread::spawn(move || drain(&pid_file, &["--within", "1200ms"]))
    };
    client.wait_for_goodbye();
    assert!(start.elapsed() >= Duration::from_millis(900), "it had three quarters of the time");
    drop(client);
    let (code, said) = request.join().unwrap();
    assert_eq!(code, Some(0), "{said}");
    assert!(!gateway.pid_file.with_extension("pid.drain").exists());
    let (code, log) = gateway.end();
    assert_eq!(code, Some(0), "{log}");
    assert!(log.contains("within=1.2s") && log.contains("connections=1") && log.contains("cut=1"), "{log}");
}

#[test]
fn the_grace_of_the_configuration_holds_without_another() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("gateway.toml");
    fs::write(&file, "shutdown_grace = '400ms'\n").unwrap();
    let gateway = Running::start(&["--config", file.to_str().unwrap()]);
    let mut client = Stubborn::connect(&gateway.address);
    gateway.signal(Signal::TERM);
    client.wait_for_goodbye();
    let (code, log) = gateway.end();
    assert_eq!(code, Some(0), "{log}");
    assert!(log.contains("within=400ms"), "{log}");
}

#[test]
fn a_second_signal_ends_it_there_and_then() {
    for second in [Signal::TERM, Signal::INT] {
        let gateway = Running::start(&[]);
        let address = gateway.address.clone();
        let _client = Stubborn::connect(&address);
        let start = Instant::now();
        let pid_file = gateway.pid_file.clone();
        let request = std::thread::spawn(move || drain(&pid_file, &["--within", "10m"]));
        // It takes nobody in as soon as it has heard the first.
        while !refuses(&address) {
            assert!(!request.is_finished(), "the drain has not begun");
        }
        gateway.signal(second);
        assert_eq!(gateway.end().0, Some(1));
        assert!(start.elapsed() < Duration::from_secs(300));
        assert_eq!(request.join().unwrap().0, Some(0), "it has ended, as was asked for");
    }
}

/// Whether a gateway answers that it is shutting down.
fn refuses(address: &str) -> bool {
    let mut stream = TcpStream::connect(address).unwrap();
    std::io::Write::write_all(&mut stream, b"GET /health HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer.starts_with("HTTP/1.1 503 ") && answer.contains("\r\nRetry-After: 1\r\n")
}

#[test]
fn an_interrupt_tells_goodbye_at_once() {
    let gateway = Running::start(&[]);
    let mut client = Stubborn::connect(&gateway.address);
    gateway.signal(Signal::INT);
    client.wait_for_goodbye();
    drop(client);
    let (code, log) = gateway.end();
    assert_eq!(code, Some(0), "{log}");
    assert!(!log.contains("drain"), "{log}");
}

#[test]
fn what_cannot_be_drained_is_one_sentence() {
    let folder = tempfile::tempdir().unwrap();
    let pid_file = folder.path().join("outpour.pid");
    let sentence = format!("outpour: no gateway runs with the pid file {}\n", pid_file.display());
    assert_eq!(drain(&pid_file, &[]), (Some(1), sentence.clone()));
    // A gateway that was killed has left its file behind; the number may be another's by now.
    fs::write(&pid_file, format!("{}\n", std::process::id())).unwrap();
    assert_eq!(drain(&pid_file, &[]), (Some(1), sentence));

    let this = std::process::id().to_string();
    let refused = told(outpour(&["drain", "--pid", &this]).output().unwrap());
    let sentence = format!("outpour: process {this} is not a gateway (outpour serve): nothing was done\n");
    assert_eq!(refused, (Some(1), sentence));

    for wrong in [&["drain"][..], &["drain", "--pid", "0"], &["drain", "--pid", "1", "--within", "1s"]] {
        assert_eq!(outpour(wrong).output().unwrap().status.code(), Some(2), "{wrong:?}");
    }
    assert_eq!(drain(&pid_file, &["--within", "11m"]).0, Some(2));
    assert_eq!(drain(&pid_file, &["--pid", "1"]).0, Some(2));
}

#[test]
fn two_gateways_do_not_share_a_pid_file() {
    let gateway = Running::start(&[]);
    let mut second = outpour(&["serve", "--listen", "127.0.0.1:0", "--log", "off", "--pid-file"]);
    let (code, said) = told(second.arg(&gateway.pid_file).output().unwrap());
    assert_eq!(code, Some(1));
    assert!(said.starts_with("outpour: another gateway runs with the pid file "), "{said}");
    // The first is not touched by it.
    assert_eq!(gateway.drain(&[]).0, Some(0));
}
