//! A connection between one client and the gateway, with all that can happen to it.

use std::collections::VecDeque;

use outpour_core::wire::{Frames, GatewayFrame};

/// How many bytes a connection takes towards the client before it pushes back.
const CAPACITY: usize = 128 << 10;

/// Messages on their way in one direction.
#[derive(Debug, Default)]
struct Direction {
    messages: VecDeque<(u64, Vec<u8>)>,
    bytes: usize,
}

impl Direction {
    fn send(&mut self, at: u64, message: Vec<u8>) {
        // What is sent later does not arrive earlier.
        let at = self.messages.back().map_or(at, |(last, _)| at.max(*last));
        self.bytes += message.len();
        self.messages.push_back((at, message));
    }

    fn receive(&mut self, now: u64) -> Option<Vec<u8>> {
        if self.messages.front()?.0 > now {
            return None;
        }
        let (_, message) = self.messages.pop_front()?;
        self.bytes -= message.len();
        Some(message)
    }
}

/// One connection.
#[derive(Debug)]
pub struct Link {
    /// One way, in microseconds.
    pub latency: u64,
    /// Bytes vanish and nobody is told.
    pub half_open: bool,
    /// The client's machine does not read.
    pub stalled: bool,
    /// When the client learns that the gateway has hung up.
    pub hung_up_at: Option<u64>,
    /// When the gateway learns that the client has hung up.
    pub left_at: Option<u64>,
    up: Direction,
    down: Direction,
}

impl Link {
    /// A connection with this latency.
    #[must_use]
    pub fn new(latency: u64) -> Self {
        Self {
            latency,
            half_open: false,
            stalled: false,
            hung_up_at: None,
            left_at: None,
            up: Direction::default(),
            down: Direction::default(),
        }
    }

    /// Whether the gateway may send.
    #[must_use]
    pub fn takes_more(&self) -> bool {
        self.down.bytes < CAPACITY && self.hung_up_at.is_none()
    }

    /// A message towards the gateway.
    pub fn send_up(&mut self, now: u64, message: Vec<u8>) {
        if !self.half_open {
            self.up.send(now + self.latency, message);
        }
    }

    /// A message towards the client.
    pub fn send_down(&mut self, now: u64, message: Vec<u8>) {
        if !self.half_open {
            self.down.send(now + self.latency, message);
        }
    }

    /// What has arrived at the gateway.
    pub fn receive_up(&mut self, now: u64) -> Option<Vec<u8>> {
        self.up.receive(now)
    }

    /// What has arrived at the client.
    pub fn receive_down(&mut self, now: u64) -> Option<Vec<u8>> {
        if self.stalled { None } else { self.down.receive(now) }
    }

    /// Whether the client has read all that was sent before the gateway hung up.
    #[must_use]
    pub fn is_drained(&self) -> bool {
        self.down.messages.is_empty()
    }

    /// Whether the gateway has read all that was sent before the client hung up.
    #[must_use]
    pub fn is_drained_up(&self) -> bool {
        self.up.messages.is_empty()
    }

    /// When something happens next.
    #[must_use]
    pub fn next_at(&self) -> Option<u64> {
        let down = self.down.messages.front().map(|(at, _)| *at).or(self.hung_up_at).filter(|_| !self.stalled);
        let up = self.up.messages.front().map(|(at, _)| *at).or(self.left_at);
        down.into_iter().chain(up).min()
    }

    /// Changes a bit of a value, or of a delta's check, that is on its way to the client, if there is one. Of changes to a
    /// delta itself one in 65,536 passes its check (`docs/design.md`), which is often, in so many runs.
    pub fn corrupt(&mut self, chance: u64) -> bool {
        let count = self.down.messages.len() as u64;
        let Some((_, message)) = (count > 0).then(|| &mut self.down.messages[(chance % count) as usize]) else {
            return false;
        };
        let last = Frames::new(message).filter_map(Result::ok).last().map(GatewayFrame::decode);
        let from_the_end = match last {
            Some(Ok(Some(GatewayFrame::Snapshot { value, .. }))) if !value.is_empty() => 1,
            Some(Ok(Some(GatewayFrame::Delta { delta, .. }))) => delta.len() + 1,
            _ => return false,
        };
        let at = message.len() - from_the_end;
        message[at] ^= 1 << (chance % 8);
        true
    }

    /// Loses a message that is on its way to the client: what TCP never does.
    pub fn lose_one(&mut self) {
        if let Some((_, message)) = self.down.messages.pop_front() {
            self.down.bytes -= message.len();
        }
    }
}
