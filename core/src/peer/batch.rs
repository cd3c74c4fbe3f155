//! One message on its way out, most of it shared with other sessions.

use alloc::vec::Vec;
use bytes::Bytes;
use core::ops::Range;

/// A message as parts: frames shared with other sessions, and bytes written for this one alone.
///
/// A driver keeps one batch and has it filled again and again, so that the usual message, one
/// shared frame, costs no allocation and no copy.
#[derive(Debug, Default)]
pub struct Batch {
    parts: Vec<Part>,
    own: Vec<u8>,
    len: usize,
}

#[derive(Debug)]
enum Part {
    Shared(Bytes),
    Own(Range<usize>),
}

impl Batch {
    /// Empties the batch, keeping its memory for the next message.
    pub fn clear(&mut self) {
        self.parts.clear();
        self.own.clear();
        self.len = 0;
        if self.own.capacity() > 256 << 10 {
            self.own = Vec::new();
        }
    }

    /// The length of the message, in bytes.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.len
    }

    /// Whether there is nothing to send.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// How many bytes were written or copied for this session alone: none on the path of a session
    /// that is caught up.
    #[must_use]
    pub const fn own_bytes(&self) -> usize {
        self.own.len()
    }

    /// The parts of the message, in order.
    pub fn slices(&self) -> impl Iterator<Item = &[u8]> {
        self.parts.iter().map(|part| match part {
            Part::Shared(bytes) => bytes.as_ref(),
            Part::Own(range) => self.own.get(range.clone()).unwrap_or_default(),
        })
    }

    /// What is left of the message after its first `sent` bytes, to be kept until it can be sent.
    pub fn rest(&self, sent: usize) -> impl Iterator<Item = Bytes> {
        let mut skip = sent;
        self.parts.iter().filter_map(move |part| {
            let bytes = match part {
                Part::Shared(bytes) if skip == 0 => bytes.clone(),
                Part::Shared(bytes) => bytes.slice(skip.min(bytes.len())..),
                Part::Own(range) => Bytes::copy_from_slice(
                    self.own.get(range.clone()).and_then(|own| own.get(skip.min(own.len())..)).unwrap_or_default(),
                ),
            };
            skip = match part {
                Part::Shared(whole) => skip.saturating_sub(whole.len()),
                Part::Own(range) => skip.saturating_sub(range.len()),
            };
            (!bytes.is_empty()).then_some(bytes)
        })
    }

    /// The message in one piece.
    #[must_use]
    pub fn to_vec(&self) -> Vec<u8> {
        self.slices().fold(Vec::with_capacity(self.len), |mut message, slice| {
            message.extend_from_slice(slice);
            message
        })
    }

    pub(super) fn share(&mut self, frame: &Bytes) {
        self.len += frame.len();
        self.parts.push(Part::Shared(frame.clone()));
    }

    /// Adds bytes of this session's own.
    pub(super) fn write(&mut self, write: impl FnOnce(&mut Vec<u8>)) {
        let start = self.own.len();
        write(&mut self.own);
        let end = self.own.len();
        self.len += end - start;
        match self.parts.last_mut() {
            Some(Part::Own(range)) if range.end == start => range.end = end,
            _ if end > start => self.parts.push(Part::Own(start..end)),
            _ => {}
        }
    }
}
