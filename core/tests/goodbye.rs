//! The gateway's half ends a conversation in order when the client does.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may panic in what it calls, too")]

extern crate alloc;

use alloc::sync::Arc;

use outpour_core::peer::{Batch, Peer, PeerConfig, PeerRequest, Reception, Topic, Topics};
use outpour_core::wire::{
    Ack, ClientFrame, Condition, Frames, GatewayFrame, Goodbye, Hello, Operation, Publish, PublishPath,
};
use outpour_core::{Epoch, PublishNumber, PublisherId, Timestamp, TopicNumber, Version};

struct NoTopics;

impl Topics for NoTopics {
    fn topic(&self, _number: TopicNumber) -> Option<&Topic> {
        None
    }
}

/// The next message to the client: its frames, without what they hold, but for the codes.
fn told(peer: &mut Peer) -> Vec<(&'static str, u16)> {
    let mut batch = Batch::default();
    let _due = peer.poll_transmit(&NoTopics, &mut batch, 64 << 10, Timestamp::ZERO);
    Frames::new(&batch.to_vec())
        .map(|frame| match GatewayFrame::decode(frame.unwrap()).unwrap().unwrap() {
            GatewayFrame::Welcome(_) => ("welcome", 0),
            GatewayFrame::Ack(ack) => ("ack", ack.code),
            GatewayFrame::Goodbye(goodbye) => ("goodbye", goodbye.code),
            other => panic!("{other:?}"),
        })
        .collect()
}

fn hello(message: &mut Vec<u8>) {
    let publisher = PublisherId([1; 16]);
    let settled = PublishNumber(0);
    ClientFrame::Hello(Hello {
        major: 1,
        minor: 0,
        publisher,
        settled,
        max_message: 32 << 20,
        agent: "test",
        resume: None,
        credentials: &[],
    })
    .encode(message);
}

fn goodbye(message: &mut Vec<u8>) {
    let goodbye = Goodbye { code: 4000, reason: "", retry_after_ms: 0, redirect: "", speaks: Vec::new() };
    ClientFrame::Goodbye(goodbye).encode(message);
}

fn publish(number: u64, message: &mut Vec<u8>) {
    let path = PublishPath::Whole(b"a");
    let operation = Operation::Remove;
    ClientFrame::Publish(Publish { number: PublishNumber(number), path, condition: Condition::Always, operation })
        .encode(message);
}

fn peer_that_heard(message: &[u8]) -> Peer {
    let mut peer = Peer::new(Arc::new(PeerConfig::default()), Timestamp::ZERO);
    peer.handle_message(message, Timestamp::ZERO);
    assert!(matches!(peer.poll_request(), Some(PeerRequest::Hello { .. })));
    peer.welcome(
        &Reception { epoch: Epoch([2; 16]), applied: PublishNumber(0), resumed: false, principal: "" },
        Timestamp::ZERO,
    );
    peer
}

#[test]
fn a_client_that_only_looks_in_is_welcomed() {
    let mut message = Vec::new();
    hello(&mut message);
    goodbye(&mut message);
    let mut peer = peer_that_heard(&message);
    assert_eq!(peer.poll_request(), None);
    assert_eq!(told(&mut peer), [("welcome", 0), ("goodbye", 4000)]);
    assert_eq!(peer.poll_close(), Some(4000));
}

#[test]
fn what_stands_behind_a_goodbye_is_not_looked_at() {
    let mut message = Vec::new();
    hello(&mut message);
    let mut peer = peer_that_heard(&message);
    assert_eq!(told(&mut peer), [("welcome", 0)]);

    message.clear();
    publish(1, &mut message);
    goodbye(&mut message);
    publish(2, &mut message);
    message.push(0x80);
    peer.handle_message(&message, Timestamp::ZERO);
    peer.handle_message(&[0x80], Timestamp::ZERO);
    assert!(matches!(peer.poll_request(), Some(PeerRequest::Publish { number: PublishNumber(1), .. })));
    assert_eq!(peer.poll_request(), None);
    assert_eq!(told(&mut peer), [], "the verdict is waited for");

    peer.acknowledge(Ack { number: PublishNumber(1), code: 0, version: Version(1) });
    assert_eq!(told(&mut peer), [("ack", 0), ("goodbye", 4000)]);
    assert_eq!(peer.poll_close(), Some(4000));
}
