//! Credentials: asked for once per need, kept across connections, told apart from the network.

use std::time::Duration;

use outpour_core::ErrorCode;
use outpour_core::peer::PeerConfig;
use outpour_core::session::{Credentials, Event, Input, Request, SessionConfig, Signal, TimerReason};

use crate::world::World;

const SECOND: Duration = Duration::from_secs(1);

fn world() -> World {
    let config = SessionConfig { ask_credentials: true, ..SessionConfig::default() };
    let mut world = World::with(config, PeerConfig::default(), 3);
    world.provided = Some(Ok(b"first".to_vec()));
    world
}

fn connected() -> World {
    let mut world = world();
    world.connect();
    assert_eq!(world.gateway.shown, [b"first"]);
    world
}

fn expired(world: &World) -> Vec<bool> {
    world.asked.iter().map(|(_, expired)| *expired).collect()
}

fn codes(world: &World) -> Vec<ErrorCode> {
    let codes = world.events.iter().filter_map(|event| match event {
        Event::Disconnected { code, .. } | Event::Closed { code, .. } => Some(*code),
        _ => None,
    });
    codes.collect()
}

#[test]
fn a_session_without_a_provider_shows_none() {
    let world = World::connected();
    assert_eq!((world.asked.len(), world.gateway.shown.as_slice()), (0, [Vec::new()].as_slice()));
}

#[test]
fn they_are_kept_across_connections() {
    let mut world = connected();
    for _ in 0..5 {
        world.cut();
        world.advance(60 * SECOND);
        assert!(world.session.is_live());
    }
    assert_eq!(world.asked.len(), 1, "asked once per need, not once per attempt");
    assert!(world.gateway.shown.iter().all(|shown| shown == b"first"));
}

#[test]
fn they_are_asked_for_once_while_no_gateway_can_be_reached() {
    let mut world = world();
    world.reachable = false;
    world.session.connect(world.now);
    world.advance(300 * SECOND);
    assert!(world.endpoints.len() > 10);
    assert_eq!(world.asked.len(), 1);
}

/// What a request says is written to the logs of proxies.
#[test]
fn they_do_not_stand_in_the_request_that_opens_the_transport() {
    let mut world = world();
    world.session.connect(world.now);
    let Some(Request::Credentials { id, expired: false }) = world.session.poll_request() else { panic!() };
    let credentials = Credentials::new(b"secret".to_vec());
    world.session.handle_input(Input::Credentials(id, Ok(credentials)), world.now);
    assert!(matches!(world.session.poll_request(), Some(Request::Open { early: None, .. })));
}

/// `realtime/unit/RTN15h2/token-error-renew-success-0`, `realtime/unit/RTN15c5/token-error-during-resume-0`
#[test]
fn expired_ones_are_replaced_at_once() {
    for live in [true, false] {
        let mut world = connected();
        world.provided = Some(Ok(b"second".to_vec()));
        if live {
            world.gateway.close(ErrorCode::CredentialsExpired, Duration::ZERO);
        } else {
            world.gateway.refused = vec![(b"first", ErrorCode::CredentialsExpired)];
            world.cut();
        }
        world.advance(SECOND);
        assert!(world.session.is_live());
        assert_eq!(expired(&world), [false, true]);
        assert_eq!(world.gateway.shown.last().unwrap(), b"second");
        assert_eq!(codes(&world).last(), Some(&ErrorCode::CredentialsExpired), "told apart from a network error");
    }
}

/// `realtime/unit/RTN15h1/token-error-no-renew-0`, `realtime/proxy/RTN15h1/token-error-nonrenewable-failed-0`
#[test]
fn without_a_provider_expired_ones_are_the_end() {
    for code in [ErrorCode::CredentialsExpired, ErrorCode::Unauthenticated] {
        let mut world = World::connected();
        world.gateway.close(code, Duration::ZERO);
        world.advance(SECOND);
        assert_eq!(codes(&world), [code]);
        assert!(matches!(world.events.last(), Some(Event::Closed { .. })));
    }
}

/// `realtime/unit/RTN14a/invalid-key-failed-0`
#[test]
fn fresh_ones_that_are_not_taken_are_the_end() {
    let mut world = world();
    world.gateway.refused = vec![(b"first", ErrorCode::Unauthenticated)];
    world.session.connect(world.now);
    world.advance(60 * SECOND);
    assert_eq!(codes(&world), [ErrorCode::Unauthenticated]);
    assert_eq!((world.asked.len(), world.session.poll_timeout()), (1, None));
}

#[test]
fn ones_that_were_taken_before_are_replaced_once() {
    let mut world = connected();
    world.gateway.refused = vec![(b"first", ErrorCode::Unauthenticated), (b"second", ErrorCode::Unauthenticated)];
    world.provided = Some(Ok(b"second".to_vec()));
    world.cut();
    world.advance(60 * SECOND);
    assert_eq!(expired(&world), [false, false]);
    assert_eq!(codes(&world).last(), Some(&ErrorCode::Unauthenticated));
    assert!(matches!(world.events.last(), Some(Event::Closed { .. })));
}

#[test]
fn a_provider_that_gives_out_expired_ones_is_not_asked_in_a_circle() {
    let mut world = world();
    world.gateway.refused = vec![(b"first", ErrorCode::CredentialsExpired)];
    world.session.connect(world.now);
    world.advance(300 * SECOND);
    assert!((5..100).contains(&world.asked.len()), "asked {} times in five minutes", world.asked.len());
    world.gateway.refused.clear();
    world.advance(30 * SECOND);
    assert!(world.session.is_live());
}

/// `realtime/unit/RTN15h2/token-error-renew-fails-1`
#[test]
fn a_provider_that_fails_is_asked_again_after_a_while() {
    let mut world = world();
    world.provided = Some(Err("the login has ended".into()));
    world.session.connect(world.now);
    world.advance(120 * SECOND);
    assert!((5..60).contains(&world.asked.len()), "asked {} times in two minutes", world.asked.len());
    assert!(world.endpoints.is_empty(), "the gateway is not bothered with it");
    assert!(codes(&world).iter().all(|code| *code == ErrorCode::CredentialsFailed));
    let Some(Event::Disconnected { detail, .. }) = world.events.last() else { panic!() };
    assert_eq!(detail, "the login has ended");
    world.provided = Some(Ok(b"at last".to_vec()));
    world.signal(Signal::NetworkUp);
    world.advance(2 * SECOND);
    assert!(world.session.is_live());
    assert_eq!(world.gateway.shown, [b"at last"]);
}

#[test]
fn a_provider_that_says_nothing_is_given_up() {
    let mut world = world();
    world.provided = None;
    world.session.connect(world.now);
    world.settle();
    let (deadline, reason) = world.session.poll_timeout().unwrap();
    assert_eq!((deadline - world.now, reason), (30 * SECOND, TimerReason::Credentials));
    for signal in [Signal::NetworkUp, Signal::NetworkDown, Signal::Resumed] {
        world.signal(signal);
    }
    assert_eq!(world.asked.len(), 1);
    world.advance(60 * SECOND);
    assert_eq!(codes(&world).first(), Some(&ErrorCode::CredentialsFailed));
    // The answer to a question that was given up counts for nothing.
    let late = Input::Credentials(world.asked[0].0, Ok(Credentials::new(b"late".to_vec())));
    world.session.handle_input(late, world.now);
    world.settle();
    assert!(world.endpoints.is_empty());
    let last = world.asked.last().unwrap().0;
    world.session.handle_input(Input::Credentials(last, Ok(Credentials::new(b"in time".to_vec()))), world.now);
    world.advance(30 * SECOND);
    assert!(world.session.is_live());
}

#[test]
fn an_answer_that_comes_during_a_sleep_serves_afterwards() {
    let mut world = world();
    world.provided = None;
    world.session.connect(world.now);
    world.settle();
    world.signal(Signal::Suspending);
    assert_eq!(world.session.poll_timeout(), None);
    world.session.handle_input(Input::Credentials(world.asked[0].0, Ok(Credentials::new(b"x".to_vec()))), world.now);
    world.settle();
    assert!(world.endpoints.is_empty(), "it sleeps on");
    world.signal(Signal::Resumed);
    assert!(world.session.is_live());
    assert_eq!(world.asked.len(), 1);
}

#[test]
fn ones_that_are_too_long_are_not_sent() {
    let mut world = world();
    world.provided = Some(Ok(vec![1; (16 << 10) + 1]));
    world.session.connect(world.now);
    world.settle();
    assert_eq!(codes(&world), [ErrorCode::CredentialsFailed]);
    assert!(world.endpoints.is_empty());
}
