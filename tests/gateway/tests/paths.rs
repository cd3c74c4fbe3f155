//! Paths and selectors that are not, and what each costs.

use outpour_core::wire::{RequestRef, Resume};
use outpour_core::{ErrorCode, SubscriptionId};
use outpour_gateway_tests::{Client, Told, gateway, set, subscribe};

/// Bytes that no path may be; `None` where they are a selector.
fn bad_paths() -> Vec<(Vec<u8>, bool)> {
    let long = "a".repeat(1025);
    let deep = ["a"; 65].join("/");
    let mut bad: Vec<(Vec<u8>, bool)> =
        ["", "/", "/a", "a/", "a//b", ".", "a/../b", "a/.", "a\0b", "a\nb", "\u{7f}", "a/\u{85}"]
            .into_iter()
            .chain([long.as_str(), deep.as_str()])
            .map(|text| (text.as_bytes().to_vec(), false))
            .collect();
    bad.extend([&b"\xff"[..], b"a/\xc3", b"\xed\xa0\x80", b"a\xc0\xafb"].map(|bytes| (bytes.to_vec(), false)));
    bad.extend(["*", "a/*", "**", "a/**/b"].map(|text| (text.as_bytes().to_vec(), true)));
    bad
}

#[test]
fn paths_that_are_none() {
    let gateway = gateway();
    let mut bystander = gateway.bystander();
    let mut client = gateway.client("lost");
    let topics = gateway.statistics().topics;
    for ((path, _), number) in bad_paths().iter().zip(1..) {
        let verdict = client.publish(number, &set_bytes(number, path));
        assert_eq!(verdict, Err(ErrorCode::BadPath), "{path:?}");
    }
    assert_eq!(gateway.statistics().topics, topics);
    client.publish(1000, &set(1000, "good", "value")).expect("the session goes on");
    bystander.assert_untouched();
}

fn set_bytes(number: u64, path: &[u8]) -> outpour_core::wire::ClientFrame<'_> {
    use outpour_core::wire::{ClientFrame, Condition, Operation, Publish, PublishPath};
    let operation = Operation::Set { value_type: outpour_core::ValueType::Binary, value: b"value" };
    let (number, path) = (outpour_core::PublishNumber(number), PublishPath::Whole(path));
    ClientFrame::Publish(Publish { number, path, condition: Condition::Always, operation })
}

fn subscribe_bytes(id: u32, selector: &[u8]) -> outpour_core::wire::ClientFrame<'_> {
    use outpour_core::wire::{ClientFrame, HistoryStart, Subscribe};
    let (id, from) = (SubscriptionId(id), HistoryStart::Live);
    ClientFrame::Subscribe(Subscribe { id, selector, max_rate_millihertz: 0, from, resume: Resume::No })
}

fn refusal(client: &mut Client) -> (RequestRef, u16, String) {
    client.until(|told| match told {
        Told::Refused { request, code, reason } => Some((*request, *code, reason.clone())),
        _ => None,
    })
}

#[test]
fn selectors_that_are_none() {
    let gateway = gateway();
    let mut bystander = gateway.bystander();
    let mut client = gateway.client("lost");
    for ((selector, is_selector), id) in bad_paths().iter().zip(1..) {
        client.say(&[subscribe_bytes(id, selector)]);
        if *is_selector {
            assert!(matches!(client.hear(), Told::Subscribed { .. }), "{selector:?}");
            continue;
        }
        let (request, code, reason) = refusal(&mut client);
        assert_eq!(request, RequestRef::Subscription(SubscriptionId(id)));
        assert_eq!(code, ErrorCode::BadSelector.number());
        assert!(reason.contains("'*' for one segment"), "{reason}");
    }
    bystander.assert_untouched();
}

#[test]
fn d3_17_a_topic_name_of_a_megabyte() {
    let gateway = gateway();
    let mut bystander = gateway.bystander();
    let mut client = gateway.client("long");
    let long = "a".repeat(1 << 20);
    assert_eq!(client.publish(1, &set(1, &long, "value")), Err(ErrorCode::BadPath));
    client.say(&[subscribe(1, &long)]);
    assert_eq!(refusal(&mut client).1, ErrorCode::BadSelector.number());
    bystander.assert_untouched();
}

#[test]
fn d3_18_selector_bombs() {
    let gateway = gateway();
    let mut bystander = gateway.bystander();
    let mut client = gateway.client("bomber");
    for bomb in [["**/a"; 9].join("/"), ["**/*"; 32].join("/"), format!("{}/b", ["**/a"; 10].join("/"))] {
        client.say(&[subscribe(1, &bomb)]);
        assert_eq!(refusal(&mut client).1, ErrorCode::BadSelector.number());
    }
    // Neighbours are one, so this is harmless.
    client.follow(2, &["**"; 32].join("/"));
    // As much as is allowed, on the path that is the worst for it.
    let deep = ["a"; 64].join("/");
    client.publish(1, &set(1, &deep, "value")).expect("a deep path");
    for id in 3..100 {
        client.follow(id, &format!("{}/b", ["**/a"; 8].join("/")));
        client.follow(id + 1000, &format!("**/{}/b", ["a"; 61].join("/")));
    }
    for number in 2..200 {
        client.publish(number, &set(number, &format!("{}/{number}", ["a"; 63].join("/")), "value")).expect("applied");
    }
    bystander.assert_untouched();
}

#[test]
fn d3_25_paths_that_look_alike_are_different_topics() {
    let gateway = gateway();
    let mut client = gateway.client("twins");
    let twins =
        ["a/b", "a%2fb", "a%2Fb", "A/b", "a/b ", "a/%62", "a\\b", "\u{e9}", "e\u{301}", "\u{430}/b", "a/b.", "a/..."];
    let mut number = 0;
    for path in twins {
        number += 1;
        client.publish(number, &set(number, path, path)).expect("a path");
    }
    assert_eq!(gateway.statistics().topics, twins.len());
    for (path, id) in twins.into_iter().zip(1..) {
        let told = client.follow(id, path);
        let values: Vec<&Told> = told.iter().filter(|told| matches!(told, Told::Value { .. })).collect();
        assert!(
            matches!(values[..], [Told::Value { path: told, value, .. }] if told == path && value == path),
            "{told:?}"
        );
    }
}

#[test]
fn d3_25_dots_that_climb_are_refused() {
    let gateway = gateway();
    let mut client = gateway.client("climber");
    for (path, number) in ["..", "../a", "a/..", "a/../../b", "./a"].into_iter().zip(1..) {
        assert_eq!(client.publish(number, &set(number, path, "x")), Err(ErrorCode::BadPath), "{path}");
    }
}

#[test]
fn selectors_select_what_they_say() {
    let gateway = gateway();
    let mut publisher = gateway.client("publisher");
    let paths = ["a", "a/b", "a/b/c", "a/c", "b", "b/a", "c/b/a"];
    for (path, number) in paths.into_iter().zip(1..) {
        publisher.publish(number, &set(number, path, "old")).expect("applied");
    }
    for (selector, wanted) in [
        ("**", &paths[..]),
        ("*", &["a", "b"]),
        ("a/*", &["a/b", "a/c"]),
        ("a/**", &["a", "a/b", "a/b/c", "a/c"]),
        ("**/a", &["a", "b/a", "c/b/a"]),
        ("**/b/**", &["a/b", "a/b/c", "b", "b/a", "c/b/a"]),
        ("a/b", &["a/b"]),
        ("x/**", &[]),
    ] {
        let mut client = gateway.client("subscriber");
        let told = client.follow(1, selector);
        let mut found: Vec<&str> =
            told.iter().filter(|told| matches!(told, Told::Value { .. })).filter_map(Told::path).collect();
        found.sort_unstable();
        assert_eq!(found, wanted, "{selector}");
        assert_eq!(told.last(), Some(&Told::Subscribed { id: 1, topics: wanted.len() as u64 }));
    }
}
