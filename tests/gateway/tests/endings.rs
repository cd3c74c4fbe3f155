//! How conversations end: shutdown in order, clients that vanish, sockets that are reset.

use std::collections::BTreeSet;
use std::io::Write;
use std::net::Shutdown;
use std::time::{Duration, Instant};

use outpour_core::ErrorCode;
use outpour_core::wire::{ClientFrame, Goodbye};
use outpour_gateway_tests::{
    Client, Raw, Setup, Told, append, gateway, gateway_with, message, set, subscribe, upgrade_request,
};

/// Resets the connection instead of closing it.
fn reset(mut client: Client) {
    let socket = socket2::SockRef::from(&*client.stream());
    socket.set_linger(Some(Duration::ZERO)).expect("a reset at the end");
}

#[test]
fn a_client_that_says_goodbye_is_told_goodbye() {
    let gateway = gateway();
    let mut client = gateway.client("polite");
    client.follow(1, "**");
    client.say(&[
        ClientFrame::Goodbye(Goodbye { code: 4000, reason: "enough", ..Goodbye::default() }),
        subscribe(2, "a"),
    ]);
    let told = client.all_until(|told| matches!(told, Told::Goodbye(_)));
    assert!(matches!(&told[..], [goodbye] if goodbye.is_goodbye(ErrorCode::Closed)), "{told:?}");
    assert_eq!(client.closed(), Some(4000));
    client.wait_gone();
    gateway.wait_for(|statistics| statistics.connections == 0);
}

#[test]
fn clients_that_vanish_are_forgotten_and_the_rest_goes_on() {
    let gateway = gateway();
    let mut bystander = gateway.bystander();
    let mut publisher = gateway.client("publisher");
    for round in 0..20_u64 {
        let mut leaving: Vec<Client> = (0..8).map(|index| gateway.client(&format!("leaving {index}"))).collect();
        for client in &mut leaving {
            client.say(&[subscribe(1, "**"), subscribe(2, "t/*")]);
        }
        // In the middle of whatever they are told: by a reset, without a word, in the middle of a frame.
        for (index, mut client) in leaving.into_iter().enumerate() {
            match index % 4 {
                0 => reset(client),
                1 => drop(client),
                2 => {
                    client.stream().write_all(&[0x82, 0xfe, 0xff]).expect("half a frame");
                    client.stream().shutdown(Shutdown::Both).expect("closed");
                }
                _ => {
                    client.stream().shutdown(Shutdown::Write).expect("half closed");
                    client.wait_gone();
                }
            }
        }
        for number in round * 10 + 1..=round * 10 + 10 {
            publisher.publish(number, &set(number, "t/1", &number.to_string())).expect("applied");
        }
        bystander.assert_untouched();
    }
    gateway.wait_for(|statistics| statistics.connections == 2);
    bystander.assert_untouched();
}

#[test]
fn the_end_of_a_socket_that_comes_with_its_last_bytes_is_noticed() {
    // Not only by a deadline.
    let gateway = gateway_with(|_, peer| peer.handshake_timeout = Duration::from_secs(600));
    for _ in 0..50 {
        let mut raw = Raw::open(gateway.address());
        raw.write(&[upgrade_request("").as_bytes(), b"\x82\x80\x01\x02\x03\x04"].concat());
        raw.0.shutdown(Shutdown::Write).expect("half closed");
        drop(raw);
    }
    gateway.wait_for(|statistics| statistics.connections == 0);
}

#[test]
fn shutdown_tells_every_client_to_go_elsewhere() {
    let gateway = gateway_with(|config, _| {
        config.retry_after = Duration::from_millis(1234);
        config.shutdown_grace = Duration::from_secs(600);
    });
    let mut clients: Vec<Client> = (0..20).map(|index| gateway.client(&format!("client {index}"))).collect();
    for client in &mut clients {
        client.follow(1, "**");
    }
    let mut not_upgraded = Raw::open(gateway.address());
    not_upgraded.write(b"GET / HT");
    gateway.wait_for(|statistics| statistics.connections == 21);
    let address = gateway.address();
    let start = Instant::now();
    let shutdown = std::thread::spawn(move || gateway.shutdown());
    let mut come_back = BTreeSet::new();
    for client in &mut clients {
        let goodbye = client.goodbye();
        assert_eq!(goodbye.code, ErrorCode::ShuttingDown.number());
        assert!((1234..2468).contains(&goodbye.retry_after_ms), "{goodbye:?}");
        come_back.insert(goodbye.retry_after_ms);
        client.wait_gone();
    }
    assert!(come_back.len() >= 10, "they don't come back all at once: {come_back:?}");
    let answer = String::from_utf8(not_upgraded.rest()).expect("text");
    assert!(answer.starts_with("HTTP/1.1 503 ") && answer.contains("shutting down"), "{answer}");
    assert!(answer.contains("\r\nRetry-After: 2\r\n"), "{answer}");
    drop(not_upgraded);
    shutdown.join().expect("the gateway ends");
    assert!(start.elapsed() < Duration::from_secs(300), "as soon as all have gone");
    assert!(std::net::TcpStream::connect(address).is_err(), "nobody listens any more");
}

#[test]
fn shutdown_does_not_wait_longer_than_it_says_for_those_who_do_not_read() {
    let gateway = gateway_with(|config, _| config.shutdown_grace = Duration::from_millis(300));
    let mut publisher = gateway.client("publisher");
    let large = "x".repeat(1 << 20);
    publisher.publish(1, &set(1, "t", &large)).expect("applied");
    let setup = Setup { receive_buffer: 4 << 10, ..Setup::publisher("deaf") };
    let mut deaf: Vec<Client> = (0..5).map(|_| Client::connect(gateway.address(), &setup).0).collect();
    for client in &mut deaf {
        client.say(&[subscribe(1, "t")]);
    }
    let start = Instant::now();
    let shutdown = std::thread::spawn(move || gateway.shutdown());
    assert_eq!(publisher.goodbye().code, ErrorCode::ShuttingDown.number());
    shutdown.join().expect("the gateway ends");
    assert!(start.elapsed() >= Duration::from_millis(300), "they had their time");
    assert!(start.elapsed() < Duration::from_secs(60), "and no more");
    drop(deaf);
}

#[test]
fn what_was_acknowledged_before_a_shutdown_was_applied_and_what_was_not_can_be_sent_again() {
    let gateway = gateway();
    let mut client = gateway.client("publisher");
    let mut number = 0;
    let mut acknowledged = 0;
    let frames: Vec<String> = (1..=100).map(|event| format!("event {event}")).collect();
    // In the midst of a stream of publishes.
    client.say(&(1..).zip(&frames).map(|(number, text)| append(number, "log", text)).collect::<Vec<_>>());
    let shutdown = std::thread::spawn(move || gateway.shutdown());
    loop {
        match client.hear() {
            Told::Ack(ack) => {
                assert_eq!(ack.number.0, acknowledged + 1, "verdicts come in order");
                acknowledged += 1;
            }
            Told::Goodbye(goodbye) => {
                assert_eq!(goodbye.code, ErrorCode::ShuttingDown.number());
                break;
            }
            other => panic!("{other:?}"),
        }
        number += 1;
    }
    assert_eq!(number, acknowledged);
    assert_eq!(client.closed(), Some(ErrorCode::ShuttingDown.number()));
    drop(client);
    shutdown.join().expect("the gateway ends");
}

#[test]
fn dropping_a_gateway_ends_it_at_once() {
    let gateway = gateway();
    let mut client = gateway.client("surprised");
    client.follow(1, "**");
    drop(gateway);
    client.wait_gone();
}

#[test]
fn a_client_that_breaks_a_rule_and_does_not_read_is_dropped_all_the_same() {
    let gateway = gateway();
    let mut publisher = gateway.client("publisher");
    let large = "x".repeat(1 << 20);
    publisher.publish(1, &set(1, "t", &large)).expect("applied");
    let mut client =
        Client::connect(gateway.address(), &Setup { receive_buffer: 4 << 10, ..Setup::publisher("deaf") }).0;
    client.say(&[subscribe(1, "t")]);
    client.try_send(message(&[subscribe(1, "used twice")]));
    gateway.wait_for(|statistics| statistics.connections == 1);
}
