//! `outpour pub`, `sub` and `get` as they are run, with a real gateway.

#![allow(clippy::unwrap_used, reason = "a test may end in a panic")]

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Output, Stdio};

use outpour_server::gateway::Gateway;

fn outpour(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_outpour"));
    command.args(arguments);
    command
}

/// Runs a command to its end.
fn run(arguments: &[&str], input: &[u8]) -> Output {
    let mut child =
        outpour(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    // A command that reads nothing may have ended already.
    let _unread = stdin.write_all(input);
    drop(stdin);
    child.wait_with_output().unwrap()
}

/// Runs a command that is to succeed, and gives what it printed.
fn done(arguments: &[&str], input: &[u8]) -> String {
    let output = run(arguments, input);
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// Runs a command that is to fail, and gives its sentence.
fn failed(arguments: &[&str], input: &[u8], code: i32) -> String {
    let output = run(arguments, input);
    let sentence = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(code), "{arguments:?}: {sentence}");
    sentence
}

/// A subscriber that runs beside the test.
struct Follower {
    child: Child,
    lines: BufReader<ChildStdout>,
}

impl Follower {
    fn start(arguments: &[&str]) -> Self {
        let mut child = outpour(arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap());
        Self { child, lines }
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.lines.read_line(&mut line).unwrap();
        line.trim_end().to_owned()
    }

    /// Waits for its end, and gives its summary.
    fn end(mut self) -> String {
        let mut rest = String::new();
        while self.lines.read_line(&mut rest).unwrap() > 0 {}
        let output = self.child.wait_with_output().unwrap();
        assert!(output.status.success());
        String::from_utf8(output.stderr).unwrap()
    }
}

#[test]
fn values_of_every_type_are_published_and_got_back() {
    let gateway = Gateway::ephemeral().unwrap();
    let url = &gateway.url();
    done(&["pub", url, "a/json", "{\"price\":18.6000}"], b"");
    done(&["pub", url, "a/text", "closed today"], b"");
    done(&["pub", url, "a/number-as-text", "42", "--type", "text"], b"");
    done(&["pub", url, "a/whole", "-42", "--type", "int64"], b"");
    done(&["pub", url, "a/real", "0.25", "--type", "double"], b"");
    done(&["pub", url, "a/bytes", "--type", "binary"], &[0, 159, 146]);
    done(&["pub", url, "a/piped"], b"[1, 2]\n");
    let lines = done(&["get", url, "a/*", "--jsonl"], b"");
    let expected = [
        r#"{"topic":"a/bytes","version":6,"b64":"AJ+S"}"#,
        r#"{"topic":"a/json","version":1,"value":{"price":18.6000}}"#,
        r#"{"topic":"a/number-as-text","version":3,"text":"42"}"#,
        r#"{"topic":"a/piped","version":7,"value":[1, 2]}"#,
        r#"{"topic":"a/real","version":5,"value":0.25}"#,
        r#"{"topic":"a/text","version":2,"text":"closed today"}"#,
        r#"{"topic":"a/whole","version":4,"value":-42}"#,
    ];
    assert_eq!(lines.lines().collect::<Vec<_>>(), expected);
    assert_eq!(done(&["get", url, "a/text"], b""), "a/text  closed today\n");
}

#[test]
fn what_can_not_be_done_is_said_in_a_sentence() {
    let gateway = Gateway::ephemeral().unwrap();
    let url = &gateway.url();
    done(&["pub", url, "a", "1"], b"");
    assert!(failed(&["pub", url, "a", "1", "--type", "int64"], b"", 1).contains("type-mismatch"));
    assert!(failed(&["pub", url, "a//b", "1"], b"", 1).contains("bad-path"));
    assert!(failed(&["pub", url, "a", "{", "--type", "json"], b"", 1).contains("bad-value"));
    assert!(failed(&["pub", url, "n", "many", "--type", "int64"], b"", 1).contains("not a whole number"));
    assert!(failed(&["get", url, "nothing/here"], b"", 1).contains("there is no value at nothing/here"));
    assert_eq!(done(&["get", url, "nothing/*"], b""), "");
    assert!(failed(&["sub", url, "a//b"], b"", 1).contains("bad-selector"));
    assert!(failed(&["sub", url, "**", "--max-rate=-1"], b"", 2).contains("max-rate"));
    assert!(failed(&["get", "ws://127.0.0.1:1", "a"], b"", 1).contains("connect-failed"));
    assert!(failed(&["get", "http://127.0.0.1", "a"], b"", 1).contains("bad-endpoint"));
    for usage in [&["pub"][..], &["sub", url], &["get"], &["pub", url, "a", "--jsonl"], &["nonsense"]] {
        assert!(failed(usage, b"", 2).contains("Usage"), "{usage:?}");
    }
    let line = failed(&["pub", url, "--jsonl"], b"{\"topic\":\"b\",\"value\":1}\n{\"topic\":\"b\"}\n", 1);
    assert!(line.contains("standard input, line 2"), "{line}");
    let line =
        failed(&["pub", url, "--jsonl"], b"{\"topic\":\"c\",\"text\":\"x\"}\n{\"topic\":\"c\",\"value\":1}\n", 1);
    assert!(line.contains("c: ") && line.contains("type-mismatch"), "{line}");
}

#[test]
fn a_follower_prints_what_comes_and_sums_up() {
    let gateway = Gateway::ephemeral().unwrap();
    let url = &gateway.url();
    done(&["pub", url, "a/1", "\"before\""], b"");
    let mut follower = Follower::start(&["sub", url, "a/*", "e", "--jsonl", "--count", "5"]);
    assert_eq!(follower.line(), r#"{"topic":"a/1","version":1,"value":"before"}"#);
    let feed =
        b"{\"topic\":\"a/2\",\"value\":1e2}\n\n{\"topic\":\"b\",\"value\":0}\n{\"topic\":\"a/3\",\"b64\":\"AAEC\"}\n";
    done(&["pub", url, "--jsonl", "--rate", "1000"], feed);
    assert_eq!(follower.line(), r#"{"topic":"a/2","version":2,"value":1e2}"#);
    assert_eq!(follower.line(), r#"{"topic":"a/3","version":4,"b64":"AAEC"}"#);
    done(
        &["pub", url, "--jsonl", "--events"],
        b"{\"topic\":\"e\",\"text\":\"one\"}\n{\"topic\":\"e\",\"text\":\"two\"}\n",
    );
    assert_eq!(follower.line(), r#"{"topic":"e","version":5,"sequence":1,"text":"one"}"#);
    assert_eq!(follower.line(), r#"{"topic":"e","version":6,"sequence":2,"text":"two"}"#);
    let summary = follower.end();
    assert!(summary.starts_with("5 updates, "), "{summary}");
    assert!(summary.contains("bytes received") && summary.contains("bytes as full values"), "{summary}");

    let mut past = Follower::start(&["sub", url, "e", "--jsonl", "--history", "1", "--count", "1"]);
    assert_eq!(past.line(), r#"{"topic":"e","version":6,"sequence":2,"text":"two"}"#);
    past.end();
}

#[test]
fn a_follower_ends_when_nothing_comes_or_nobody_reads() {
    let gateway = Gateway::ephemeral().unwrap();
    let url = &gateway.url();
    let idle = Follower::start(&["sub", url, "**", "--idle-exit", "0.2"]);
    assert!(idle.end().starts_with("0 updates"));

    done(&["pub", url, "a", "1"], b"");
    let mut unread = Follower::start(&["sub", url, "**"]);
    assert_eq!(unread.line(), "a  1");
    let Follower { child, lines } = unread;
    drop(lines);
    done(&["pub", url, "a", "2"], b"");
    assert!(child.wait_with_output().unwrap().status.success());
}

#[test]
fn a_recorded_feed_ends_with_exactly_the_publishers_values() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/feeds/binance_bookticker.jsonl.zst");
    let feed = zstd::decode_all(std::fs::File::open(file).unwrap()).unwrap();
    let gateway = Gateway::ephemeral().unwrap();
    let url = &gateway.url();
    let mut follower = Follower::start(&["sub", url, "**", "--jsonl"]);
    done(&["pub", url, "--jsonl"], &feed);
    let wanted = values(feed.split(|byte| *byte == b'\n'));
    let mut held = BTreeMap::new();
    while held != wanted {
        let line = follower.line();
        held.extend(values(std::iter::once(line.as_bytes())));
    }
    let got = done(&["get", url, "**", "--jsonl"], b"");
    assert_eq!(values(got.lines().map(str::as_bytes)), wanted);
    rustix::process::kill_process(rustix::process::Pid::from_child(&follower.child), rustix::process::Signal::TERM)
        .unwrap();
    let summary = follower.end();
    let figures: Vec<u64> =
        summary.split(|character: char| !character.is_ascii_digit()).filter_map(|text| text.parse().ok()).collect();
    assert!(figures[1] < figures[2], "deltas are to save bytes: {summary}");
}

/// The last value of each topic, byte for byte.
fn values<'a>(lines: impl Iterator<Item = &'a [u8]>) -> BTreeMap<String, String> {
    let text = |line: &[u8]| String::from_utf8(line.to_vec()).unwrap();
    lines
        .map(text)
        .filter(|line| !line.is_empty())
        .map(|line| {
            let topic = serde_json::from_str::<serde_json::Value>(&line).unwrap()["topic"].as_str().unwrap().to_owned();
            let value = line.split_once("\"value\":").unwrap().1;
            (topic, value[..value.len() - 1].to_owned())
        })
        .collect()
}

#[test]
fn the_demo_runs_without_a_terminal_and_ends_by_itself() {
    let lines = done(&["demo", "--plain", "--seconds", "2.5", "--speed", "5", "--listen", "127.0.0.1:0"], b"");
    let lines: Vec<&str> = lines.lines().collect();
    assert!(lines[0].contains("outpour sub ws://127.0.0.1:"), "{lines:?}");
    assert!(lines[1].contains("open http://127.0.0.1:"), "{lines:?}");
    assert!(lines[2].contains("updates/s") && lines[2].contains("as full values"), "{lines:?}");
    assert!(lines.last().unwrap().contains("sent where full values are"), "{lines:?}");
}

#[test]
fn deltas_of_a_feed_are_measured() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/feeds/binance_bookticker.jsonl.zst");
    let report = done(&["bench", "delta", file.to_str().unwrap(), "--json"], b"");
    let report: serde_json::Value = serde_json::from_str(&report).unwrap();
    let row = report[0].as_object().unwrap();
    let names: Vec<&str> = row.keys().map(String::as_str).collect();
    assert_eq!(names, ["file", "topics", "updates", "full_bytes", "sent_bytes", "encode_us", "apply_us", "behind"]);
    let behind = &row["behind"][2];
    assert_eq!(behind["updates"], 8);
    assert!(behind["merged_bytes"].as_u64() < behind["chain_bytes"].as_u64(), "{behind}");
    assert_eq!((row["topics"].as_u64(), row["updates"].as_u64()), (Some(42), Some(3185)));
    assert!(row["sent_bytes"].as_u64() < row["full_bytes"].as_u64());
}

#[test]
fn shells_are_told_how_to_complete_commands() {
    for shell in ["bash", "zsh", "fish"] {
        assert!(done(&["completions", shell], b"").contains("outpour"), "{shell}");
    }
}

#[test]
fn a_follower_with_a_store_shows_what_it_held_and_then_what_changed() {
    let gateway = Gateway::ephemeral().unwrap();
    let directory = tempfile::tempdir().unwrap();
    let store = directory.path().join("prices.store");
    let url = gateway.url();
    let follow = |count| {
        let store = store.to_str().unwrap();
        done(&["sub", &url, "a/*", "--store", store, "--jsonl", "--count", count, "--or", "ws://127.0.0.1:9"], b"")
    };
    done(&["pub", &url, "a/x", "1", "--type", "int64"], b"");
    assert_eq!(follow("1"), "{\"topic\":\"a/x\",\"version\":1,\"value\":1}\n");
    done(&["pub", &url, "a/x", "2", "--type", "int64"], b"");
    let held = "{\"topic\":\"a/x\",\"version\":1,\"stale\":true,\"value\":1}\n";
    assert_eq!(follow("2"), format!("{held}{{\"topic\":\"a/x\",\"version\":2,\"value\":2}}\n"));
}
