//! What a gateway makes of messages that are not frames, or not the frames that are due.

use outpour_core::ErrorCode;
use outpour_core::wire::{
    ClientFrame, Condition, Frames, GatewayFrame, HistoryStart, Operation, Publish, PublishPath, write_varint,
};
use outpour_core::{FetchId, PublishNumber, TopicNumber, ValueType};
use outpour_gateway_tests::{Client, Setup, TestGateway, Told, gateway, hello, message, publish, set, subscribe};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

/// Sends a message; the gateway must say goodbye with this code and a sentence that says this, and
/// others must not notice.
fn assert_refused(gateway: &TestGateway, message: Vec<u8>, code: ErrorCode, sentence: &str) {
    let mut bystander = gateway.bystander();
    let mut client = gateway.client("clumsy");
    client.send(message);
    let reason = client.expect_goodbye(code);
    assert!(reason.contains(sentence), "{reason:?} does not say {sentence:?}");
    bystander.assert_untouched();
}

/// A frame of any kind and body.
fn frame(kind: u64, body: &[u8]) -> Vec<u8> {
    let mut frame = Vec::new();
    write_varint(&mut frame, (body.len() as u64) << 4 | kind);
    frame.extend_from_slice(body);
    frame
}

#[test]
fn truncated_frames() {
    let gateway = gateway();
    let whole = message(&[set(1, "a/b", "a value")]);
    for length in 1..whole.len() {
        let truncated = whole.get(..length).expect("shorter").to_vec();
        assert_refused(&gateway, truncated, ErrorCode::MalformedFrame, "the bytes end before the frame does");
    }
}

#[test]
fn fields_that_end_too_early_or_too_late() {
    let gateway = gateway();
    for (kind, body, sentence) in [
        (2, &b""[..], "the bytes end"),
        (2, b"\x01\x05a", "the bytes end"),
        (3, b"\x01\x01", "left over"),
        (4, b"\x01\x00\x01a\x00", "the bytes end"),
        (5, b"\x01\x01a\x01\x02", "2 stands for no fetch"),
        (6, b"", "the bytes end"),
        (7, b"\x80", "the bytes end"),
        (8, b"\xa0\x1f\x01", "the bytes end"),
    ] {
        assert_refused(&gateway, frame(kind, body), ErrorCode::MalformedFrame, sentence);
    }
}

#[test]
fn d3_22_malformed_varints_and_lengths() {
    let gateway = gateway();
    for (bytes, sentence) in [
        (vec![0x80], "the bytes end"),
        (vec![0x87, 0x00], "longer than it must be"),
        (vec![0xff; 11], "longer than it must be"),
        (frame(3, &[0x81, 0x00]), "longer than it must be"),
        (frame(3, &[0xff, 0xff, 0xff, 0xff, 0x7f]), "stands for no subscription"),
        // A frame, and a path in it, of 2^60 bytes.
        (
            frame(0, &[])[..0].iter().copied().chain([0xf4, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f]).collect(),
            "the bytes end",
        ),
        (frame(4, &[1, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f]), "longer than 67108864"),
        (frame(15, &[3, 1]), "longer than it must be"),
    ] {
        assert_refused(&gateway, bytes, ErrorCode::MalformedFrame, sentence);
    }
}

#[test]
fn d3_22_deltas_that_copy_beyond_the_base_or_explode() {
    let gateway = gateway();
    let mut bystander = gateway.bystander();
    let mut client = gateway.client("streamer");
    client.publish(1, &set(1, "t", "0123456789")).expect("applied");
    for (number, delta) in [
        (2, &b"\xf8\xff\xff\xff\x0f"[..]),
        (3, b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"),
        (4, b"\x18\x80"),
        (5, b""),
        (6, b"\x18\x18\x18\x18\x18\x18\x18\x18\x18\x18"),
    ] {
        let operation = Operation::Delta { base: PublishNumber(1), check: 0, delta };
        let verdict = client.publish(number, &publish(number, "t", Condition::Always, operation));
        assert_eq!(verdict, Err(ErrorCode::BaseMismatch), "{delta:?}");
    }
    bystander.assert_untouched();
}

#[test]
fn frames_of_unknown_kinds_are_skipped() {
    let gateway = gateway();
    let mut client = gateway.client("newer");
    let mut bytes = frame(0, b"?");
    bytes.extend(frame(10, b"what is this"));
    bytes.extend(frame(15, &[0x80, 0x01, 1, 2, 3]));
    bytes.extend(message(&[subscribe(1, "a")]));
    client.send(bytes);
    assert_eq!(client.hear(), Told::Subscribed { id: 1, topics: 0 });
}

#[test]
fn fields_that_a_newer_version_adds_are_skipped() {
    let gateway = gateway();
    let mut client = gateway.client("newer");
    client.send(frame(2, b"\x01\x01a\x00\x00\x07\x03new\x09\x00"));
    assert_eq!(client.hear(), Told::Subscribed { id: 1, topics: 0 });
}

#[test]
fn an_empty_message_is_nothing() {
    let gateway = gateway();
    let mut client = gateway.client("empty");
    client.send(Vec::new());
    client.publish(1, &set(1, "a", "b")).expect("applied");
}

#[test]
fn numbers_that_stand_for_nothing() {
    let gateway = gateway();
    for (kind, body, sentence) in [
        (2, &b"\x01\x01a\x00\x04"[..], "4 stands for no history start"),
        (4, b"\x01\x00\x01a\x03\x00\x00x", "3 stands for no condition"),
        (4, b"\x01\x00\x01a\x00\x07\x00x", "7 stands for no operation"),
        (4, b"\x01\x00\x01a\x00\x00\x05x", "5 stands for no value type"),
        (4, b"\x01\x00\x01a\x00\x06\x02\x00\x00\x00\x00", "2 stands for no topic kind"),
        (4, b"\x01\x00\x01a\x00\x06\x00\x00\x04\x00\x00", "4 stands for no topic flags"),
    ] {
        assert_refused(&gateway, frame(kind, body), ErrorCode::MalformedFrame, sentence);
    }
}

#[test]
fn out_of_order_publish_numbers() {
    let gateway = gateway();
    for numbers in [[2, 1], [1, 1], [5, 4]] {
        let bytes = message(&numbers.map(|number| set(number, "a", "x")));
        assert_refused(&gateway, bytes, ErrorCode::UnexpectedFrame, "numbered from 1 on and in order");
    }
    let bytes = message(&[set(0, "a", "x")]);
    assert_refused(&gateway, bytes, ErrorCode::UnexpectedFrame, "numbered from 1 on");
}

#[test]
fn aliases_that_were_not_defined_or_not_in_order() {
    let gateway = gateway();
    let aliased = |path| {
        let operation = Operation::Set { value_type: ValueType::Text, value: b"x" };
        message(&[ClientFrame::Publish(Publish {
            number: PublishNumber(1),
            path,
            condition: Condition::Always,
            operation,
        })])
    };
    for path in [PublishPath::Alias(0), PublishPath::Alias(u32::MAX), PublishPath::Define(1, b"a")] {
        assert_refused(&gateway, aliased(path), ErrorCode::UnexpectedFrame, "alias");
    }
}

#[test]
fn an_alias_of_a_bad_path_is_refused_each_time_and_others_go_on() {
    let gateway = gateway();
    let mut client = gateway.client("aliases");
    let operation = Operation::Set { value_type: ValueType::Text, value: b"x" };
    let paths = [
        PublishPath::Define(0, b"/bad"),
        PublishPath::Alias(0),
        PublishPath::Define(1, b"good"),
        PublishPath::Alias(1),
    ];
    let frames: Vec<ClientFrame<'_>> = (1..)
        .zip(paths)
        .map(|(number, path)| {
            ClientFrame::Publish(Publish {
                number: PublishNumber(number),
                path,
                condition: Condition::Always,
                operation,
            })
        })
        .collect();
    client.say(&frames);
    let bad = ErrorCode::BadPath.number();
    let verdicts: Vec<(u64, u16)> = (0..4)
        .map(|_| client.until(|told| if let Told::Ack(ack) = told { Some((ack.number.0, ack.code)) } else { None }))
        .collect();
    assert_eq!(verdicts, [(1, bad), (2, bad), (3, 0), (4, 0)]);
}

#[test]
fn a_subscription_number_used_twice() {
    let gateway = gateway();
    let bytes = message(&[subscribe(1, "a"), subscribe(1, "b")]);
    assert_refused(&gateway, bytes, ErrorCode::UnexpectedFrame, "used twice");
}

#[test]
fn what_ends_or_mends_what_is_not_there_is_ignored() {
    let gateway = gateway();
    let mut client = gateway.client("confused");
    client.say(&[
        ClientFrame::Unsubscribe { id: outpour_core::SubscriptionId(7) },
        ClientFrame::Repair { topic: TopicNumber(7) },
        ClientFrame::Repair { topic: TopicNumber(u32::MAX) },
        ClientFrame::Pong { token: 7 },
        subscribe(1, "a"),
    ]);
    assert_eq!(client.hear(), Told::Subscribed { id: 1, topics: 0 });
}

#[test]
fn frames_that_only_gateways_say_are_those_of_clients_or_unknown() {
    // The kinds of clients and gateways are numbered apart, so none of these may do harm.
    let gateway = gateway();
    let mut bystander = gateway.bystander();
    for kind in 1..=16_u64 {
        let mut client = gateway.client("mirror");
        let mut bytes = Vec::new();
        GatewayFrame::Subscribed { id: outpour_core::SubscriptionId(1), topics: kind }.encode(&mut bytes);
        let body = Frames::new(&bytes).next().expect("one").expect("whole").body.to_vec();
        client.send(frame(kind.min(15), &body));
        // Whatever it made of that, the gateway answers this or has said goodbye.
        client.try_send(message(&[set(u64::MAX, "a", "b")]));
        loop {
            match client.hear() {
                Told::Goodbye(goodbye) => {
                    assert!((4200..4300).contains(&goodbye.code), "{goodbye:?}");
                    break;
                }
                Told::Ack(_) | Told::Gone => break,
                _ => {}
            }
        }
    }
    bystander.assert_untouched();
}

#[test]
fn random_messages() {
    let gateway = gateway();
    let mut bystander = gateway.bystander();
    let good = message(&[
        subscribe(1, "a/*"),
        set(1, "a/b", "text"),
        ClientFrame::Fetch { id: FetchId(1), selector: b"**", history: Some(HistoryStart::All), limit: 5 },
        publish(2, "a/c", Condition::IfAbsent, Operation::MergePatch { patch: b"{}" }),
        ClientFrame::Repair { topic: TopicNumber(1) },
        ClientFrame::Unsubscribe { id: outpour_core::SubscriptionId(1) },
    ]);
    let length = good.len();
    // Any bytes, and good frames with a few bytes changed.
    let messages = prop_oneof![
        prop::collection::vec(any::<u8>(), 0..200),
        prop::collection::vec((0..length, any::<u8>()), 1..4).prop_map(move |changes| {
            let mut bytes = good.clone();
            changes.into_iter().for_each(|(at, byte)| bytes[at] = byte);
            bytes
        }),
    ];
    let mut runner = TestRunner::new(Config { cases: 300, failure_persistence: None, ..Config::default() });
    let ran = runner.run(&messages, |bytes| {
        let setup = Setup::publisher("random");
        let mut client = Client::open(gateway.address(), &setup);
        client.say(&[hello(&setup)]);
        client.send(bytes);
        // Then it lives and answers, or was told what it did wrong.
        client.try_send(message(&[subscribe(77, "the/end")]));
        loop {
            match client.hear() {
                Told::Subscribed { id: 77, .. } => return Ok(()),
                Told::Goodbye(goodbye) => {
                    prop_assert!(goodbye.code < 4300 && !goodbye.reason.is_empty(), "{:?}", goodbye);
                    return Ok(());
                }
                Told::Gone => return Err(TestCaseError::fail("gone without a goodbye")),
                _ => {}
            }
        }
    });
    ran.unwrap_or_else(|error| panic!("{error}"));
    bystander.assert_untouched();
}
