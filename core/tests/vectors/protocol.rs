//! The examples in docs/protocol.md: what they say they are is what they are.

use std::collections::{BTreeMap, BTreeSet};

use outpour_core::check::{check, short_check};
use outpour_core::{Version, delta};
use serde_json::{Map, Value, json};

use crate::json::{bytes_from_json, from_hex};
use crate::{all_frames, decode, encode, read};

/// A message of the page: who sends it, its bytes, and what stands beside them.
struct Example {
    direction: String,
    in_session: bool,
    frames: Vec<Described>,
}

/// A frame as the page describes it.
struct Described {
    bytes: Vec<u8>,
    /// `N bytes, kind K`
    header: String,
    fields: Map<String, Value>,
}

fn examples() -> Vec<Example> {
    let page = read("docs/protocol.md");
    let mut examples: Vec<Example> = Vec::new();
    let mut inside = false;
    for line in page.lines() {
        if let Some(info) = line.strip_prefix("```message ") {
            let mut words = info.split(' ');
            let direction = words.next().unwrap().to_owned();
            examples.push(Example { direction, in_session: words.next() == Some("session"), frames: Vec::new() });
            inside = true;
        } else if line.starts_with("```") {
            inside = false;
        } else if inside {
            read_line(line, &mut examples.last_mut().unwrap().frames);
        }
    }
    examples
}

/// Bytes, a name and a value; or bytes that go on with the line before.
fn read_line(line: &str, frames: &mut Vec<Described>) {
    let (bytes, rest) = line.split_at(line.len().min(47));
    let bytes = from_hex(&bytes.replace(' ', ""));
    let (name, value) = rest.trim().split_once(' ').unwrap_or_default();
    if !name.is_empty() && name == name.to_uppercase() {
        let fields = Map::from_iter([("frame".into(), json!(name.to_lowercase()))]);
        frames.push(Described { bytes: Vec::new(), header: value.trim().into(), fields });
    }
    let frame = frames.last_mut().unwrap();
    frame.bytes.extend_from_slice(&bytes);
    if !name.is_empty() && name != name.to_uppercase() {
        frame.fields.insert(name.into(), serde_json::from_str(value.trim()).unwrap());
    }
}

#[test]
fn the_examples_are_what_they_say() {
    let mut seen = BTreeSet::new();
    for Example { direction, frames, .. } in examples() {
        for Described { bytes, header, mut fields } in frames {
            // The kind of an extended frame stands in its body.
            let kind = fields.remove("kind");
            let frame = Value::Object(fields);
            assert_eq!(decode(&direction, &bytes), Ok(vec![frame.clone()]));
            assert_eq!(encode(&direction, &frame), bytes, "{frame}");
            let mut rest = bytes.as_slice();
            let number = outpour_core::wire::read_varint(&mut rest).unwrap();
            let s = if number >> 4 == 1 { "" } else { "s" };
            assert_eq!(header, format!("{} byte{s}, kind {}", number >> 4, number & 15), "{frame}");
            assert_eq!(kind.is_some(), number & 15 == 15, "{frame}");
            if let Some(kind) = kind {
                assert_eq!(kind, outpour_core::wire::read_varint(&mut rest).unwrap());
            }
            seen.insert((direction.clone(), frame["frame"].as_str().unwrap().to_owned()));
        }
    }
    assert_eq!(seen, all_frames(), "every frame has an example");
}

/// What a client holds of a topic.
#[derive(Default)]
struct Held {
    path: String,
    cursor: u64,
    sequence: u64,
    value: Vec<u8>,
}

/// Follows the session of the last chapter the way a client does: checks, cursors and marks must be right.
#[test]
fn the_session_is_consistent() {
    let mut topics: BTreeMap<u64, Held> = BTreeMap::new();
    let mut marks = Vec::new();
    let mut mark = 0;
    let mut last: Option<(u64, u64)> = None;
    let mut senders = Vec::new();
    for example in examples().into_iter().filter(|example| example.in_session) {
        senders.push(example.direction.clone());
        let (mut newest, mut explicit) = (mark, None);
        for Described { fields, .. } in example.frames {
            let number = |name: &str| fields[name].as_u64().unwrap();
            match (example.direction.as_str(), fields["frame"].as_str().unwrap()) {
                ("gateway", "announce") => {
                    let path = fields["path"].as_str().unwrap().to_owned();
                    let held =
                        Held { path, cursor: number("version"), sequence: number("sequence"), value: Vec::new() };
                    topics.insert(number("topic"), held);
                }
                ("gateway", "snapshot") => {
                    let held = topics.get_mut(&number("topic")).unwrap();
                    held.value = bytes_from_json(&fields["value"]);
                    held.cursor = number("version");
                    assert_eq!(u64::from(check(&held.value, Version(held.cursor))), number("check"));
                    newest = newest.max(held.cursor);
                }
                ("gateway", "delta") => {
                    let held = topics.get_mut(&number("topic")).unwrap();
                    let base = std::mem::take(&mut held.value);
                    delta::apply(&base, &bytes_from_json(&fields["delta"]), 1 << 20, &mut held.value).unwrap();
                    held.cursor += number("distance");
                    let sum = short_check(check(&held.value, Version(held.cursor)));
                    assert_eq!(u64::from(sum), number("check"));
                    newest = newest.max(held.cursor);
                }
                ("gateway", "event") => {
                    let held = topics.get_mut(&number("topic")).unwrap();
                    held.cursor += number("distance");
                    held.sequence += 1;
                    held.value = bytes_from_json(&fields["value"]);
                    newest = newest.max(held.cursor);
                    last = Some((held.cursor, held.sequence));
                }
                ("gateway", "removed") => {
                    assert_eq!(topics.remove(&number("topic")).unwrap().path, "prices/eurusd");
                    newest = newest.max(number("version"));
                }
                ("gateway", "mark") => explicit = Some(number("version")),
                _ => {}
            }
        }
        mark = explicit.unwrap_or(newest);
        marks.push(mark);
    }
    marks.dedup();
    assert_eq!(marks, [0, 41, 44, 45, 48, 51], "as the text says");
    assert_eq!(last, Some((49, 11)));
    assert_eq!(topics.len(), 1);
    assert_eq!(senders.first().map(String::as_str), Some("client"));
    assert_eq!(senders.len(), 15);
}

/// The tables of kinds are the headings of the page.
#[test]
fn the_headings_have_the_kinds() {
    let page = read("docs/protocol.md");
    let (client, gateway) = page.split_once("\n## 7. What a gateway says").unwrap();
    for (part, direction) in [(client, "client"), (gateway, "gateway")] {
        let mut headings = BTreeSet::new();
        for heading in part.lines().filter_map(|line| line.strip_prefix("### ")) {
            let Some((name, kind)) = heading.split_once(" (") else { continue };
            let kind: u64 = kind.trim_end_matches(')').parse().unwrap();
            let example = examples()
                .into_iter()
                .filter(|example| example.direction == direction)
                .flat_map(|example| example.frames)
                .find(|frame| frame.fields["frame"] == name.to_lowercase())
                .unwrap_or_else(|| panic!("{heading} has no example"));
            let mut bytes = example.bytes.as_slice();
            let mut found = outpour_core::wire::read_varint(&mut bytes).unwrap() & 15;
            if found == 15 {
                found = outpour_core::wire::read_varint(&mut bytes).unwrap();
            }
            assert_eq!(found, kind, "{heading}");
            headings.insert((direction.to_owned(), name.to_lowercase()));
        }
        let expected: BTreeSet<_> = all_frames().into_iter().filter(|(sender, _)| sender == direction).collect();
        assert_eq!(headings, expected);
    }
}
