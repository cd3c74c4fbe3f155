//! One connection as its relay sees it: bytes each way, and when what had to be told was told.

use std::time::{Duration, Instant};

use outpour_core::wire::{Frames, GatewayFrame};

use crate::bench::frame::server_frame;

/// What ends the head of an HTTP request or response.
const HEAD_END: &[u8] = b"\r\n\r\n";
/// What a message that rides in the upgrade request begins with, among the subprotocols.
const EARLY: &[u8] = b"hello.";

/// The bytes of one direction.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub(super) struct Bytes {
    /// The HTTP head.
    pub(super) handshake: u64,
    /// Everything else.
    pub(super) beyond: u64,
}

/// What has been seen of a connection.
#[derive(Debug)]
pub(super) struct Conversation {
    opened: Instant,
    pub(super) up: Bytes,
    pub(super) down: Bytes,
    up_head: Option<Vec<u8>>,
    down_head: Option<Vec<u8>>,
    /// What came down and is not a whole WebSocket frame yet.
    rest: Vec<u8>,
    /// How often the gateway answered what the client had sent: the round trips so far.
    round_trips: u32,
    client_spoke_last: bool,
    /// Round trips until the first update.
    pub(super) to_first_update: Option<u32>,
    /// When the gateway said that all topics have been told.
    pub(super) subscribed: Option<Duration>,
}

impl Conversation {
    /// A connection that has been opened just now.
    pub(super) fn new() -> Self {
        Self {
            opened: Instant::now(),
            up: Bytes::default(),
            down: Bytes::default(),
            up_head: Some(Vec::new()),
            down_head: Some(Vec::new()),
            rest: Vec::new(),
            round_trips: 0,
            client_spoke_last: false,
            to_first_update: None,
            subscribed: None,
        }
    }

    /// How long the connection has been open.
    pub(super) fn age(&self) -> Duration {
        self.opened.elapsed()
    }

    /// The client sent this.
    pub(super) fn went_up(&mut self, bytes: &[u8]) {
        self.client_spoke_last = true;
        if self.up_head.is_none() {
            self.up.beyond += bytes.len() as u64;
        } else if let Some((head, body)) = split_head(&mut self.up_head, bytes) {
            let early = early_bytes(&head) as u64;
            self.up.handshake += head.len() as u64 - early;
            self.up.beyond += early + body.len() as u64;
        }
    }

    /// The gateway sent this.
    pub(super) fn came_down(&mut self, bytes: &[u8]) {
        self.round_trips += u32::from(std::mem::take(&mut self.client_spoke_last));
        if self.down_head.is_none() {
            self.frames_came(bytes);
        } else if let Some((head, body)) = split_head(&mut self.down_head, bytes) {
            self.down.handshake += head.len() as u64;
            self.frames_came(&body);
        }
    }

    fn frames_came(&mut self, bytes: &[u8]) {
        self.down.beyond += bytes.len() as u64;
        let mut received = std::mem::take(&mut self.rest);
        received.extend_from_slice(bytes);
        let mut done = 0;
        while let Some((_, payload, length)) = server_frame(received.get(done..).unwrap_or_default()) {
            self.note(payload);
            done += length;
        }
        received.drain(..done);
        self.rest = received;
    }

    fn note(&mut self, payload: &[u8]) {
        for frame in Frames::new(payload).filter_map(|frame| frame.and_then(GatewayFrame::decode).ok().flatten()) {
            match frame {
                GatewayFrame::Delta { .. } | GatewayFrame::Snapshot { .. } => {
                    self.to_first_update.get_or_insert(self.round_trips);
                }
                GatewayFrame::Subscribed { .. } => {
                    self.subscribed.get_or_insert(self.opened.elapsed());
                }
                _ => {}
            }
        }
    }
}

/// Adds to a head that is not whole yet. Once it is: the head, and what follows it. `None` before that, and ever after.
fn split_head(head: &mut Option<Vec<u8>>, bytes: &[u8]) -> Option<(Vec<u8>, Vec<u8>)> {
    let unfinished = head.as_mut()?;
    unfinished.extend_from_slice(bytes);
    let end = memchr::memmem::find(unfinished, HEAD_END)? + HEAD_END.len();
    let mut whole = head.take()?;
    let body = whole.split_off(end);
    Some((whole, body))
}

/// How many bytes of an upgrade request are a message of the session: the subprotocol that holds it, with its comma.
fn early_bytes(head: &[u8]) -> usize {
    let Some(start) = memchr::memmem::find(head, EARLY) else { return 0 };
    let message = head.get(start..).unwrap_or_default();
    let length = message.iter().take_while(|byte| !matches!(byte, b',' | b'\r' | b' ')).count();
    length + ", ".len()
}

#[cfg(test)]
mod tests {
    use super::*;

    const UPGRADE: &[u8] = b"GET / HTTP/1.1\r\nSec-WebSocket-Protocol: outpour.v1\r\n\r\n";
    const ANSWER: &[u8] = b"HTTP/1.1 101 Switching Protocols\r\n\r\n";

    fn message(frame: &GatewayFrame<'_>) -> Vec<u8> {
        let mut payload = Vec::new();
        frame.encode(&mut payload);
        let mut out = vec![0x82, u8::try_from(payload.len()).unwrap()];
        out.append(&mut payload);
        out
    }

    #[test]
    fn the_handshake_is_counted_by_itself_however_it_is_split() {
        for split in [1, 20, UPGRADE.len()] {
            let mut conversation = Conversation::new();
            let (first, second) = UPGRADE.split_at(split);
            conversation.went_up(first);
            conversation.went_up(&[second, b"12345"].concat());
            conversation.came_down(&ANSWER[..7]);
            conversation.came_down(&[&ANSWER[7..], b"\x82\x01"].concat());
            conversation.came_down(b"x");
            conversation.went_up(b"67");
            assert_eq!(conversation.up, Bytes { handshake: UPGRADE.len() as u64, beyond: 7 });
            assert_eq!(conversation.down, Bytes { handshake: ANSWER.len() as u64, beyond: 3 });
        }
    }

    #[test]
    fn a_message_in_the_upgrade_request_is_beyond_the_handshake() {
        let mut conversation = Conversation::new();
        let head = b"GET / HTTP/1.1\r\nSec-WebSocket-Protocol: outpour.v1.early, outpour.v1, hello.abcd\r\n\r\n";
        conversation.went_up(head);
        let early = ", hello.abcd".len() as u64;
        assert_eq!(conversation.up, Bytes { handshake: head.len() as u64 - early, beyond: early });
    }

    #[test]
    fn round_trips_end_with_the_first_update() {
        let mut conversation = Conversation::new();
        conversation.went_up(UPGRADE);
        conversation.came_down(ANSWER);
        conversation.went_up(b"hello");
        conversation.went_up(b"subscribe");
        assert_eq!(conversation.to_first_update, None);
        let update = message(&GatewayFrame::Snapshot {
            topic: outpour_core::TopicNumber(1),
            version: outpour_core::Version(1),
            check: 0,
            value: b"x",
        });
        conversation.came_down(&update[..3]);
        conversation.came_down(&update[3..]);
        conversation.went_up(b"pong");
        conversation.came_down(&update);
        assert_eq!(conversation.to_first_update, Some(2));
        assert_eq!(conversation.subscribed, None);
    }
}
