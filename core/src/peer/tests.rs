//! A peer and a client that believes what the protocol says, with topics between them.

mod conversation;
mod marks;

use alloc::collections::BTreeMap;
use alloc::string::ToString;

use super::*;
use crate::position::{FetchId, Partition};
use crate::value::{TopicKind, ValueType};
use crate::wire::{ClientFrame, Frames, Hello};

const SECOND: Duration = Duration::from_secs(1);

#[derive(Debug, Default)]
struct Topicals(BTreeMap<TopicNumber, Topic>);

impl Topics for Topicals {
    fn topic(&self, number: TopicNumber) -> Option<&Topic> {
        self.0.get(&number)
    }
}

fn config() -> PeerConfig {
    // Small, so that messages are full soon.
    PeerConfig { max_value: 1000, max_message: 4096, ..PeerConfig::default() }
}

fn hello(max_message: u64) -> ClientFrame<'static> {
    ClientFrame::Hello(Hello {
        major: PROTOCOL_MAJOR,
        minor: PROTOCOL_MINOR,
        publisher: PublisherId([1; 16]),
        settled: PublishNumber(0),
        max_message,
        agent: "test",
        resume: None,
        credentials: &[],
    })
}

fn message(frames: &[ClientFrame<'_>]) -> Vec<u8> {
    frames.iter().fold(Vec::new(), |mut message, frame| {
        frame.encode(&mut message);
        message
    })
}

/// A peer that has welcomed its client.
fn live(config: PeerConfig, max_message: u64) -> Peer {
    let mut peer = Peer::new(Arc::new(config), Timestamp::ZERO);
    peer.handle_message(&message(&[hello(max_message)]), Timestamp::ZERO);
    assert!(matches!(peer.poll_request(), Some(PeerRequest::Hello { .. })));
    peer.welcome(
        &Reception { epoch: Epoch([1; 16]), applied: PublishNumber(0), resumed: false, principal: "" },
        Timestamp::ZERO,
    );
    assert!(matches!(heard(&mut peer, Timestamp::ZERO).as_slice(), [Heard::Welcome]));
    peer
}

/// What a client hears, as far as these tests look at it.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Heard {
    Welcome,
    Ping(u64),
    Ack(u64, u16),
    Refused(u16),
    Goodbye(u16),
    FetchEnd(u32),
    Other,
}

/// All that a peer without topics has to say now.
fn heard(peer: &mut Peer, now: Timestamp) -> Vec<Heard> {
    let mut batch = Batch::default();
    let mut all = Vec::new();
    while peer.poll_transmit(&Topicals::default(), &mut batch, 64 << 10, now) {
        let bytes = batch.to_vec();
        assert_eq!(bytes.len(), batch.len());
        for raw in Frames::new(&bytes) {
            all.push(match GatewayFrame::decode(raw.unwrap()).unwrap().unwrap() {
                GatewayFrame::Welcome(_) => Heard::Welcome,
                GatewayFrame::Ping { token } => Heard::Ping(token),
                GatewayFrame::Ack(ack) => Heard::Ack(ack.number.0, ack.code),
                GatewayFrame::Refused(refused) => Heard::Refused(refused.code),
                GatewayFrame::Goodbye(goodbye) => {
                    assert!(goodbye.reason.len() > 4, "a goodbye says why");
                    Heard::Goodbye(goodbye.code)
                }
                GatewayFrame::FetchEnd { id, .. } => Heard::FetchEnd(id.0),
                _ => Heard::Other,
            });
        }
    }
    all
}
