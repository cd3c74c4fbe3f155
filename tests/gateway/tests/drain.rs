//! How a gateway is drained: sessions are asked to move one after the other, served until they have, and nobody is let in.

use std::collections::BTreeMap;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use outpour_core::ErrorCode;
use outpour_core::wire::{ClientFrame, Goodbye};
use outpour_gateway_tests::{Client, Raw, Setup, TestGateway, Told, gateway_with, hello, set, upgrade_request};
use outpour_server::gateway::Drained;

const LONG: Duration = Duration::from_secs(600);

fn redirecting_gateway(redirects: &[&str]) -> TestGateway {
    gateway_with(|config, _| {
        config.redirects = redirects.iter().map(|url| (*url).to_owned()).collect();
        config.retry_after = Duration::from_millis(1_500);
    })
}

/// Begins to drain, and waits until nobody is let in.
fn begin(gateway: TestGateway, within: Duration) -> JoinHandle<Drained> {
    let address = gateway.address();
    let drain = std::thread::spawn(move || gateway.drain(within));
    loop {
        let mut raw = Raw::open(address);
        raw.write(upgrade_request("").as_bytes());
        if raw.head().starts_with("HTTP/1.1 503 ") {
            return drain;
        }
    }
}

fn wait_for_move(client: &mut Client) -> (Duration, String) {
    client.until(|told| match told {
        Told::Move { within_ms, redirect } => Some((Duration::from_millis(*within_ms), redirect.clone())),
        _ => None,
    })
}

fn leave(client: &mut Client) {
    client.say(&[ClientFrame::Goodbye(Goodbye { code: 4000, reason: "moved", ..Goodbye::default() })]);
    client.expect_goodbye(ErrorCode::Closed);
    client.wait_gone();
}

#[test]
fn whoever_is_asked_to_move_is_served_until_it_has_and_then_the_gateway_ends() {
    let gateway = redirecting_gateway(&["ws://one.test", "ws://two.test"]);
    let mut clients: Vec<Client> = (0..6).map(|index| gateway.client(&format!("client {index}"))).collect();
    for client in &mut clients {
        client.follow(1, "**");
    }
    let address = gateway.address();
    // So short an interval that all are asked soon, and the rest of the time is ample.
    let within = Duration::from_secs(8);
    let start = Instant::now();
    let drain = begin(gateway, within);
    let mut sent_to = BTreeMap::new();
    let mut least = within;
    for client in &mut clients {
        let (left, redirect) = wait_for_move(client);
        assert!(left <= within - Duration::from_secs(2), "{left:?}");
        least = least.min(left);
        *sent_to.entry(redirect).or_insert(0) += 1;
    }
    assert!(start.elapsed() >= Duration::from_secs(2), "they are not asked all at once");
    assert!(least >= Duration::from_secs(2), "the last has time, too: {least:?}");
    assert_eq!(sent_to, [("ws://one.test".to_owned(), 3), ("ws://two.test".to_owned(), 3)].into());

    // All that happens is told to everybody, until they leave.
    let (publisher, others) = clients.split_first_mut().expect("six");
    publisher.publish(1, &set(1, "a", "while the gateway is drained")).expect("applied");
    for client in others {
        assert_eq!(client.value("a"), "while the gateway is drained");
    }
    let mut late = Raw::open(address);
    late.write(upgrade_request("").as_bytes());
    let answer = String::from_utf8(late.rest()).expect("text");
    assert!(answer.starts_with("HTTP/1.1 503 ") && answer.contains("\r\nRetry-After: 2\r\n"), "{answer}");
    assert!(answer.contains("shutting down"), "{answer}");

    for mut client in clients {
        leave(&mut client);
    }
    assert_eq!(drain.join().expect("the gateway ends").cut, 0);
    assert!(std::net::TcpStream::connect(address).is_err(), "nobody listens any more");
}

#[test]
fn whoever_stays_is_told_goodbye_when_the_time_is_over() {
    let gateway = redirecting_gateway(&[]);
    let mut stays = gateway.client("stays");
    let mut moves = gateway.client("moves");
    let within = Duration::from_millis(1_200);
    let start = Instant::now();
    let drain = std::thread::spawn(move || gateway.drain(within));
    assert_eq!(wait_for_move(&mut moves).1, "", "a client that is not sent somewhere goes where it knows to");
    leave(&mut moves);
    drop(moves);
    wait_for_move(&mut stays);
    let goodbye = stays.goodbye();
    assert_eq!(goodbye.code, ErrorCode::ShuttingDown.number());
    assert!(start.elapsed() >= within * 3 / 4, "it had its time");
    assert!((1_500..3_000).contains(&goodbye.retry_after_ms), "{goodbye:?}");
    stays.wait_gone();
    assert_eq!(drain.join().expect("the gateway ends"), Drained { connections: 2, cut: 1 });
}

#[test]
fn goodbyes_lead_to_the_other_gateways_too() {
    let gateway = redirecting_gateway(&["ws://one.test"]);
    let mut client = gateway.client("stays");
    let drain = std::thread::spawn(move || gateway.drain(Duration::from_millis(100)));
    let goodbye = client.goodbye();
    assert_eq!((goodbye.code, goodbye.redirect.as_str()), (ErrorCode::ShuttingDown.number(), "ws://one.test"));
    // The other gateway is there at once.
    assert_eq!(goodbye.retry_after_ms, 0);
    client.wait_gone();
    assert_eq!(drain.join().expect("the gateway ends").cut, 1);
}

#[test]
fn connections_that_have_not_become_sessions_do_not_hold_it_up() {
    let gateway = redirecting_gateway(&[]);
    let mut half_a_request = Raw::open(gateway.address());
    half_a_request.write(b"GET / HT");
    let mut silent = Raw::open(gateway.address());
    gateway.wait_for(|statistics| statistics.connections == 2);
    let drain = std::thread::spawn(move || gateway.drain(LONG));
    for raw in [&mut half_a_request, &mut silent] {
        let answer = String::from_utf8(raw.rest()).expect("text");
        assert!(answer.starts_with("HTTP/1.1 503 ") && answer.contains("shutting down"), "{answer}");
    }
    drop((half_a_request, silent));
    assert_eq!(drain.join().expect("the gateway ends"), Drained { connections: 2, cut: 0 });
}

#[test]
fn a_session_that_begins_late_is_asked_as_well() {
    let gateway = redirecting_gateway(&["ws://one.test"]);
    let setup = Setup::publisher("late");
    let mut client = Client::open(gateway.address(), &setup);
    gateway.wait_for(|statistics| statistics.connections == 1);
    let drain = begin(gateway, LONG);
    client.say(&[hello(&setup)]);
    assert!(matches!(client.hear(), Told::Welcome(_)));
    assert_eq!(wait_for_move(&mut client).1, "ws://one.test");
    leave(&mut client);
    assert_eq!(drain.join().expect("the gateway ends").cut, 0);
}

#[test]
fn a_gateway_without_sessions_ends_at_once() {
    let start = Instant::now();
    assert_eq!(redirecting_gateway(&[]).drain(LONG), Drained::default());
    assert!(start.elapsed() < LONG / 2);
}
