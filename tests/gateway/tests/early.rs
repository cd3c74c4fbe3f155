//! The first message that comes along with the request for an upgrade.

use std::io::Read;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use outpour_core::wire::{ClientFrame, Frames, GatewayFrame};
use outpour_core::{ErrorCode, SubscriptionId};
use outpour_gateway_tests::{
    Raw, Setup, TestGateway, gateway, gateway_with, hello, masked, message, set, subscribe, upgrade_request,
};

/// A request that brings these frames along, and offers the plain subprotocol too.
fn request_with(frames: &[ClientFrame<'_>]) -> String {
    let digits = URL_SAFE_NO_PAD.encode(message(frames));
    upgrade_request(&format!("Sec-WebSocket-Protocol: outpour.v1.early, hello.{digits}\r\n"))
}

/// The head of the response, and the frames of the first message, which came in one read of the socket.
fn answer_in_one_piece(gateway: &TestGateway, request: &str) -> (String, Vec<u8>) {
    let mut raw = Raw::open(gateway.address());
    raw.write(request.as_bytes());
    let mut bytes = vec![0; 64 << 10];
    let length = raw.0.read(&mut bytes).expect("an answer");
    let end = bytes.windows(4).position(|four| four == b"\r\n\r\n").expect("a whole head") + 4;
    let head = String::from_utf8(bytes[..end].to_vec()).expect("text");
    match &bytes[end..length] {
        [0x82, short @ 0..126, payload @ ..] if payload.len() == usize::from(*short) => (head, payload.to_vec()),
        [0x82, 126, high, low, payload @ ..] if payload.len() == usize::from(u16::from_be_bytes([*high, *low])) => {
            (head, payload.to_vec())
        }
        other => panic!("no whole message came with the head: {other:?}"),
    }
}

fn frames(message: &[u8]) -> Vec<GatewayFrame<'_>> {
    Frames::new(message).map(|raw| raw.and_then(GatewayFrame::decode).expect("a frame").expect("known")).collect()
}

#[test]
fn welcome_and_values_ride_right_behind_the_response() {
    let gateway = gateway();
    let mut publisher = gateway.client("publisher");
    publisher.publish(1, &set(1, "a", "the value")).expect("applied");
    let request = request_with(&[hello(&Setup::publisher("early")), subscribe(1, "a")]);
    let (head, message) = answer_in_one_piece(&gateway, &request);
    assert!(head.starts_with("HTTP/1.1 101 ") && head.contains("\r\nSec-WebSocket-Protocol: outpour.v1.early\r\n"));
    let frames = frames(&message);
    assert!(matches!(frames.first(), Some(GatewayFrame::Welcome(_))), "{frames:?}");
    assert!(frames.iter().any(|frame| matches!(frame, GatewayFrame::Snapshot { .. })), "{frames:?}");
    assert!(matches!(frames.last(), Some(GatewayFrame::Subscribed { .. })), "{frames:?}");
}

#[test]
fn what_follows_the_request_is_the_second_message() {
    let gateway = gateway();
    let mut raw = Raw::open(gateway.address());
    let setup = Setup::publisher("early");
    let mut bytes = request_with(&[hello(&setup)]).into_bytes();
    bytes.extend(masked(0x89, b"ping"));
    bytes.extend(masked(0x82, &message(&[hello(&setup)])));
    raw.write(&bytes);
    assert!(raw.head().starts_with("HTTP/1.1 101 "));
    let (code, reason) = raw.close_frame();
    assert_eq!(code, ErrorCode::UnexpectedFrame.number(), "{reason}");
}

#[test]
fn an_early_message_is_judged_like_any_other() {
    let gateway = gateway_with(|_, peer| peer.max_subscriptions = 1);
    let mut bystander = gateway.bystander();
    for (frames, code) in [
        (vec![subscribe(1, "a")], ErrorCode::UnexpectedFrame),
        (vec![hello(&Setup::publisher("twice")), hello(&Setup::publisher("twice"))], ErrorCode::UnexpectedFrame),
    ] {
        let mut raw = Raw::open(gateway.address());
        raw.write(request_with(&frames).as_bytes());
        assert!(raw.head().starts_with("HTTP/1.1 101 "));
        assert_eq!(raw.close_frame().0, code.number());
    }
    let mut raw = Raw::open(gateway.address());
    raw.write(upgrade_request("Sec-WebSocket-Protocol: outpour.v1.early, hello.____\r\n").as_bytes());
    assert!(raw.head().starts_with("HTTP/1.1 101 "));
    assert_eq!(raw.close_frame().0, ErrorCode::MalformedFrame.number());
    bystander.assert_untouched();
}

#[test]
fn messages_that_are_not_base64_and_pages_that_may_not_connect_get_no_session() {
    let gateway = gateway();
    for (more, status) in [
        ("Sec-WebSocket-Protocol: outpour.v1.early, hello.A\r\n".to_owned(), 400),
        ("Sec-WebSocket-Protocol: outpour.v1.early, hello.AA, hello.AA\r\n".to_owned(), 400),
        ("Sec-WebSocket-Protocol: outpour.v1.early, hello.A\r\nOrigin: https://evil.example\r\n".to_owned(), 403),
    ] {
        let mut raw = Raw::open(gateway.address());
        raw.write(upgrade_request(&more).as_bytes());
        let answer = String::from_utf8(raw.rest()).expect("text");
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{answer}");
    }
}

#[test]
fn a_message_that_is_too_long_is_left_to_be_sent_when_the_connection_is_open() {
    let gateway = gateway();
    let mut raw = Raw::open(gateway.address());
    let long = "A".repeat(4100);
    raw.write(upgrade_request(&format!("Sec-WebSocket-Protocol: outpour.v1.early, hello.{long}\r\n")).as_bytes());
    let head = raw.head();
    assert!(head.contains("\r\nSec-WebSocket-Protocol: outpour.v1\r\n"), "{head}");
    raw.write(&masked(0x82, &message(&[hello(&Setup::publisher("patient")), subscribe(7, "a/**/b")])));
    let mut subscribed = Vec::new();
    GatewayFrame::Subscribed { id: SubscriptionId(7), topics: 0 }.encode(&mut subscribed);
    raw.read_until(&subscribed);
}
