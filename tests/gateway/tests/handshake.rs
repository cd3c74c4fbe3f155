//! What a gateway makes of those who knock: the HTTP upgrade, and hello.

use std::time::Duration;

use outpour_core::ErrorCode;
use outpour_core::wire::{ClientFrame, Goodbye, MIN_MESSAGE_BYTES, PROTOCOL_MAJOR};
use outpour_gateway_tests::{Client, Raw, Setup, Told, gateway, gateway_with, hello, set, subscribe, upgrade_request};

/// What a gateway answers to these bytes, until it closes.
fn answer(gateway: &outpour_gateway_tests::TestGateway, request: &str) -> String {
    let mut raw = Raw::open(gateway.address());
    // A gateway may have heard enough before the end of a long request.
    raw.try_write(request.as_bytes());
    String::from_utf8(raw.rest()).expect("an answer in text")
}

fn assert_status(answer: &str, status: u16, sentence: &str) {
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no whole answer: {answer:?}"));
    assert!(head.starts_with(&format!("HTTP/1.1 {status} ")), "{head}");
    assert!(head.contains("Connection: close"), "{head}");
    assert!(body.contains(sentence), "{body:?} does not say {sentence:?}");
}

#[test]
fn d3_1_upgrade_with_foreign_origin() {
    let gateway = gateway();
    let mut bystander = gateway.bystander();
    let request = upgrade_request("Origin: https://evil.example\r\nCookie: session=valid\r\n");
    assert_status(&answer(&gateway, &request), 403, "Pages from https://evil.example may not connect");
    bystander.assert_untouched();
}

#[test]
fn d3_2_no_origin_or_origin_null() {
    let gateway = gateway();
    let mut bystander = gateway.bystander();
    assert_status(&answer(&gateway, &upgrade_request("Origin: null\r\n")), 403, "Pages from null may not connect");
    // Programs other than browsers send none.
    let _connected = gateway.client("no origin");
    bystander.assert_untouched();
}

#[test]
fn d3_3_slowloris() {
    let gateway = gateway_with(|_, peer| peer.handshake_timeout = Duration::from_millis(400));
    let mut bystander = gateway.bystander();
    let mut raw = Raw::open(gateway.address());
    // A byte now and then, which must not put the deadline off.
    for byte in upgrade_request("").bytes().cycle() {
        if !raw.try_write(&[byte.max(b'a')]) {
            break;
        }
        std::thread::sleep(Duration::from_millis(20));
        if gateway.statistics().connections == 1 {
            break;
        }
    }
    let answer = String::from_utf8(raw.rest()).expect("text");
    assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 408 "), "{answer}");
    gateway.wait_for(|statistics| statistics.connections == 1);
    bystander.assert_untouched();
}

#[test]
fn d3_4_connects_and_never_sends() {
    let gateway = gateway_with(|_, peer| peer.handshake_timeout = Duration::from_millis(300));
    let mut bystander = gateway.bystander();
    let mut silent: Vec<Raw> = (0..50).map(|_| Raw::open(gateway.address())).collect();
    for raw in &mut silent {
        let answer = String::from_utf8(raw.rest()).expect("text");
        assert_status(&answer, 408, "The request did not come in time.");
    }
    drop(silent);
    gateway.wait_for(|statistics| statistics.connections == 1);
    bystander.assert_untouched();
}

#[test]
fn d3_5_upgrades_and_never_says_hello() {
    let gateway = gateway_with(|_, peer| peer.handshake_timeout = Duration::from_millis(300));
    let mut bystander = gateway.bystander();
    let mut client = Client::open(gateway.address(), &Setup::publisher("mute"));
    let reason = client.expect_goodbye(ErrorCode::HandshakeTimeout);
    assert_eq!(reason, "the client did not say hello in time");
    bystander.assert_untouched();
}

#[test]
fn d3_6_too_many_or_malformed_headers() {
    let gateway = gateway();
    let mut bystander = gateway.bystander();
    let long = format!("X-Long: {}\r\n", "a".repeat(64 << 10));
    assert_status(&answer(&gateway, &upgrade_request(&long)), 431, "larger than 16384 bytes");
    let many: String = (0..1000).map(|number| format!("X-{number}: 1\r\n")).collect();
    assert_status(&answer(&gateway, &upgrade_request(&many)), 431, "");
    for bad in ["X: a\rb\r\n", "X: a\nY: b\r\n", "X: a\r\n folded\r\n", "X\0: a\r\n", "X : a\r\n"] {
        assert_status(&answer(&gateway, &upgrade_request(bad)), 400, "not a valid HTTP/1.1 request");
    }
    bystander.assert_untouched();
}

#[test]
fn d3_7_request_smuggling_shapes() {
    let gateway = gateway();
    let mut bystander = gateway.bystander();
    for headers in [
        "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding: chunked\r\n",
        "Content-Length: 0\r\n",
        "Content-Length: 4\r\nContent-Length: 5\r\n",
    ] {
        assert_status(&answer(&gateway, &upgrade_request(headers)), 400, "announces a body");
    }
    assert_status(&answer(&gateway, &upgrade_request("Host: other.test\r\n")), 400, "exactly one Host");
    bystander.assert_untouched();
}

#[test]
fn d3_13_and_14_compression_is_not_negotiated() {
    let gateway = gateway();
    let mut raw = Raw::open(gateway.address());
    let offer =
        "Sec-WebSocket-Extensions: permessage-deflate; server_max_window_bits=8; client_no_context_takeover\r\n";
    raw.write(upgrade_request(offer).as_bytes());
    let head = raw.head();
    assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
    assert!(!head.to_ascii_lowercase().contains("extensions"), "{head}");
    // So a compressed message is a fault, and nothing is inflated.
    raw.write(&outpour_gateway_tests::masked(0xc2, b"deflated"));
    let (code, reason) = raw.close_frame();
    assert_eq!(code, 1002);
    assert!(reason.contains("RSV1-3"), "{reason}");
}

#[test]
fn other_requests_than_upgrades() {
    let gateway = gateway();
    let get = |path: &str| format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_status(&answer(&gateway, &get("/")), 200, "This is an Outpour gateway");
    assert_status(&answer(&gateway, &get("/health")), 200, "");
    assert_status(&answer(&gateway, &get("/other")), 404, "");
    assert_status(&answer(&gateway, "POST / HTTP/1.1\r\nHost: a\r\n\r\n"), 405, "only GET");
    assert_status(&answer(&gateway, "\x16\x03\x01\x02\0\x01\0\x01\r\n\r\n"), 400, "speaks TLS");
    let other = upgrade_request("").replace("outpour.v1", "mqtt");
    assert_status(&answer(&gateway, &other), 400, "Sec-WebSocket-Protocol: outpour.v1");
}

#[test]
fn another_major_version_is_told_which_one_is_spoken() {
    let gateway = gateway();
    let mut bystander = gateway.bystander();
    let setup = Setup::publisher("from the future");
    let mut client = Client::open(gateway.address(), &setup);
    let mut message = Vec::new();
    hello(&setup).encode(&mut message);
    // The header takes two bytes, then comes the version.
    message[2] = PROTOCOL_MAJOR as u8 + 1;
    client.send(message);
    let goodbye = client.goodbye();
    assert_eq!(goodbye.code, ErrorCode::UnsupportedVersion.number());
    assert_eq!(goodbye.speaks, [PROTOCOL_MAJOR]);
    bystander.assert_untouched();
}

#[test]
fn a_client_that_takes_too_small_messages_is_told_how_large_they_get() {
    let gateway = gateway();
    let setup = Setup { max_message: MIN_MESSAGE_BYTES as u64, ..Setup::publisher("tiny") };
    let mut client = Client::open(gateway.address(), &setup);
    client.say(&[hello(&setup)]);
    let reason = client.expect_goodbye(ErrorCode::MessageTooLarge);
    assert!(reason.contains("4096 bytes") && reason.contains("1050624"), "{reason}");
}

#[test]
fn hello_comes_first_and_once() {
    let gateway = gateway();
    let mut bystander = gateway.bystander();
    let setup = Setup::publisher("impatient");
    let mut early = Client::open(gateway.address(), &setup);
    early.say(&[subscribe(1, "a"), hello(&setup)]);
    assert!(early.expect_goodbye(ErrorCode::UnexpectedFrame).contains("must be a hello"));
    let mut twice = gateway.client("twice");
    twice.say(&[hello(&setup)]);
    assert!(twice.expect_goodbye(ErrorCode::UnexpectedFrame).contains("second hello"));
    bystander.assert_untouched();
}

#[test]
fn what_comes_along_with_hello_is_answered_after_the_welcome() {
    let gateway = gateway();
    let setup = Setup::publisher("eager");
    let mut client = Client::open(gateway.address(), &setup);
    client.say(&[hello(&setup), subscribe(1, "//bad"), subscribe(2, "good")]);
    assert!(matches!(client.hear(), Told::Welcome(_)));
    assert!(matches!(client.hear(), Told::Refused { code, .. } if code == ErrorCode::BadSelector.number()));
    assert_eq!(client.hear(), Told::Subscribed { id: 2, topics: 0 });
}

#[test]
fn welcome_states_the_limits_that_hold() {
    let gateway = gateway_with(|_, peer| {
        peer.max_in_flight = 9;
        peer.max_subscriptions = 8;
        peer.max_value = 7000;
        peer.max_message = 10_000;
    });
    let (_client, welcome) = Client::connect(gateway.address(), &Setup::publisher("curious"));
    assert_eq!((welcome.max_in_flight, welcome.max_subscriptions), (9, 8));
    assert_eq!((welcome.max_value, welcome.max_message), (7000, 10_000));
    assert_eq!(welcome.heartbeat_ms, 600_000);
    assert_eq!(welcome.applied.0, 0);
}

#[test]
fn goodbye_before_hello_is_answered() {
    let gateway = gateway();
    let mut client = Client::open(gateway.address(), &Setup::publisher("shy"));
    client.say(&[ClientFrame::Goodbye(Goodbye { code: 4000, ..Goodbye::default() })]);
    client.expect_goodbye(ErrorCode::Closed);
}

#[test]
fn a_client_is_pinged_in_the_rhythm_of_the_welcome() {
    let gateway = gateway_with(|_, peer| peer.heartbeat = Duration::from_millis(50));
    let (mut client, welcome) = Client::connect(gateway.address(), &Setup::publisher("idle"));
    assert_eq!(welcome.heartbeat_ms, 50);
    client.wait_for_pings(3);
    client.publish(1, &set(1, "still", "there")).expect("applied");
}
