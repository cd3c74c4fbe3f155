//! Several gateways: which one is tried when, where a goodbye sends a session, and no waves.

use std::time::Duration;

use outpour_core::peer::PeerConfig;
use outpour_core::session::{Endpoint, Event, Input, Lost, Request, Session, SessionConfig, Signal, TransportId};
use outpour_core::wire::{GatewayFrame, Goodbye, Welcome};
use outpour_core::{Epoch, ErrorCode, PublishNumber, PublisherId, Timestamp};

use crate::world::World;

const SECOND: Duration = Duration::from_secs(1);
const LISTED: [Endpoint; 3] = [Endpoint::Listed(0), Endpoint::Listed(1), Endpoint::Listed(2)];

fn config(endpoints: &[&str]) -> SessionConfig {
    SessionConfig { endpoints: endpoints.iter().map(ToString::to_string).collect(), ..SessionConfig::default() }
}

fn three() -> World {
    World::with(config(&["wss://a.org", "wss://b.org", "wss://c.org"]), PeerConfig::default(), 11)
}

/// `realtime/unit/RTN17f/fallback-on-error-0`, `realtime/unit/RTN17h/fallback-domains-from-rec2-0`
#[test]
fn each_endpoint_is_tried_before_any_wait() {
    let mut world = three();
    world.down = vec![LISTED[0].clone(), LISTED[1].clone()];
    world.session.connect(world.now);
    let began = world.now;
    while !world.session.is_live() {
        world.advance(Duration::from_millis(10));
    }
    assert_eq!(world.endpoints, LISTED);
    assert!(world.now - began <= Duration::from_millis(520), "{:?}", world.now - began);
}

#[test]
fn the_back_off_grows_with_every_round() {
    let mut world = three();
    world.reachable = false;
    world.session.connect(world.now);
    world.advance(600 * SECOND);
    let attempts = world.endpoints.len();
    assert!((90..600).contains(&attempts), "{attempts} attempts in ten minutes");
    let in_turn = |(at, endpoint): (usize, &Endpoint)| *endpoint == LISTED[at % 3];
    assert!(world.endpoints.iter().enumerate().all(in_turn), "one after the other");
}

#[test]
fn the_one_that_worked_is_preferred() {
    let mut world = three();
    world.down = vec![LISTED[0].clone()];
    world.connect_in(2 * SECOND);
    world.advance(10 * SECOND);
    world.down.clear();
    world.endpoints.clear();
    world.cut();
    world.advance(60 * SECOND);
    assert_eq!(world.endpoints, LISTED[1..2]);
    // And when it is gone, the next one.
    world.down = vec![LISTED[1].clone()];
    world.cut();
    world.advance(SECOND);
    assert!(world.session.is_live());
    assert_eq!(world.endpoints[1..], [LISTED[1].clone(), LISTED[2].clone()]);
}

/// `realtime/unit/RTN17f1/disconnected-5xx-fallback-0`
#[test]
fn a_gateway_that_said_goodbye_is_left_for_another_and_left_alone() {
    let mut world = three();
    world.connect();
    world.advance(10 * SECOND);
    world.gateway.close(ErrorCode::ShuttingDown, 60 * SECOND);
    world.advance(SECOND);
    assert!(world.session.is_live(), "another gateway did not ask for anything");
    assert_eq!(world.endpoints, LISTED[..2]);
    world.reachable = false;
    world.cut();
    world.endpoints.clear();
    world.advance(30 * SECOND);
    assert!(world.endpoints.len() > 4 && !world.endpoints.contains(&LISTED[0]), "{:?}", world.endpoints);
    world.advance(60 * SECOND);
    assert!(world.endpoints.contains(&LISTED[0]), "its time is over");
}

#[test]
fn when_all_asked_to_be_left_alone_no_hint_makes_a_session_dial() {
    let mut world = World::with(config(&["ws://a", "ws://b"]), PeerConfig::default(), 5);
    world.connect();
    world.gateway.close(ErrorCode::ShuttingDown, 100 * SECOND);
    world.advance(SECOND);
    world.gateway.close(ErrorCode::ShuttingDown, 30 * SECOND);
    world.settle();
    world.endpoints.clear();
    for _ in 0..29 {
        world.signal(Signal::NetworkUp);
        world.signal(Signal::Resumed);
        world.advance(SECOND);
    }
    assert!(world.endpoints.is_empty());
    world.advance(2 * SECOND);
    world.signal(Signal::NetworkUp);
    world.advance(SECOND);
    assert_eq!(world.endpoints, [Endpoint::Listed(1)]);
}

#[test]
fn a_redirect_is_followed_to_hosts_that_are_trusted() {
    let mut world = three();
    world.connect();
    for (redirect, expected) in [
        ("wss://c.org:9000/x", Endpoint::Redirect("wss://c.org:9000/x".into())),
        ("ws://c.org", Endpoint::Listed(0)),
        ("wss://elsewhere.org", Endpoint::Listed(1)),
    ] {
        world.advance(10 * SECOND);
        world.gateway.send_away(ErrorCode::ShuttingDown, Duration::ZERO, redirect);
        world.advance(SECOND);
        assert!(world.session.is_live());
        assert_eq!(world.endpoints.last(), Some(&expected), "{redirect}");
        world.endpoints.clear();
    }
}

#[test]
fn a_redirect_that_leads_nowhere_is_forgotten() {
    let mut world = three();
    world.connect();
    world.advance(10 * SECOND);
    let redirect = Endpoint::Redirect("wss://b.org:1".into());
    world.down = vec![redirect.clone()];
    world.gateway.send_away(ErrorCode::ShuttingDown, Duration::ZERO, "wss://b.org:1");
    world.advance(SECOND);
    assert!(world.session.is_live());
    assert_eq!(world.endpoints, [LISTED[0].clone(), redirect, LISTED[0].clone()]);
}

#[test]
fn gateways_that_send_a_session_round_in_circles_are_not_obeyed_for_long() {
    let mut world = World::with(config(&["ws://a"]), PeerConfig::default(), 5);
    world.session.connect(world.now);
    for round in 0..200 {
        world.advance(Duration::from_millis(50));
        world.gateway.send_away(ErrorCode::ShuttingDown, Duration::ZERO, &format!("ws://a:{}", 1 + round % 2));
    }
    let followed = world.endpoints.iter().filter(|endpoint| matches!(endpoint, Endpoint::Redirect(_))).count();
    assert_eq!(followed, 5);
    assert!(world.endpoints.len() < 25, "{} attempts in ten seconds", world.endpoints.len());
}

#[test]
fn retry_after_is_obeyed_on_the_way_of_a_redirect_too() {
    let mut world = three();
    world.connect();
    world.gateway.send_away(ErrorCode::ShuttingDown, 10 * SECOND, "wss://b.org");
    world.advance(10 * SECOND - Duration::from_millis(1));
    world.signal(Signal::NetworkUp);
    assert_eq!(world.endpoints.len(), 1);
    world.advance(11 * SECOND);
    assert_eq!(world.endpoints[1..], [Endpoint::Redirect("wss://b.org".into())]);
}

/// When each of many sessions comes back to a gateway that is down for a while: in milliseconds after it is up
/// again, in order. Either it was killed, or it says goodbye with a `retry_after`.
fn returns(count: u64, goodbye: Option<Duration>, down: Duration) -> Vec<u64> {
    let start = Timestamp::from_micros(1);
    let began = start + 60 * SECOND;
    let up = began + down;
    let come_back = |seed: u64| {
        let seed = seed.wrapping_mul(0x9e37_79b9);
        let mut session = Session::new(SessionConfig::default(), PublisherId([7; 16]), seed, start);
        session.connect(start);
        let id = opened(&mut session).unwrap();
        go_live(&mut session, id, start);
        match goodbye {
            None => {
                let end = Lost { code: ErrorCode::ConnectionLost, detail: String::new() };
                session.handle_input(Input::Lost(id, end), began);
            }
            Some(retry_after) => session.handle_input(Input::Message(id, &said_goodbye(retry_after)), began),
        }
        let mut now = began;
        loop {
            if let Some(id) = opened(&mut session) {
                if now >= up {
                    return (now - up).as_millis() as u64;
                }
                let refused = Lost { code: ErrorCode::ConnectFailed, detail: String::new() };
                session.handle_input(Input::Lost(id, refused), now);
            }
            now = now.max(session.poll_timeout().unwrap().0);
            session.handle_input(Input::Tick, now);
        }
    };
    let mut returns: Vec<u64> = (0..count).map(come_back).collect();
    returns.sort_unstable();
    returns
}

fn opened(session: &mut Session) -> Option<TransportId> {
    std::iter::from_fn(|| session.poll_request()).find_map(|request| match request {
        Request::Open { transport, .. } => Some(transport),
        _ => None,
    })
}

fn go_live(session: &mut Session, id: TransportId, now: Timestamp) {
    session.handle_input(Input::Opened { transport: id, early_taken: true }, now);
    let welcome = Welcome {
        major: 1,
        minor: 0,
        epoch: Epoch([1; 16]),
        heartbeat_ms: 10_000,
        max_message: 1 << 20,
        max_value: 1 << 19,
        max_in_flight: 10,
        max_subscriptions: 10,
        applied: PublishNumber(0),
        resumed: false,
        principal: "",
    };
    let mut message = Vec::new();
    GatewayFrame::Welcome(welcome).encode(&mut message);
    session.handle_input(Input::Message(id, &message), now);
    assert!(session.is_live());
}

fn said_goodbye(retry_after: Duration) -> Vec<u8> {
    let goodbye = Goodbye {
        code: ErrorCode::ShuttingDown.number(),
        retry_after_ms: retry_after.as_millis() as u64,
        ..Goodbye::default()
    };
    let mut message = Vec::new();
    GatewayFrame::Goodbye(goodbye).encode(&mut message);
    message
}

/// The most that come in any `window` milliseconds.
fn densest(returns: &[u64], window: u64) -> usize {
    (0..returns.len()).map(|first| returns[first..].partition_point(|at| *at < returns[first] + window)).max().unwrap()
}

/// `realtime/unit/RTB1b/jitter-coefficient-range-0`, with the full range: ten thousand sessions whose gateway
/// was killed and is up again two, ten or sixty seconds later.
#[test]
fn ten_thousand_come_back_to_a_restarted_gateway_spread_out() {
    for down in [2_u64, 10, 60] {
        let returns = returns(10_000, None, Duration::from_secs(down));
        let last = *returns.last().unwrap();
        assert!(last <= 20_000, "the last one is back after {last} ms");
        // Evenly over about the time that the gateway was down, up to the longest back-off.
        let spread = (down * 1000).min(20_000) / 2;
        let fair = 10_000 * 100 / spread as usize;
        let densest = densest(&returns, 100);
        assert!(densest <= fair * 2, "{densest} in 100 ms after {down} s, where {fair} were even");
        let middle = returns[5_000];
        assert!(middle >= spread / 4, "half of them are back after {middle} ms");
    }
}

/// All of them are told the same `retry_after`.
#[test]
fn ten_thousand_that_are_sent_away_come_back_spread_out() {
    for asked in [1_u64, 5, 20] {
        let returns = returns(10_000, Some(Duration::from_secs(asked)), Duration::from_secs(asked));
        let spread = asked * 1000;
        assert!(*returns.last().unwrap() <= spread, "not later than twice the time asked for");
        let (densest, fair) = (densest(&returns, 100), 10_000 * 100 / spread as usize);
        assert!(densest <= fair * 3 / 2, "{densest} in 100 ms, where {fair} were even");
        let quarters = [2_500, 5_000, 7_500].map(|nth| returns[nth] * 100 / spread);
        for (quarter, even) in quarters.iter().zip([25, 50, 75]) {
            assert!(quarter.abs_diff(even) <= 3, "{quarters:?}");
        }
    }
}

/// `realtime/unit/RTB1a/backoff-coefficient-sequence-0`, `realtime/unit/RTB1/disconnected-retry-delay-0`: ours
/// doubles and is drawn from the full range.
#[test]
fn the_application_is_told_when_the_next_attempt_is_made() {
    let mut world = World::connected();
    world.reachable = false;
    world.advance(10 * SECOND);
    world.cut();
    world.advance(200 * SECOND);
    let waits = world.events.iter().filter_map(|event| match event {
        Event::Disconnected { retry_in, .. } => *retry_in,
        _ => None,
    });
    let waits: Vec<Duration> = waits.collect();
    assert!(waits[0] <= Duration::from_millis(50));
    for (failures, wait) in waits[1..].iter().enumerate() {
        let ceiling = Duration::from_millis(500 << failures.min(10)).min(20 * SECOND);
        assert!(*wait <= ceiling, "{wait:?} after {failures} failures");
    }
    assert!(waits.iter().max().unwrap() > &(10 * SECOND));
}
