//! What a gateway can tell its peers of one topic: the current value and the way to it.

mod kept;
mod merged;

use alloc::collections::VecDeque;
use alloc::vec::Vec;
use bytes::Bytes;
use core::cell::OnceCell;

use crate::check::check;
use crate::path::Path;
use crate::position::{Partition, TopicNumber, Version};
use crate::value::{TopicKind, ValueType};
use crate::wire::{Announce, GatewayFrame, varint_len};

pub use kept::PastUpdate;
use merged::MergedFrames;

/// The most past updates kept of a conflatable value topic. A peer further behind gets a snapshot.
const MAX_CHAIN: usize = 64;

/// One change of a topic, encoded once for every peer that follows it.
#[derive(Clone, Debug)]
pub struct Update {
    /// The topic.
    pub topic: TopicNumber,
    /// The version that the change starts from.
    pub base: Version,
    /// The version that it leads to.
    pub version: Version,
    /// For events: the sequence number, counted from 1 over the topic's life.
    pub sequence: u64,
    /// When the record was appended, in milliseconds of the engine's clock.
    pub at_ms: u64,
    /// The frame: a delta or snapshot for a value topic, an event for an event topic.
    pub frame: Bytes,
    /// The new value, or the event.
    pub value: Bytes,
    /// Whether the frame is a snapshot.
    pub whole: bool,
}

/// How long and how many past updates a topic keeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct History {
    /// The most updates or events.
    pub count: u64,
    /// The most milliseconds; 0 for no limit.
    pub age_ms: u64,
    /// The most bytes of frames.
    pub bytes: u64,
}

/// What a gateway can tell of one topic.
#[derive(Clone, Debug)]
pub struct Topic {
    number: TopicNumber,
    partition: Partition,
    path: Path,
    kind: TopicKind,
    value_type: ValueType,
    retain: bool,
    conflate: bool,
    history: History,
    version: Version,
    sequence: u64,
    value: Option<Bytes>,
    recent: VecDeque<Recent>,
    recent_bytes: u64,
    snapshot: OnceCell<Bytes>,
    merged: MergedFrames,
}

#[derive(Clone, Debug)]
struct Recent {
    base: Version,
    version: Version,
    at_ms: u64,
    frame: Bytes,
    /// An event's frame ends with the event.
    value_len: u32,
}

/// An event that a topic still keeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PastEvent<'a> {
    /// Its version.
    pub version: Version,
    /// Its sequence number.
    pub sequence: u64,
    /// The event.
    pub value: &'a [u8],
}

/// What is fixed about a topic.
#[derive(Clone, Debug)]
pub struct TopicDescription {
    /// Its number on this gateway.
    pub number: TopicNumber,
    /// The partition it lives in.
    pub partition: Partition,
    /// Its name.
    pub path: Path,
    /// Value or event topic.
    pub kind: TopicKind,
    /// The type of its values or events.
    pub value_type: ValueType,
    /// Whether someone who subscribes later is told the current value.
    pub retain: bool,
    /// Whether a peer that is behind may be told fewer, newer values.
    pub conflate: bool,
    /// How much of the past is kept.
    pub history: History,
}

/// The way from what a peer was last told of a topic to what is current.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Way<'a> {
    /// Nothing to tell.
    Current,
    /// The newest so many updates, one after the other.
    Chain(usize),
    /// All updates since as one.
    Merged(Bytes),
    /// The whole value.
    Snapshot(&'a Bytes),
    /// The events up to this one are gone; the newest so many are left.
    Gap { version: Version, sequence: u64, left: usize },
}

impl Topic {
    /// A topic with no value or event yet, created at `version`.
    #[must_use]
    pub fn new(description: TopicDescription) -> Self {
        let TopicDescription { number, partition, path, kind, value_type, retain, conflate, history } = description;
        Self {
            number,
            partition,
            path,
            kind,
            value_type,
            retain,
            conflate,
            history,
            version: Version::NONE,
            sequence: 0,
            value: None,
            recent: VecDeque::new(),
            recent_bytes: 0,
            snapshot: OnceCell::new(),
            merged: MergedFrames::default(),
        }
    }

    /// The topic's number on this gateway.
    #[must_use]
    pub const fn number(&self) -> TopicNumber {
        self.number
    }

    /// The partition the topic lives in.
    #[must_use]
    pub const fn partition(&self) -> Partition {
        self.partition
    }

    /// The topic's name.
    #[must_use]
    pub const fn path(&self) -> &Path {
        &self.path
    }

    /// Value or event topic.
    #[must_use]
    pub const fn kind(&self) -> TopicKind {
        self.kind
    }

    /// The type of its values or events.
    #[must_use]
    pub const fn value_type(&self) -> ValueType {
        self.value_type
    }

    /// Whether someone who subscribes later is told the current value.
    #[must_use]
    pub const fn retain(&self) -> bool {
        self.retain
    }

    /// The version of the current value or newest event; [`Version::NONE`] if there is none.
    #[must_use]
    pub const fn version(&self) -> Version {
        self.version
    }

    /// The sequence number of the newest event.
    #[must_use]
    pub const fn sequence(&self) -> u64 {
        self.sequence
    }

    /// The current value of a value topic.
    #[must_use]
    pub const fn value(&self) -> Option<&Bytes> {
        self.value.as_ref()
    }

    /// Takes in the next update. One that is not newer than what is held is ignored, so that a
    /// copy of a topic may be fed updates it already contains.
    pub fn update(&mut self, update: &Update) {
        if update.version <= self.version {
            return;
        }
        self.version = update.version;
        self.sequence = update.sequence;
        if self.kind == TopicKind::Value {
            self.value = Some(update.value.clone());
            self.snapshot = OnceCell::new();
            self.merged.clear();
            if update.whole {
                let _fresh = self.snapshot.set(update.frame.clone());
            }
            // A first value is told as the snapshot it is.
            if update.base == Version::NONE {
                return;
            }
        }
        if self.recent.len() == self.recent.capacity() {
            self.recent.reserve_exact(self.recent.len().max(1));
        }
        self.recent_bytes += update.frame.len() as u64;
        self.recent.push_back(Recent {
            base: update.base,
            version: update.version,
            at_ms: update.at_ms,
            frame: update.frame.clone(),
            value_len: update.value.len() as u32,
        });
        self.forget(update.at_ms);
    }

    /// Drops what is too old, too much, or could never be cheaper than a snapshot.
    pub fn forget(&mut self, now_ms: u64) {
        while let Some(oldest) = self.recent.front() {
            let count = self.recent.len() as u64;
            let too_old = self.history.age_ms > 0 && now_ms.saturating_sub(oldest.at_ms) > self.history.age_ms;
            let too_much = match self.kind {
                TopicKind::Value if self.conflate => {
                    // A caught-up peer needs the newest update, however large.
                    let worth = self.value.as_ref().map_or(0, |value| value.len() as u64 + 16);
                    count > 1 && (count > MAX_CHAIN as u64 || self.recent_bytes > worth)
                }
                TopicKind::Value | TopicKind::Event => {
                    count > self.history.count || self.recent_bytes > self.history.bytes
                }
            };
            if !(too_old && self.kind == TopicKind::Event || too_much && count > 1) {
                break;
            }
            self.recent_bytes -= oldest.frame.len() as u64;
            self.recent.pop_front();
        }
        if self.recent.capacity() > 8 && self.recent.len() * 4 < self.recent.capacity() {
            self.recent.shrink_to(self.recent.len() * 2);
        }
    }

    /// The past events after `base` that are still kept, oldest first.
    pub fn events_after(&self, base: Version) -> impl Iterator<Item = PastEvent<'_>> {
        let skip = self.recent.len() - self.shown(self.owed(base) as u64);
        let first = self.first_sequence() + skip as u64;
        self.recent.range(skip..).zip(first..).map(|(recent, sequence)| PastEvent {
            version: recent.version,
            sequence,
            value: recent.frame.get(recent.frame.len().saturating_sub(recent.value_len as usize)..).unwrap_or_default(),
        })
    }

    /// The version from which the newest `count` events follow: that of the one before them.
    #[must_use]
    pub fn before_last(&self, count: u64) -> Version {
        let skip = self.recent.len().saturating_sub(self.shown(count));
        self.recent.get(skip).map_or(self.version, |recent| recent.base)
    }

    /// The version from which all events after `position` follow, which may be any position of the
    /// log: that of the event before them, or `position` itself if events after it are no longer kept.
    #[must_use]
    pub fn from_after(&self, position: Version) -> Version {
        let owed = self.owed(position);
        match self.recent.len().checked_sub(owed + 1).and_then(|before| self.recent.get(before)) {
            Some(before) => before.version,
            None => self.recent.front().map_or(self.version, |first| first.base).min(position),
        }
    }

    /// The newest version up to a mark: what a client that was told everything up to there was last
    /// told of the topic. [`Version::NONE`] if that is not known any more.
    #[must_use]
    pub fn held_at(&self, mark: Version) -> Version {
        if self.version <= mark {
            return self.version;
        }
        let first = self.recent.len() - self.owed(mark);
        self.recent.get(first).map(|next| next.base).filter(|base| *base <= mark).unwrap_or_default()
    }

    /// How many of the newest `count` events may be shown to who asks for past ones.
    fn shown(&self, count: u64) -> usize {
        usize::try_from(count.min(self.history.count)).unwrap_or(usize::MAX).min(self.recent.len())
    }

    /// How many updates are kept that lead beyond `base`.
    fn owed(&self, base: Version) -> usize {
        self.recent.len() - self.recent.partition_point(|recent| recent.version <= base)
    }

    fn first_sequence(&self) -> u64 {
        self.sequence + 1 - self.recent.len() as u64
    }

    /// The version of the event before the first one after `base`, should `base` lie between the two: events lead on
    /// from one another. That happens where `base` comes of a copy of the topic that keeps less than this one.
    pub(super) fn aligned(&self, base: Version) -> Version {
        if self.kind != TopicKind::Event {
            return base;
        }
        let first = self.recent.get(self.recent.len() - self.owed(base));
        first.map_or(base, |first| first.base.min(base))
    }

    /// Appends the announcement for a peer whose telling starts after `from`.
    pub(super) fn announce(&self, from: Version, out: &mut Vec<u8>) {
        let known = self.recent.front().map_or(self.version, |first| first.base);
        let sequence = match self.kind {
            TopicKind::Event if from >= known => self.sequence - self.owed(from) as u64,
            // The event with this version is no longer kept: a gap follows.
            TopicKind::Event | TopicKind::Value => 0,
        };
        GatewayFrame::Announce(Announce {
            topic: self.number,
            partition: self.partition,
            kind: self.kind,
            value_type: self.value_type,
            version: from,
            sequence,
            path: self.path.clone(),
        })
        .encode(out);
    }

    /// What to tell a peer that was last told `base`.
    pub(super) fn way_from(&self, base: Version) -> Way<'_> {
        if base >= self.version {
            return Way::Current;
        }
        let owed = self.owed(base);
        let complete = self
            .recent
            .len()
            .checked_sub(owed)
            .and_then(|first| self.recent.get(first))
            .is_some_and(|first| first.base == base);
        match self.kind {
            TopicKind::Event if complete => Way::Chain(owed),
            TopicKind::Event => {
                let (version, sequence) = self
                    .recent
                    .front()
                    .map_or((self.version, self.sequence), |first| (first.base, self.first_sequence() - 1));
                Way::Gap { version, sequence, left: owed }
            }
            // Who is told every value, and who is just one behind.
            TopicKind::Value if complete && base != Version::NONE && (!self.conflate || owed == 1) => Way::Chain(owed),
            TopicKind::Value if complete && base != Version::NONE => self.shortest_way(base, owed),
            TopicKind::Value => self.whole(),
        }
    }

    /// The way from the value that the newest `owed` updates follow that takes the fewest bytes.
    fn shortest_way(&self, base: Version, owed: usize) -> Way<'_> {
        let chain: usize = self.chain(owed).map(|(_, frame)| frame.len()).sum();
        let whole = self.snapshot_len();
        if let Some(frame) = self.merged.from(base, || self.merge(base, owed, chain.min(whole))) {
            Way::Merged(frame)
        } else if chain <= whole {
            Way::Chain(owed)
        } else {
            self.whole()
        }
    }

    fn whole(&self) -> Way<'_> {
        self.snapshot().map_or(Way::Current, Way::Snapshot)
    }

    /// The newest `count` updates, oldest first: version, and frame shared with every other peer.
    pub(super) fn chain(&self, count: usize) -> impl Iterator<Item = (Version, &Bytes)> {
        let skip = self.recent.len().saturating_sub(count);
        self.recent.range(skip..).map(|recent| (recent.version, &recent.frame))
    }

    /// The size of the first frame on a way, in bytes.
    pub(super) fn first_step(&self, way: &Way<'_>) -> usize {
        match way {
            Way::Current => 0,
            Way::Snapshot(frame) => frame.len(),
            Way::Merged(frame) => frame.len(),
            Way::Chain(count) | Way::Gap { left: count, .. } => {
                self.chain(*count).next().map_or(0, |step| step.1.len())
            }
        }
    }

    /// How long the snapshot frame is.
    fn snapshot_len(&self) -> usize {
        let value = self.value.as_ref().map_or(0, Bytes::len);
        let body = varint_len(self.number.0.into()) + varint_len(self.version.0) + size_of::<u32>() + value;
        varint_len((body as u64) << 4) + body
    }

    /// The snapshot frame, encoded at most once for each version.
    fn snapshot(&self) -> Option<&Bytes> {
        let value = self.value.as_ref()?;
        Some(self.snapshot.get_or_init(|| snapshot_frame(self.number, self.version, value)))
    }
}

/// The frame that carries a whole value.
#[must_use]
pub fn snapshot_frame(topic: TopicNumber, version: Version, value: &[u8]) -> Bytes {
    let mut frame = Vec::with_capacity(value.len() + 24);
    GatewayFrame::Snapshot { topic, version, check: check(value, version), value }.encode(&mut frame);
    Bytes::from(frame)
}

#[cfg(test)]
mod tests;
