//! `outpour bench fanout` as a process, against the floor, which needs nothing but this program.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "a test may end in a panic")]

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Output, Stdio};

fn bench_fanout(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_outpour")).args(["bench", "fanout"]).args(arguments).output().unwrap()
}

fn figures(arguments: &[&str]) -> serde_json::Value {
    let output = bench_fanout(&[&["--json", "--rounds", "1", "--seconds", "0.5"], arguments].concat());
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {errors}"))
}

#[test]
fn the_floor_loses_nothing() {
    let figures = figures(&["--skip-outpour", "--subscribers", "20", "--rate", "100", "--topics", "4"]);
    assert_eq!(figures["lost"], 0);
    assert_eq!(figures["repeated"], 0);
    let round = &figures["rounds"][0];
    // 50 updates, each to five of twenty subscribers.
    assert_eq!(round["updates"], 50);
    assert_eq!(round["deliveries"], 50 * 5);
    for figure in ["floor_us_per_delivery", "p50_ms", "p99_ms", "p999_ms", "deliveries_per_s"] {
        assert!(figures[figure].as_f64().unwrap() > 0.0, "{figure}");
    }
}

#[test]
fn with_updates_in_flight_the_coalescing_floor_is_measured_too() {
    let figures = figures(&["--skip-outpour", "--subscribers", "20", "--in-flight", "32"]);
    assert_eq!(figures["lost"], 0);
    let floors = figures["floors"].as_array().unwrap();
    assert_eq!(floors.len(), 2);
    for floor in floors {
        assert_eq!(floor["lost"], 0);
        assert!(floor["rounds"][0]["deliveries"].as_u64().unwrap() >= 20 * 32);
    }
    assert!(figures["floor_coalescing_us_per_delivery"].as_f64().unwrap() > 0.0);
}

#[test]
fn idle_sessions_are_weighed() {
    let figures = figures(&["--skip-outpour", "--subscribers", "100", "--rate", "0"]);
    assert!(figures["server_bytes_per_session"].is_number());
    assert!(figures["p99_ms"].is_null());
    assert_eq!(figures["disconnected"], 0);
}

#[test]
fn outpour_loses_nothing_whatever_is_published() {
    for arguments in [&["--rate", "200"][..], &["--in-flight", "4"], &["--in-flight", "32", "--events"]] {
        let common = ["--subscribers", "20", "--topics", "2", "--change", "20"];
        let figures = figures(&[&common, arguments].concat());
        for count in ["lost", "repeated", "disconnected"] {
            assert_eq!(figures[count], 0, "{count} with {arguments:?}");
        }
        assert!(figures["server_us_per_delivery"].as_f64().unwrap() > 0.0);
        assert!(figures["floor_us_per_delivery"].as_f64().unwrap() > 0.0);
        if arguments.contains(&"--events") {
            assert_eq!(figures["conflated"], 0);
        }
    }
}

#[test]
fn a_gateway_that_runs_already_is_measured_and_left_clean() {
    let mut gateway = Gateway::start();
    for _ in 0..2 {
        let figures = figures(&["--url", &gateway.url, "--subscribers", "10", "--rate", "50"]);
        assert_eq!(figures["lost"], 0);
        assert!(figures["server_us_per_delivery"].as_f64().unwrap() > 0.0, "its process is found by its port");
    }
    assert_eq!(gateway.process.try_wait().unwrap(), None, "it goes on");
}

/// `outpour serve` on a free port.
struct Gateway {
    process: Child,
    url: String,
}

impl Gateway {
    fn start() -> Self {
        let mut process = Command::new(env!("CARGO_BIN_EXE_outpour"))
            .args(["serve", "--listen", "127.0.0.1:0"])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(process.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let url = line.trim().strip_prefix("listening on ").unwrap().to_owned();
        Self { process, url }
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[test]
fn an_unusable_url_is_a_failure_that_says_what_to_give() {
    let output = bench_fanout(&["--url", "https://127.0.0.1:1"]);
    assert_eq!(output.status.code(), Some(1));
    let errors = String::from_utf8_lossy(&output.stderr);
    assert_eq!(errors.lines().count(), 1, "{errors}");
    assert!(errors.contains("ws://HOST:PORT"), "{errors}");
}

#[test]
fn nonsense_is_a_usage_error() {
    for arguments in [["--rate", "nan"], ["--subscribers", "0"], ["--size", "3"], ["--seconds", "-1"]] {
        assert_eq!(bench_fanout(&arguments).status.code(), Some(2), "{arguments:?}");
    }
}
