//! `outpour bench fanout` as a process, against the floor, which needs nothing but this program.
#![cfg(target_os = "linux")]

use std::process::{Command, Output};

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
