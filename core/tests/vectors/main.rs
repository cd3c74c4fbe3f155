//! The golden vectors of `tests/vectors`, and the examples in `docs/`: both directions of everything.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::std_instead_of_core,
    clippy::std_instead_of_alloc,
    reason = "a test may panic in what it calls, too, and has the standard library"
)]

mod errors;
mod json;
mod protocol;

use std::collections::BTreeSet;
use std::path::PathBuf;

use json::{bytes_from_json, client_from_json, client_to_json, from_hex, gateway_from_json, gateway_to_json, to_hex};
use outpour_core::check::{check, plain_check, short_check};
use outpour_core::delta::{self, DeltaError};
use outpour_core::wire::{ClientFrame, Frames, GatewayFrame, WireError, read_varint, write_varint};
use outpour_core::{Path, PathError, Selector, SelectorError, Version};
use serde_json::Value;

/// A file of the project.
fn read(name: &str) -> String {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..").join(name);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn rows(name: &str) -> Vec<Value> {
    let rows: Vec<Value> = serde_json::from_str(&read(&format!("tests/vectors/{name}"))).unwrap();
    assert!(!rows.is_empty());
    rows
}

/// The frames of a message that are known, as JSON.
fn decode(direction: &str, message: &[u8]) -> Result<Vec<Value>, WireError> {
    Frames::new(message)
        .filter_map(|raw| {
            let frame = raw.and_then(|raw| match direction {
                "client" => Ok(ClientFrame::decode(raw)?.map(|frame| client_to_json(&frame))),
                _ => Ok(GatewayFrame::decode(raw)?.map(|frame| gateway_to_json(&frame))),
            });
            frame.transpose()
        })
        .collect()
}

fn encode(direction: &str, frame: &Value) -> Vec<u8> {
    let mut message = Vec::new();
    match direction {
        "client" => client_from_json(frame).encode(&mut message),
        _ => gateway_from_json(frame).encode(&mut message),
    }
    message
}

const CLIENT_FRAMES: [&str; 9] =
    ["hello", "subscribe", "unsubscribe", "publish", "fetch", "repair", "pong", "goodbye", "ping"];
const GATEWAY_FRAMES: [&str; 18] = [
    "delta",
    "snapshot",
    "event",
    "announce",
    "removed",
    "gap",
    "mark",
    "ack",
    "ping",
    "welcome",
    "subscribed",
    "fetched",
    "fetch_end",
    "refused",
    "goodbye",
    "move",
    "pong",
    "unsubscribed",
];

/// Every frame there is, as direction and name.
fn all_frames() -> BTreeSet<(String, String)> {
    let client = CLIENT_FRAMES.iter().map(|name| ("client".to_owned(), (*name).to_owned()));
    client.chain(GATEWAY_FRAMES.iter().map(|name| ("gateway".to_owned(), (*name).to_owned()))).collect()
}

#[test]
fn frames_are_encoded_and_decoded() {
    let mut seen = BTreeSet::new();
    for row in rows("frames.json") {
        let (name, direction) = (row["name"].as_str().unwrap(), row["direction"].as_str().unwrap());
        let message = from_hex(row["hex"].as_str().unwrap());
        let expected: Vec<Value> = Some(&row["frame"]).filter(|frame| !frame.is_null()).cloned().into_iter().collect();
        assert_eq!(decode(direction, &message), Ok(expected), "{name}");
        if row.get("decode_only").is_none() {
            assert_eq!(to_hex(&encode(direction, &row["frame"])), to_hex(&message), "{name}");
            seen.insert((direction.to_owned(), row["frame"]["frame"].as_str().unwrap().to_owned()));
        }
    }
    assert_eq!(seen, all_frames(), "every frame has a vector");
}

#[test]
fn what_is_no_frame_is_refused() {
    for row in rows("refused.json") {
        let error = decode(row["direction"].as_str().unwrap(), &from_hex(row["hex"].as_str().unwrap()));
        let error = match error {
            Err(WireError::Truncated) => "truncated",
            Err(WireError::Overlong) => "overlong",
            Err(WireError::NotUtf8) => "not_utf8",
            Err(WireError::TooLong { .. }) => "too_long",
            Err(WireError::Unknown { .. }) => "unknown",
            Err(WireError::Invalid { .. }) => "invalid",
            Err(WireError::Trailing) => "trailing",
            other => panic!("{row}: {other:?}"),
        };
        assert_eq!(row["error"], error, "{row}");
    }
}

#[test]
fn frames_that_are_cut_off_are_refused() {
    for row in rows("frames.json") {
        let (name, direction) = (row["name"].as_str().unwrap(), row["direction"].as_str().unwrap());
        let message = from_hex(row["hex"].as_str().unwrap());
        for length in 1..message.len() {
            assert_eq!(decode(direction, &message[..length]), Err(WireError::Truncated), "{name}: {length} bytes");
        }
    }
}

#[test]
fn deltas_are_applied() {
    for row in rows("deltas.json") {
        let base = bytes_from_json(&row["base"]);
        let delta = from_hex(row["delta"].as_str().unwrap());
        let limit = row.get("limit").map_or(1 << 20, |limit| limit.as_u64().unwrap() as usize);
        let mut target = Vec::new();
        let outcome = delta::apply(&base, &delta, limit, &mut target);
        if let Some(expected) = row.get("target") {
            assert_eq!(outcome, Ok(()), "{row}");
            assert_eq!(target, bytes_from_json(expected), "{row}");
            let mut again = Vec::new();
            delta::encode(&base, &target, &mut again);
            assert_eq!(delta::apply(&base, &again, limit, &mut target), Ok(()), "{row}");
            assert_eq!(target, bytes_from_json(expected), "{row}");
            continue;
        }
        let error = match outcome {
            Err(DeltaError::Truncated) => "truncated",
            Err(DeltaError::Overlong) => "overlong",
            Err(DeltaError::OutOfRange) => "out_of_range",
            Err(DeltaError::TooLarge { .. }) => "too_large",
            Err(DeltaError::UnknownKind { .. }) => "unknown_kind",
            other => panic!("{row}: {other:?}"),
        };
        assert_eq!(row["error"], error, "{row}");
    }
}

#[test]
fn checks_are_computed() {
    for row in rows("checks.json") {
        let value = bytes_from_json(&row["value"]);
        let sum = check(&value, Version(row["version"].as_u64().unwrap()));
        assert_eq!(row["check"], sum, "{row}");
        assert_eq!(u64::from(short_check(sum)), row["check"].as_u64().unwrap() & 0xffff, "{row}");
        assert_eq!(row["plain_check"], plain_check(&value), "{row}");
    }
}

fn path_error(error: PathError) -> &'static str {
    match error {
        PathError::Empty => "empty",
        PathError::TooLong => "too_long",
        PathError::TooDeep => "too_deep",
        PathError::NotUtf8(_) => "not_utf8",
        PathError::EmptySegment(_) => "empty_segment",
        PathError::ReservedSegment(_) => "reserved_segment",
        PathError::ControlCharacter(_) => "control_character",
        other => panic!("{other} has no name"),
    }
}

#[test]
fn paths_are_judged() {
    for row in rows("paths.json") {
        let bytes = bytes_from_json(&row["path"]);
        match Path::from_bytes(&bytes) {
            Ok(path) => {
                assert_eq!(row.get("error"), None, "{row}");
                assert_eq!(path.as_str().as_bytes(), bytes);
            }
            Err(error) => assert_eq!(row["error"], path_error(error), "{row}"),
        }
    }
}

#[test]
fn selectors_match() {
    for row in rows("selectors.json") {
        let text = bytes_from_json(&row["selector"]);
        let selector = match Selector::from_bytes(&text) {
            Ok(selector) => selector,
            Err(error) => {
                let error = match error {
                    SelectorError::Path(error) => path_error(error),
                    SelectorError::ReservedSegment(_) => "reserved_segment",
                    SelectorError::TooManyWildcards => "too_many_wildcards",
                    other => panic!("{other} has no name"),
                };
                assert_eq!(row["error"], error, "{row}");
                continue;
            }
        };
        assert_eq!(selector.as_str(), row.get("joined").unwrap_or(&row["selector"]), "{row}");
        for (paths, expected) in [("matches", true), ("misses", false)] {
            for path in row[paths].as_array().unwrap() {
                assert_eq!(selector.matches(path.as_str().unwrap()), expected, "{selector} {path}");
            }
        }
    }
}

#[test]
fn varints_are_read_and_written() {
    for row in rows("varints.json") {
        let bytes = from_hex(row["hex"].as_str().unwrap());
        let outcome = read_varint(&mut bytes.as_slice());
        if let Some(number) = row.get("number") {
            let number = number.as_u64().unwrap();
            assert_eq!(outcome, Ok(number), "{row}");
            let mut written = Vec::new();
            write_varint(&mut written, number);
            assert_eq!(written, bytes, "{row}");
        } else {
            let error = if row["error"] == "truncated" { WireError::Truncated } else { WireError::Overlong };
            assert_eq!(outcome, Err(error), "{row}");
        }
    }
}
