//! A topic taken apart to be kept, and put together again: so that it survives its gateway.

use bytes::Bytes;

use super::{Recent, Topic, TopicDescription};
use crate::position::Version;

/// An update that a topic keeps, to lead on who is behind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PastUpdate {
    /// The version that it starts from.
    pub base: Version,
    /// The version that it leads to.
    pub version: Version,
    /// When the record was appended, in milliseconds of the engine's clock.
    pub at_ms: u64,
    /// How many bytes the new value, or the event, has. An event's frame ends with them.
    pub value_len: u32,
    /// The frame that tells it, with the topic's number in it.
    pub frame: Bytes,
}

impl Topic {
    /// What is fixed about the topic.
    #[must_use]
    pub fn description(&self) -> TopicDescription {
        TopicDescription {
            number: self.number,
            partition: self.partition,
            path: self.path.clone(),
            kind: self.kind,
            value_type: self.value_type,
            retain: self.retain,
            conflate: self.conflate,
            history: self.history,
        }
    }

    /// The updates that are kept, oldest first.
    pub fn past_updates(&self) -> impl ExactSizeIterator<Item = PastUpdate> {
        self.recent.iter().map(|recent| PastUpdate {
            base: recent.base,
            version: recent.version,
            at_ms: recent.at_ms,
            value_len: recent.value_len,
            frame: recent.frame.clone(),
        })
    }

    /// Gives a [new](Self::new) topic the version, the sequence number of its newest event and the value
    /// that it had when it was kept.
    #[must_use]
    pub fn kept_at(mut self, version: Version, sequence: u64, value: Option<Bytes>) -> Self {
        (self.version, self.sequence, self.value) = (version, sequence, value);
        self
    }

    /// Puts back the next of the updates that were kept: those that lead to the topic's version, oldest
    /// first.
    pub fn put_back(&mut self, past: PastUpdate) {
        let PastUpdate { base, version, at_ms, value_len, frame } = past;
        self.recent_bytes += frame.len() as u64;
        self.recent.push_back(Recent { base, version, at_ms, frame, value_len });
    }
}
