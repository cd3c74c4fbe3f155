//! Publishes: conditions, types, patches, deltas, and each number applied once.

use outpour_core::check::plain_check;
use outpour_core::delta::Encoder;
use outpour_core::wire::{ClientFrame, Condition, Operation, TopicProperties};
use outpour_core::{ErrorCode, PublishNumber, TopicKind, ValueType, Version};
use outpour_gateway_tests::{Client, Setup, Told, append, gateway, message, publish, remove, set, set_json};

const IF_ABSENT: Condition = Condition::IfAbsent;

fn if_version(version: u64) -> Condition {
    Condition::IfVersion(Version(version))
}

fn text(value: &str) -> Operation<'_> {
    Operation::Set { value_type: ValueType::Text, value: value.as_bytes() }
}

fn properties(kind: TopicKind, value_type: ValueType) -> TopicProperties {
    TopicProperties { kind, value_type, retain: true, conflate: true, history: 10, history_age_ms: 0 }
}

#[test]
fn conditions_that_hold_and_that_fail() {
    let gateway = gateway();
    let mut bystander = gateway.bystander();
    let mut client = gateway.client("careful");
    let first = client.publish(1, &publish(1, "a", IF_ABSENT, text("1"))).expect("absent");
    assert_eq!(client.publish(2, &publish(2, "a", IF_ABSENT, text("2"))), Err(ErrorCode::AlreadyExists));
    let second = client.publish(3, &publish(3, "a", if_version(first), text("3"))).expect("still that version");
    assert!(second > first);
    client.say(&[publish(4, "a", if_version(first), text("4"))]);
    let verdict = client.ack(4);
    assert_eq!((verdict.code, verdict.version.0), (ErrorCode::VersionMismatch.number(), second), "and what it is now");
    assert_eq!(client.publish(5, &publish(5, "b", if_version(first), text("5"))), Err(ErrorCode::NoSuchTopic));
    assert_eq!(
        client.publish(6, &publish(6, "a", if_version(first), Operation::Remove)),
        Err(ErrorCode::VersionMismatch)
    );
    client.publish(7, &publish(7, "a", if_version(second), Operation::Remove)).expect("still that version");
    client.publish(8, &publish(8, "a", IF_ABSENT, text("8"))).expect("absent again");
    client.follow(1, "b");
    bystander.assert_untouched();
}

#[test]
fn a_topic_that_was_only_created_has_a_version_to_name() {
    let gateway = gateway();
    let mut client = gateway.client("creator");
    let create = Operation::Create(properties(TopicKind::Value, ValueType::Text));
    let version = client.publish(1, &publish(1, "a", Condition::Always, create)).expect("created");
    assert_eq!(client.publish(2, &publish(2, "a", Condition::Always, create)), Err(ErrorCode::AlreadyExists));
    assert_eq!(client.publish(3, &publish(3, "a", IF_ABSENT, text("x"))), Err(ErrorCode::AlreadyExists));
    assert_eq!(
        client.publish(4, &publish(4, "a", if_version(version + 7), text("x"))),
        Err(ErrorCode::VersionMismatch)
    );
    client.publish(5, &publish(5, "a", if_version(version), text("x"))).expect("the version of its creation");
}

#[test]
fn a_topic_set_with_another_type_or_kind() {
    let gateway = gateway();
    let mut bystander = gateway.bystander();
    let mut client = gateway.client("mixed");
    client.publish(1, &set(1, "text", "x")).expect("applied");
    client.publish(2, &append(2, "events", "x")).expect("applied");
    assert_eq!(client.publish(3, &set_json(3, "text", "1")), Err(ErrorCode::TypeMismatch));
    assert_eq!(client.publish(4, &append(4, "text", "x")), Err(ErrorCode::KindMismatch));
    assert_eq!(client.publish(5, &set(5, "events", "x")), Err(ErrorCode::KindMismatch));
    let merge = Operation::MergePatch { patch: b"{}" };
    assert_eq!(client.publish(6, &publish(6, "text", Condition::Always, merge)), Err(ErrorCode::TypeMismatch));
    assert_eq!(client.publish(7, &publish(7, "events", Condition::Always, merge)), Err(ErrorCode::KindMismatch));
    assert_eq!(client.publish(8, &publish(8, "none", Condition::Always, merge)), Err(ErrorCode::NoSuchTopic));
    assert_eq!(client.publish(9, &remove(9, "none")), Err(ErrorCode::NoSuchTopic));
    // What was refused has changed nothing, and the topic may be made anew.
    client.publish(10, &remove(10, "text")).expect("applied");
    client.publish(11, &append(11, "text", "now events")).expect("a new topic");
    bystander.assert_untouched();
}

#[test]
fn d3_23_values_that_are_not_of_their_type() {
    let gateway = gateway();
    let mut bystander = gateway.bystander();
    let mut client = gateway.client("sloppy");
    let deep = format!("{}{}", "[".repeat(500_000), "]".repeat(500_000));
    let long_number = "9".repeat(100_000);
    let mut number = 0;
    let mut verdict = |value_type: ValueType, value: &[u8]| {
        number += 1;
        let operation = Operation::Set { value_type, value };
        client.publish(number, &publish(number, &format!("t/{number}"), Condition::Always, operation)).map(drop)
    };
    for bad in ["", "NaN", "{\"a\":}", "[1,2", "01", "'a'", "1 2", deep.as_str()] {
        assert_eq!(verdict(ValueType::Json, bad.as_bytes()), Err(ErrorCode::BadValue), "{bad:.20}");
    }
    for good in ["{\"a\":1,\"a\":2}", long_number.as_str(), " [1] "] {
        assert_eq!(verdict(ValueType::Json, good.as_bytes()), Ok(()), "{good:.20}");
    }
    assert_eq!(verdict(ValueType::Json, b"\"\xff\""), Err(ErrorCode::BadValue));
    assert_eq!(verdict(ValueType::Text, b"\xff"), Err(ErrorCode::BadValue));
    assert_eq!(verdict(ValueType::Int64, b"1234567"), Err(ErrorCode::BadValue));
    assert_eq!(verdict(ValueType::Double, b"123456789"), Err(ErrorCode::BadValue));
    assert_eq!(verdict(ValueType::Binary, b"\xff"), Ok(()));
    assert_eq!(verdict(ValueType::Int64, b"12345678"), Ok(()));
    bystander.assert_untouched();
}

#[test]
fn patches_change_what_they_name_and_keep_the_spelling_of_the_rest() {
    let gateway = gateway();
    let mut client = gateway.client("patcher");
    client.follow(1, "doc");
    client.say(&[set_json(1, "doc", "{\"price\": 1.10,\"size\":1E5,\"name\":\"\\u00e9\"}")]);
    assert_eq!(client.value("doc"), "{\"price\": 1.10,\"size\":1E5,\"name\":\"\\u00e9\"}", "as it was written");
    let json_patch = Operation::JsonPatch { patch: b"[{\"op\":\"replace\",\"path\":\"/price\",\"value\":1.20}]" };
    client.say(&[publish(2, "doc", Condition::Always, json_patch)]);
    assert_eq!(client.value("doc"), "{\"price\":1.20,\"size\":1E5,\"name\":\"\\u00e9\"}");
    let merge = Operation::MergePatch { patch: b"{\"name\":null,\"tick\":0.500}" };
    client.say(&[publish(3, "doc", Condition::Always, merge)]);
    assert_eq!(client.value("doc"), "{\"price\":1.20,\"size\":1E5,\"tick\":0.500}");
    for (patch, number) in ["[{\"op\":\"remove\",\"path\":\"/gone\"}]", "{", "7"].into_iter().zip(4..) {
        let operation = Operation::JsonPatch { patch: patch.as_bytes() };
        assert_eq!(
            client.publish(number, &publish(number, "doc", Condition::Always, operation)),
            Err(ErrorCode::BadPatch)
        );
    }
}

#[test]
fn upstream_deltas_start_from_the_publishers_own_last_value() {
    let gateway = gateway();
    let mut bystander = gateway.bystander();
    let mut client = gateway.client("streamer");
    let values =
        ["{\"bid\":1.0841,\"ask\":1.0843}", "{\"bid\":1.0842,\"ask\":1.0843}", "{\"bid\":1.0842,\"ask\":1.0844}"];
    client.follow(1, "t");
    client.say(&[set_json(1, "t", values[0])]);
    assert_eq!(client.value("t"), values[0]);
    let encode = |from: &str, to: &str| {
        let mut delta = Vec::new();
        Encoder::new().encode(from.as_bytes(), to.as_bytes(), &mut delta);
        delta
    };
    let delta = encode(values[0], values[1]);
    let step = |number: u64, base: u64, delta: &[u8], check: u32| {
        let operation = Operation::Delta { base: PublishNumber(base), check, delta };
        message(&[publish(number, "t", Condition::Always, operation)])
    };
    client.send(step(2, 1, &delta, plain_check(values[1].as_bytes())));
    assert_eq!(client.value("t"), values[1]);
    let refused = |client: &mut Client, number: u64| {
        assert_eq!(client.ack(number).code, ErrorCode::BaseMismatch.number());
    };
    // From a value that the topic does not have any more.
    client.send(step(3, 1, &delta, plain_check(values[1].as_bytes())));
    refused(&mut client, 3);
    // With a check of something else.
    let delta = encode(values[1], values[2]);
    client.send(step(4, 2, &delta, plain_check(b"something else")));
    refused(&mut client, 4);
    // After somebody else has set the topic.
    let mut other = gateway.client("other");
    other.publish(1, &set_json(1, "t", values[0])).expect("applied");
    client.send(step(5, 2, &delta, plain_check(values[2].as_bytes())));
    refused(&mut client, 5);
    // To something that is not JSON.
    client.publish(6, &set_json(6, "t", values[0])).expect("applied");
    let broken = encode(values[0], "{\"bid\":1.0841,\"ask\":");
    client.send(step(7, 6, &broken, plain_check(b"{\"bid\":1.0841,\"ask\":")));
    assert_eq!(client.ack(7).code, ErrorCode::BadValue.number());
    bystander.assert_untouched();
}

#[test]
fn what_is_sent_again_is_applied_once_and_gets_the_same_verdict() {
    let gateway = gateway();
    let setup = Setup::publisher("persistent");
    let publishes = [
        append(1, "log", "one"),
        publish(2, "log", IF_ABSENT, text("refused")),
        append(3, "log", "two"),
        publish(4, "bad//path", Condition::Always, text("x")),
        set_json(5, "json", "not JSON"),
        append(6, "log", "three"),
    ];
    let verdicts = |client: &mut Client| -> Vec<_> {
        let mut acks: Vec<_> = publishes
            .iter()
            .map(|_| {
                client.until(|told| {
                    if let Told::Ack(ack) = told { Some((ack.number.0, ack.code, ack.version.0)) } else { None }
                })
            })
            .collect();
        acks.sort_unstable();
        acks
    };
    let (mut client, _) = Client::connect(gateway.address(), &setup);
    client.say(&publishes);
    let first = verdicts(&mut client);
    let codes: Vec<u16> = first.iter().map(|ack| ack.1).collect();
    let expected =
        [None, Some(ErrorCode::AlreadyExists), None, Some(ErrorCode::BadPath), Some(ErrorCode::BadValue), None];
    assert_eq!(codes, expected.map(|code| code.map_or(0, ErrorCode::number)));
    // The connection breaks before it has heard; it comes back and sends all of it again.
    drop(client);
    let (mut client, welcome) = Client::connect(gateway.address(), &setup);
    assert_eq!(welcome.applied.0, 6);
    client.say(&publishes);
    assert_eq!(verdicts(&mut client), first);
    let told = client_events(&gateway, "log");
    assert_eq!(told, ["one", "two", "three"]);
    assert_eq!(gateway.statistics().broker.applied, 3);
}

fn client_events(gateway: &outpour_gateway_tests::TestGateway, path: &str) -> Vec<String> {
    let mut reader = gateway.client("reader");
    let from = outpour_core::wire::HistoryStart::All;
    reader.say(&[outpour_gateway_tests::subscribe_from(1, path, from)]);
    let told = reader.all_until(|told| matches!(told, Told::Subscribed { .. }));
    told.into_iter().filter_map(|told| if let Told::Event { value, .. } = told { Some(value) } else { None }).collect()
}

#[test]
fn numbers_may_have_holes_and_holes_may_be_filled_on_another_connection() {
    let gateway = gateway();
    let setup = Setup::publisher("gappy");
    let (mut client, _) = Client::connect(gateway.address(), &setup);
    client.publish(5, &append(5, "log", "five")).expect("applied");
    client.publish(9, &append(9, "log", "nine")).expect("applied");
    let (mut second, welcome) = Client::connect(gateway.address(), &setup);
    assert_eq!(welcome.applied.0, 9);
    // Never judged, so judged now; and what was is not applied again.
    second.publish(7, &append(7, "log", "seven")).expect("applied");
    let again = second.publish(9, &append(9, "log", "nine again"));
    assert_eq!(again, Ok(2));
    assert_eq!(client_events(&gateway, "log"), ["five", "nine", "seven"]);
}

#[test]
fn the_same_publisher_on_two_connections_has_each_number_applied_once() {
    let gateway = gateway();
    let setup = Setup::publisher("twice");
    let mut clients: Vec<Client> = (0..4).map(|_| Client::connect(gateway.address(), &setup).0).collect();
    let texts: Vec<String> = (1..=200).map(|number| format!("event {number}")).collect();
    let frames: Vec<ClientFrame<'_>> = (1..).zip(&texts).map(|(number, text)| append(number, "log", text)).collect();
    for client in &mut clients {
        client.send(message(&frames));
    }
    let mut verdicts: Vec<Vec<u64>> = Vec::new();
    for client in &mut clients {
        verdicts.push((1..=200).map(|number| client.ack(number).version.0).collect());
    }
    assert!(verdicts.windows(2).all(|pair| pair[0] == pair[1]), "each connection hears the same verdicts");
    assert_eq!(client_events(&gateway, "log"), texts);
}

#[test]
fn verdicts_that_were_heard_or_are_too_old_are_not_kept() {
    let gateway = gateway();
    let setup = Setup::publisher("old");
    let (mut client, _) = Client::connect(gateway.address(), &setup);
    for number in 1..=1100 {
        client.publish(number, &append(number, "log", "x")).expect("applied");
    }
    let (mut again, _) = Client::connect(gateway.address(), &setup);
    // Forgotten: acknowledged without a version. Remembered: as it was.
    assert_eq!(again.publish(1, &append(1, "log", "x")), Ok(0));
    assert_eq!(again.publish(1100, &append(1100, "log", "x")), Ok(1100));
    let (mut settled, _) = Client::connect(gateway.address(), &Setup { settled: 1090, ..setup });
    assert_eq!(settled.publish(1090, &append(1090, "log", "x")), Ok(0));
    assert_eq!(settled.publish(1091, &append(1091, "log", "x")), Ok(1091));
    assert_eq!(gateway.statistics().broker.applied, 1100);
}

#[test]
fn a_client_that_publishes_and_says_goodbye_hears_every_verdict_first() {
    let gateway = gateway();
    let mut client = gateway.client("brief");
    let mut frames: Vec<ClientFrame<'_>> = (1..=100).map(|number| append(number, "log", "x")).collect();
    frames.push(ClientFrame::Goodbye(outpour_core::wire::Goodbye { code: 4000, ..Default::default() }));
    frames.push(append(101, "log", "too late"));
    client.say(&frames);
    let told = client.all_until(|told| matches!(told, Told::Goodbye(_)));
    let acks = told.iter().filter(|told| matches!(told, Told::Ack(ack) if ack.code == 0)).count();
    assert_eq!(acks, 100);
    assert!(told.last().is_some_and(|told| told.is_goodbye(ErrorCode::Closed)), "{told:?}");
    assert_eq!(client.closed(), Some(ErrorCode::Closed.number()));
    assert_eq!(client_events(&gateway, "log").len(), 100);
}

#[test]
fn what_was_published_before_the_socket_vanished_is_not_lost() {
    let gateway = gateway();
    for round in 1..=20 {
        let mut client = gateway.client(&format!("brief {round}"));
        let frames: Vec<ClientFrame<'_>> = (1..=10).map(|number| append(number, "log", "x")).collect();
        client.say(&frames);
        drop(client);
        gateway.wait_for(|statistics| statistics.connections == 0);
        assert_eq!(gateway.statistics().broker.applied, round * 10);
    }
}

#[test]
fn verdicts_for_those_who_are_gone_reach_nobody_else() {
    let gateway = gateway();
    let mut bystander = gateway.bystander();
    for round in 0..50 {
        let mut gone = gateway.client(&format!("gone {round}"));
        gone.say(&(1..=50).map(|number| append(number, "log", "x")).collect::<Vec<_>>());
        drop(gone);
        // Whoever gets its place now must not be told its verdicts.
        let mut fresh = gateway.client(&format!("fresh {round}"));
        fresh.say(&[set(77, "fresh", "x")]);
        assert!(matches!(fresh.hear(), Told::Ack(ack) if ack.number.0 == 77));
    }
    bystander.assert_untouched();
}
