//! `outpour bench resume` as a process: what it tells, and the bytes that resuming may take.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "a test may end in a panic")]

use std::process::{Command, Output};

fn bench_resume(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_outpour")).args(["bench", "resume"]).args(arguments).output().unwrap()
}

fn cases(arguments: &[&str]) -> Vec<serde_json::Value> {
    let output = bench_resume(&[&["--json", "--rounds", "1"], arguments].concat());
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    report["cases"].as_array().unwrap().clone()
}

fn bytes(case: &serde_json::Value, session: &str, figure: &str) -> u64 {
    case[session][figure].as_u64().unwrap()
}

#[test]
fn every_case_is_measured_beside_a_new_session() {
    let cases = cases(&["--topics", "1", "--topics", "100"]);
    let kinds: Vec<_> = cases
        .iter()
        .map(|case| {
            (case["topics"].as_u64().unwrap(), case["changed"].as_u64().unwrap(), case["gateway"].as_str().unwrap())
        })
        .collect();
    let wanted = [(1, 0), (1, 1), (100, 0), (100, 1), (100, 100)];
    let wanted: Vec<_> = wanted
        .iter()
        .flat_map(|(topics, changed)| [(*topics, *changed, "same"), (*topics, *changed, "another")])
        .collect();
    assert_eq!(kinds, wanted);
    for case in &cases {
        let values = case["topics"].as_u64().unwrap() * case["value_bytes"].as_u64().unwrap();
        let afresh = bytes(case, "afresh", "down_bytes");
        assert!(
            (values..values * 11 / 10).contains(&afresh),
            "a new session gets every value, and little else: {case}"
        );
        for session in ["resumed", "afresh"] {
            for figure in ["up_bytes", "handshake_up_bytes", "handshake_down_bytes"] {
                assert!((32..1024).contains(&bytes(case, session, figure)), "{figure} of {session}: {case}");
            }
        }
    }
}

#[test]
fn going_on_costs_what_changed_on_any_gateway() {
    let cases = cases(&["--topics", "1", "--topics", "100", "--topics", "1000"]);
    assert_eq!(cases.len(), 16);
    for case in &cases {
        // Bytes are no matter of time: they are the same on any machine.
        assert!(bytes(case, "resumed", "up_bytes") <= 256, "{case}");
        if case["changed"] == 0 {
            assert!(bytes(case, "resumed", "down_bytes") <= 256, "{case}");
        } else {
            assert!(case["beyond_delta_bytes"].as_f64().unwrap() <= 12.0, "{case}");
            // Right behind the answer to the request for an upgrade.
            assert_eq!(bytes(case, "resumed", "round_trips_to_first_update"), 1, "{case}");
        }
    }
}

#[test]
fn the_table_says_what_its_figures_are() {
    let output = bench_resume(&["--topics", "2", "--changed", "50", "--rounds", "1"]);
    let table = String::from_utf8(output.stdout).unwrap();
    for words in ["beyond the WebSocket handshake", "resumed", "a new session instead", "another"] {
        assert!(table.contains(words), "{table}");
    }
}

#[test]
fn nonsense_is_a_usage_error() {
    for arguments in [["--topics", "0"], ["--changed", "101"], ["--size", "3"], ["--rounds", "0"]] {
        assert_eq!(bench_resume(&arguments).status.code(), Some(2), "{arguments:?}");
    }
}
