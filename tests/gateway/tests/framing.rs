//! What a gateway makes of broken WebSocket frames: it says what is wrong, closes, and nobody else notices.

use outpour_core::ErrorCode;
use outpour_gateway_tests::{Raw, Setup, TestGateway, Told, gateway, hello, masked, message, set, subscribe};
use tungstenite::Message;

const FIN: u8 = 0x80;
const CONTINUATION: u8 = 0;
const TEXT: u8 = 1;
const BINARY: u8 = 2;
const CLOSE: u8 = 8;
const PING: u8 = 9;
const PONG: u8 = 10;

/// Sends bytes on an upgraded connection; the gateway must close with this code and a sentence that
/// says this, and others must not notice.
fn assert_closed(gateway: &TestGateway, bytes: &[u8], code: u16, sentence: &str) {
    let mut bystander = gateway.bystander();
    let mut raw = Raw::upgraded(gateway.address());
    raw.try_write(bytes);
    let (closed, reason) = raw.close_frame();
    assert_eq!(closed, code, "{reason}");
    assert!(reason.contains(sentence), "{reason:?} does not say {sentence:?}");
    bystander.assert_untouched();
}

/// A frame's head that promises a payload.
fn promise(first: u8, length: u64) -> Vec<u8> {
    let mut head = vec![first, 0x80 | 127];
    head.extend_from_slice(&length.to_be_bytes());
    head.extend_from_slice(&[1, 2, 3, 4]);
    head
}

#[test]
fn d3_8_frame_length_of_2_to_the_63() {
    let gateway = gateway();
    assert_closed(&gateway, &promise(FIN | BINARY, i64::MAX as u64), 1009, "the limit is 2097152");
    assert_closed(&gateway, &promise(FIN | BINARY, (2 << 20) + 1), 1009, "the limit is 2097152");
    assert_closed(&gateway, &promise(FIN | BINARY, 1 << 63), 1002, "The highest bit");
}

#[test]
fn d3_9_endless_fragments() {
    let gateway = gateway();
    let mut tiny = masked(BINARY, b"");
    for _ in 0..2000 {
        tiny.extend(masked(CONTINUATION, b""));
    }
    assert_closed(&gateway, &tiny, 1009, "more than 1024 fragments");
    let chunk = vec![0; 60_000];
    let mut large = masked(BINARY, &chunk);
    for _ in 0..40 {
        large.extend(masked(CONTINUATION, &chunk));
    }
    assert_closed(&gateway, &large, 1009, "send smaller messages");
}

#[test]
fn d3_10_unmasked_client_frame() {
    let gateway = gateway();
    assert_closed(&gateway, &[FIN | BINARY, 1, 0], 1002, "not masked");
}

#[test]
fn d3_11_reserved_bits_opcodes_and_control_frames() {
    let gateway = gateway();
    for rsv in [0x40, 0x20, 0x10] {
        assert_closed(&gateway, &masked(FIN | rsv | BINARY, b""), 1002, "reserved bit");
    }
    for opcode in [3, 7, 11, 15] {
        assert_closed(&gateway, &masked(FIN | opcode, b""), 1002, "is reserved");
    }
    for opcode in [CLOSE, PING, PONG] {
        assert_closed(&gateway, &masked(opcode, b""), 1002, "fragmented");
        assert_closed(&gateway, &masked(FIN | opcode, &[0; 126]), 1002, "more than 125 bytes");
    }
    assert_closed(&gateway, &masked(FIN | CONTINUATION, b""), 1002, "no fragmented message");
    let interrupted = [masked(BINARY, b"a"), masked(FIN | BINARY, b"b")].concat();
    assert_closed(&gateway, &interrupted, 1002, "before the fragmented one was finished");
    assert_closed(&gateway, &[FIN | BINARY, 0xfe, 0, 1, 0, 0, 0, 0, 0], 1002, "shortest form");
}

#[test]
fn d3_12_text_that_is_not_utf_8() {
    let gateway = gateway();
    assert_closed(&gateway, &masked(FIN | TEXT, b"\xce\xba\xff"), 1007, "not UTF-8");
    // At once, although the message has not ended.
    assert_closed(&gateway, &masked(TEXT, b"\xf4\x90"), 1007, "not UTF-8");
    // Not because of a character that is split.
    let mut split = masked(TEXT, b"\xce");
    split.extend(masked(FIN | CONTINUATION, b"\xba"));
    assert_closed(&gateway, &split, ErrorCode::TextMessage.number(), "");
}

#[test]
fn text_where_binary_is_due() {
    let gateway = gateway();
    let mut bystander = gateway.bystander();
    let mut client = gateway.client("writer");
    client.send_raw(Message::text("{\"subscribe\":\"a\"}"));
    assert!(client.expect_goodbye(ErrorCode::TextMessage).contains("only binary"));
    bystander.assert_untouched();
}

#[test]
fn d3_15_ping_flood_and_pong_flood() {
    for opcode in [PING, PONG] {
        let gateway = outpour_gateway_tests::gateway_with(|_, peer| peer.messages_per_second = 100);
        let mut bystander = gateway.bystander();
        let mut raw = Raw::upgraded(gateway.address());
        raw.write(&masked(FIN | BINARY, &message(&[hello(&Setup::publisher("flood"))])));
        let frame = masked(FIN | opcode, b"flood");
        // Ten seconds' worth is allowed at once; far more is not.
        for _ in 0..100 {
            if !raw.try_write(&frame.repeat(100)) {
                break;
            }
        }
        let (code, _reason) = raw.close_frame();
        assert_eq!(code, ErrorCode::RateExceeded.number());
        bystander.assert_untouched();
    }
}

#[test]
fn of_many_pings_in_a_row_few_are_answered() {
    let gateway = gateway();
    let mut raw = Raw::upgraded(gateway.address());
    let pings: Vec<u8> = (0..10_000).flat_map(|_| masked(FIN | PING, b"?")).collect();
    raw.write(&pings);
    raw.write(&masked(FIN | PING, b"!"));
    raw.write(&masked(FIN | CLOSE, &1000_u16.to_be_bytes()));
    let answers = raw.rest();
    assert!(answers.windows(3).any(|pong| pong == [FIN | PONG, 1, b'!']), "the last one is answered");
    assert!(answers.len() < 10_000, "{} bytes of answers", answers.len());
}

#[test]
fn d3_16_close_frame_games() {
    let gateway = gateway();
    for code in [0_u16, 999, 1004, 1005, 1006, 1015, 2999, 5000, 65_535] {
        assert_closed(&gateway, &masked(FIN | CLOSE, &code.to_be_bytes()), 1002, "must not be sent");
    }
    assert_closed(&gateway, &masked(FIN | CLOSE, &[3]), 1002, "one byte of payload");
    assert_closed(&gateway, &masked(FIN | CLOSE, b"\x03\xe8\xff"), 1007, "not UTF-8");
}

#[test]
fn d3_16_nothing_is_done_after_a_close_frame() {
    let gateway = gateway();
    let mut watcher = gateway.client("watcher");
    watcher.follow(1, "**");
    let mut raw = Raw::upgraded(gateway.address());
    let mut bytes = masked(FIN | BINARY, &message(&[hello(&Setup::publisher("gone")), set(1, "before", "x")]));
    bytes.extend(masked(FIN | CLOSE, &1000_u16.to_be_bytes()));
    bytes.extend(masked(FIN | BINARY, &message(&[set(2, "after", "x")])));
    bytes.extend(masked(FIN | PING, b"still there?"));
    raw.write(&bytes);
    assert_eq!(raw.close_frame().0, 1000);
    watcher.say(&[set(1, "end", "x")]);
    let told = watcher.all_until(|told| matches!(told, Told::Value { path, .. } if path == "end"));
    assert!(told.iter().any(|told| told.path() == Some("before")), "{told:?}");
    assert!(told.iter().all(|told| told.path() != Some("after")), "{told:?}");
}

#[test]
fn a_close_frame_is_answered_with_its_code() {
    let gateway = gateway();
    let mut client = gateway.client("orderly");
    client.close(3001);
    assert_eq!(client.closed(), Some(3001));
    client.wait_gone();
    gateway.wait_for(|statistics| statistics.connections == 0);
}

#[test]
fn a_message_may_come_in_any_pieces() {
    let gateway = gateway();
    let mut raw = Raw::upgraded(gateway.address());
    let whole = message(&[hello(&Setup::publisher("pieces")), subscribe(1, "a")]);
    let (start, rest) = whole.split_at(10);
    let (middle, end) = rest.split_at(3);
    let mut bytes = masked(BINARY, start);
    bytes.extend(masked(FIN | PING, b"between"));
    bytes.extend(masked(CONTINUATION, middle));
    bytes.extend(masked(FIN | CONTINUATION, end));
    for byte in bytes {
        raw.write(&[byte]);
    }
    raw.read_until(&message_of_subscribed());
}

fn message_of_subscribed() -> Vec<u8> {
    let mut message = Vec::new();
    let id = outpour_core::SubscriptionId(1);
    outpour_core::wire::GatewayFrame::Subscribed { id, topics: 0 }.encode(&mut message);
    message
}

#[test]
fn a_message_beyond_the_limit() {
    let gateway = gateway();
    let mut bystander = gateway.bystander();
    let mut client = gateway.client("large");
    client.try_send(vec![0; 3 << 20]);
    let (code, reason) = client.closed_with_reason();
    assert_eq!(code, Some(1009));
    assert!(reason.contains("the limit is 2097152"), "{reason}");
    bystander.assert_untouched();
}
