//! The gateway's half keeps a client that is there, and gives up one that is not, however much it is told.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may panic in what it calls, too")]

extern crate alloc;

use alloc::sync::Arc;
use core::time::Duration;

use outpour_core::peer::{Batch, Peer, PeerConfig, PeerRequest, Reception, Topic, Topics};
use outpour_core::wire::{Ack, ClientFrame, Frames, GatewayFrame, Hello};
use outpour_core::{Epoch, ErrorCode, PublishNumber, PublisherId, Timestamp, TopicNumber, Version};

struct NoTopics;

impl Topics for NoTopics {
    fn topic(&self, _number: TopicNumber) -> Option<&Topic> {
        None
    }
}

fn welcomed() -> Peer {
    let mut peer = Peer::new(Arc::new(PeerConfig::default()), Timestamp::ZERO);
    let mut message = Vec::new();
    ClientFrame::Hello(Hello {
        major: 1,
        minor: 0,
        publisher: PublisherId([1; 16]),
        settled: PublishNumber(0),
        max_message: 32 << 20,
        agent: "test",
        resume: None,
        credentials: &[],
    })
    .encode(&mut message);
    peer.handle_message(&message, Timestamp::ZERO);
    assert!(matches!(peer.poll_request(), Some(PeerRequest::Hello { .. })));
    peer.welcome(
        &Reception { epoch: Epoch([2; 16]), applied: PublishNumber(0), resumed: false, principal: "" },
        Timestamp::ZERO,
    );
    peer
}

/// Tells the client something every `interval` seconds, if that is given, for ten minutes. Gives the
/// pings it was sent, and the second and code of the goodbye if there was one.
fn talk(interval: Option<u64>, answers: bool) -> (u64, Option<(u64, u16)>) {
    let mut peer = welcomed();
    let mut batch = Batch::default();
    let mut pings = 0;
    for second in 0..600 {
        let now = Timestamp::ZERO + Duration::from_secs(second);
        if interval.is_some_and(|interval| second % interval == 0) {
            peer.acknowledge(Ack { number: PublishNumber(1), code: 0, version: Version(1) });
        }
        peer.handle_timeout(now);
        while peer.poll_transmit(&NoTopics, &mut batch, 64 << 10, now) {
            for frame in Frames::new(&batch.to_vec()) {
                match GatewayFrame::decode(frame.unwrap()).unwrap().unwrap() {
                    GatewayFrame::Ping { token } => {
                        pings += 1;
                        if answers {
                            let mut pong = Vec::new();
                            ClientFrame::Pong { token }.encode(&mut pong);
                            peer.handle_message(&pong, now);
                        }
                    }
                    GatewayFrame::Goodbye(goodbye) => return (pings, Some((second, goodbye.code))),
                    _ => {}
                }
            }
        }
    }
    (pings, None)
}

#[test]
fn a_client_that_only_listens_is_kept() {
    for interval in [None, Some(1), Some(9), Some(10), Some(11), Some(60)] {
        let (pings, goodbye) = talk(interval, true);
        assert_eq!(goodbye, None, "told something every {interval:?} s");
        assert!((50..=60).contains(&pings), "{pings} pings in 600 s, told something every {interval:?} s");
    }
}

#[test]
fn a_client_that_answers_no_ping_is_given_up() {
    for interval in [None, Some(1), Some(60)] {
        let (_, goodbye) = talk(interval, false);
        assert_eq!(goodbye, Some((80, ErrorCode::Silence.number())), "told something every {interval:?} s");
    }
}
