//! The examples do what they say.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

use outpour_server::gateway::Gateway;

/// Runs an example to its end, and gives what it printed.
fn run(program: &str, url: &str) -> String {
    let output = Command::new(program).arg(url).output().expect("the example starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("text")
}

#[test]
fn every_example_runs() {
    let gateway = Gateway::ephemeral().expect("a gateway");
    let url = gateway.url();
    assert!(run(env!("CARGO_BIN_EXE_ticker"), &url).starts_with("the last bid is 1.0809\n"));
    assert_eq!(run(env!("CARGO_BIN_EXE_counter"), &url), "run 1\n");
    assert_eq!(run(env!("CARGO_BIN_EXE_counter"), &url), "run 2\n");
    assert_eq!(run(env!("CARGO_BIN_EXE_events"), &url), "filled\nclosed\n");

    let mut follower = Command::new(env!("CARGO_BIN_EXE_subscribe"))
        .args([&url, "counters/*"])
        .stdout(Stdio::piped())
        .spawn()
        .expect("the example starts");
    let mut line = String::new();
    BufReader::new(follower.stdout.take().expect("its output")).read_line(&mut line).expect("a line");
    follower.kill().expect("it still follows");
    follower.wait().expect("it ends");
    assert!(line.starts_with("counters/runs = 2 (version "), "{line}");
}
