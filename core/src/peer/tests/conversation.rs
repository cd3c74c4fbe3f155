//! The states of a conversation, its limits, and requests in and out.

use super::*;
use crate::wire::{Condition, HistoryStart, Operation, Publish, PublishPath, Resume, Subscribe};

fn now(seconds: u64) -> Timestamp {
    Timestamp::ZERO + Duration::from_secs(seconds)
}

fn say(peer: &mut Peer, frames: &[ClientFrame<'_>]) {
    peer.handle_message(&message(frames), Timestamp::ZERO);
}

const fn subscribe(id: u32, selector: &[u8]) -> ClientFrame<'_> {
    let (id, from) = (SubscriptionId(id), HistoryStart::Live);
    ClientFrame::Subscribe(Subscribe { id, selector, max_rate_millihertz: 0, from, resume: Resume::No })
}

const fn unsubscribe() -> ClientFrame<'static> {
    ClientFrame::Unsubscribe { id: SubscriptionId(1) }
}

fn publish(number: u64) -> ClientFrame<'static> {
    let operation = Operation::Set { value_type: ValueType::Text, value: b"x" };
    let path = PublishPath::Whole(b"a");
    ClientFrame::Publish(Publish { number: PublishNumber(number), path, condition: Condition::Always, operation })
}

const fn ack(number: u64) -> Ack {
    Ack { number: PublishNumber(number), code: 0, version: Version(number) }
}

fn goodbye() -> ClientFrame<'static> {
    ClientFrame::Goodbye(Goodbye { code: 4000, ..Goodbye::default() })
}

fn requests(peer: &mut Peer) -> Vec<PeerRequest> {
    core::iter::from_fn(|| peer.poll_request()).collect()
}

#[test]
fn without_a_hello_it_ends_at_the_deadline() {
    let mut peer = Peer::new(Arc::new(config()), Timestamp::ZERO);
    assert_eq!(peer.poll_timeout(), Some(now(5)));
    peer.handle_timeout(now(4));
    assert_eq!(heard(&mut peer, now(4)), []);
    peer.handle_timeout(now(5));
    assert!(peer.is_over() && peer.poll_close().is_none(), "the goodbye has not been handed out");
    assert_eq!(heard(&mut peer, now(5)), [Heard::Goodbye(ErrorCode::HandshakeTimeout.number())]);
    assert_eq!(peer.poll_close(), Some(ErrorCode::HandshakeTimeout.number()));
    assert_eq!(peer.poll_timeout(), None);
}

#[test]
fn nothing_is_said_between_hello_and_welcome() {
    let mut peer = Peer::new(Arc::new(config()), Timestamp::ZERO);
    say(&mut peer, &[hello(1 << 20), subscribe(1, b"//")]);
    assert_eq!(heard(&mut peer, now(0)), []);
    assert!(!peer.is_live());
    peer.welcome(
        &Reception { epoch: Epoch([1; 16]), applied: PublishNumber(0), resumed: false, principal: "" },
        now(0),
    );
    let refused = Heard::Refused(ErrorCode::BadSelector.number());
    assert_eq!(heard(&mut peer, now(0)), [Heard::Welcome, refused]);
    // A second welcome is none.
    peer.welcome(
        &Reception { epoch: Epoch([1; 16]), applied: PublishNumber(0), resumed: false, principal: "" },
        now(0),
    );
    assert_eq!(heard(&mut peer, now(0)), []);
}

#[test]
fn a_client_that_is_silent_is_pinged_and_given_up() {
    let mut peer = live(config(), 1 << 20);
    let mut pings = 0;
    let mut time = Timestamp::ZERO;
    while !peer.is_over() {
        let next = peer.poll_timeout().expect("there is always a next deadline");
        assert!(next > time, "no deadline in the past: {next:?}");
        time = next;
        peer.handle_timeout(time);
        pings += heard(&mut peer, time).iter().filter(|heard| matches!(heard, Heard::Ping(_))).count();
    }
    assert_eq!(time, now(80), "twice the heartbeat, and the grace of a page in the background");
    assert!((5..=8).contains(&pings), "{pings} pings");
}

#[test]
fn a_client_that_takes_nothing_asks_for_no_deadline_in_the_past() {
    let mut peer = live(config(), 1 << 20);
    say(&mut peer, &[subscribe(1, b"//")]);
    // Nothing is sent: the transport takes no bytes.
    let mut time = Timestamp::ZERO;
    let mut rings = 0;
    while !peer.is_over() {
        let next = peer.poll_timeout().expect("there is always a next deadline");
        assert!(next > time, "no deadline in the past: {next:?}");
        time = next;
        peer.handle_timeout(time);
        rings += 1;
        assert!(rings < 20, "few");
    }
    assert_eq!(time, now(80));
}

#[test]
fn who_answers_is_kept() {
    let mut peer = live(config(), 1 << 20);
    for second in 1..1000 {
        peer.handle_timeout(now(second));
        for heard in heard(&mut peer, now(second)) {
            let Heard::Ping(token) = heard else { panic!("{heard:?}") };
            peer.handle_message(&message(&[ClientFrame::Pong { token }]), now(second));
        }
    }
    assert!(peer.is_live());
}

#[test]
fn a_goodbye_waits_for_verdicts_and_ends_everything_else() {
    let mut peer = live(config(), 1 << 20);
    say(&mut peer, &[publish(1), publish(2), goodbye(), publish(3), subscribe(1, b"//")]);
    assert_eq!(requests(&mut peer).len(), 2, "what comes behind a goodbye is not looked at");
    assert!(!peer.is_over());
    peer.acknowledge(ack(1));
    assert!(!peer.is_over());
    peer.acknowledge(ack(2));
    assert!(peer.is_over());
    assert_eq!(heard(&mut peer, now(0)), [Heard::Ack(1, 0), Heard::Ack(2, 0), Heard::Goodbye(4000)]);
    assert_eq!(peer.poll_close(), Some(4000));
    // Late news changes nothing.
    peer.acknowledge(ack(3));
    peer.note(TopicNumber(1), Version(1), Version(2), Duration::ZERO);
    peer.note_subscribed(SubscriptionId(1), 1, Version(2));
    say(&mut peer, &[publish(4)]);
    peer.handle_text();
    assert_eq!((heard(&mut peer, now(0)), requests(&mut peer), peer.owed()), (Vec::new(), Vec::new(), 0));
}

#[test]
fn a_long_reason_is_cut_between_characters() {
    let mut peer = live(config(), 1 << 20);
    peer.close(ErrorCode::ShuttingDown, &"ü".repeat(2000), Duration::ZERO, "");
    assert_eq!(heard(&mut peer, now(0)), [Heard::Goodbye(ErrorCode::ShuttingDown.number())]);
}

#[test]
fn answers_go_out_in_order_and_in_messages_that_the_client_takes() {
    let mut peer = live(config(), 1000 + FRAME_ROOM as u64);
    let value = [7; 1000];
    for id in 0..50 {
        peer.fetched(Fetched {
            id: FetchId(id),
            path: Path::new(&"p".repeat(1024)).unwrap(),
            kind: TopicKind::Value,
            value_type: ValueType::Binary,
            version: Version(u64::MAX),
            sequence: u64::MAX,
            value: &value,
        });
        peer.fetch_ended(FetchId(id), false);
    }
    assert!(peer.is_congested());
    let mut batch = Batch::default();
    let mut ended = Vec::new();
    while peer.poll_transmit(&Topicals::default(), &mut batch, 64 << 10, now(0)) {
        assert!(batch.len() <= 1000 + FRAME_ROOM, "{} bytes", batch.len());
        for raw in Frames::new(&batch.to_vec()) {
            if let GatewayFrame::FetchEnd { id, .. } = GatewayFrame::decode(raw.unwrap()).unwrap().unwrap() {
                ended.push(id.0);
            }
        }
    }
    assert!(ended.into_iter().eq(0..50));
    assert!(!peer.is_congested());
}

#[test]
fn answers_that_were_sent_take_no_memory_although_more_keep_coming() {
    let mut peer = live(config(), 1000 + FRAME_ROOM as u64);
    let mut batch = Batch::default();
    for round in 0..10_000 {
        for number in 0..10 {
            peer.answer(&GatewayFrame::Ack(ack(round * 10 + number)));
        }
        // Never quite all of them.
        let limit = peer.answers.len() - 1;
        assert!(peer.poll_transmit(&Topicals::default(), &mut batch, limit, now(0)));
        assert!(!peer.answers.is_empty());
    }
    assert!(peer.answers.capacity() < 1000, "{} bytes", peer.answers.capacity());
}

#[test]
fn messages_and_requests_are_rationed_over_time() {
    let config = PeerConfig { messages_per_second: 10, ..config() };
    let mut peer = live(config.clone(), 1 << 20);
    // Ten seconds' worth at once; hello took two of it, as a message and as a request.
    for _ in 0..98 {
        peer.handle_message(&[], now(0));
    }
    assert!(peer.is_live());
    for _ in 0..10 {
        peer.handle_control(now(1));
    }
    assert!(peer.is_live(), "a second brought ten more");
    peer.handle_message(&[], now(1));
    assert_eq!(heard(&mut peer, now(1)), [Heard::Goodbye(ErrorCode::RateExceeded.number())]);
    // Time spent idle does not add up without end.
    let mut peer = live(config, 1 << 20);
    peer.handle_message(&[], now(1_000_000));
    assert!(!peer.charge(101) && peer.is_over());
}

#[test]
fn requests_that_wait_are_bounded() {
    let config = PeerConfig { max_message: 1 << 20, max_subscriptions: 100, max_in_flight: 10, ..config() };
    // Every subscription may be ended and made anew, every publish be in flight, and some more.
    let most = 2 * 100 + 10 + 1024;
    let mut peer = live(config.clone(), 1 << 20);
    for _ in 0..3 {
        say(&mut peer, &alloc::vec![unsubscribe(); most]);
        assert_eq!(requests(&mut peer).len(), most);
    }
    let mut peer = live(config, 1 << 20);
    say(&mut peer, &alloc::vec![unsubscribe(); most + 2]);
    assert!(peer.is_over());
    assert_eq!(requests(&mut peer), []);
}

#[test]
fn a_peer_without_news_takes_little_memory() {
    assert!(size_of::<Peer>() <= 640, "{} bytes", size_of::<Peer>());
}
