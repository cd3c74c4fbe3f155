//! Answers waiting to be sent: frames for one session alone.

use alloc::vec::Vec;

use super::batch::Batch;
use crate::wire::{Frames, GatewayFrame};

/// Memory kept for the next answers once all have been sent, in bytes.
const KEPT: usize = 64;

/// Encoded frames, of which a part may have been sent.
#[derive(Debug, Default)]
pub(super) struct Answers {
    bytes: Vec<u8>,
    sent: usize,
}

impl Answers {
    /// How many bytes wait.
    pub(super) const fn len(&self) -> usize {
        self.bytes.len() - self.sent
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub(super) fn push(&mut self, frame: &GatewayFrame<'_>) {
        frame.encode(&mut self.bytes);
    }

    /// Puts a frame before all others.
    pub(super) fn push_front(&mut self, frame: &GatewayFrame<'_>) {
        let mut bytes = Vec::new();
        frame.encode(&mut bytes);
        bytes.extend_from_slice(self.waiting());
        *self = Self { bytes, sent: 0 };
    }

    /// Moves whole frames into a message, up to `limit` bytes but at least one.
    pub(super) fn take(&mut self, limit: usize, batch: &mut Batch) {
        let waiting = self.waiting();
        if waiting.is_empty() {
            return;
        }
        let mut frames = Frames::new(waiting);
        let mut length = waiting.len();
        if length > limit {
            length = 0;
            while frames.next().is_some() {
                let end = waiting.len() - frames.bytes_left();
                if length > 0 && end > limit {
                    break;
                }
                length = end;
            }
        }
        batch.write(|out| out.extend_from_slice(waiting.get(..length).unwrap_or_default()));
        self.sent += length;
        if self.is_empty() {
            self.sent = 0;
            self.bytes.clear();
            if self.bytes.capacity() > KEPT {
                self.bytes = Vec::new();
            }
        } else if self.sent > self.bytes.len() / 2 {
            self.bytes.drain(..self.sent);
            self.sent = 0;
        }
    }

    /// How much memory is taken, in bytes.
    #[cfg(test)]
    pub(super) const fn capacity(&self) -> usize {
        self.bytes.capacity()
    }

    fn waiting(&self) -> &[u8] {
        self.bytes.get(self.sent..).unwrap_or_default()
    }
}
