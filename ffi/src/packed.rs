//! What is handed over, packed: many things in one buffer, which each language slices. Numbers are little-endian.
//!
//! ```text
//! buffer   count u32, epochs u16, more u16, epoch [16 bytes] × epochs, header × count, (path, value) × count
//! header   kind u8, type u8, stale u8, 0 u8, epoch u16, path length u16, value length u32, wire bytes u32,
//!          version u64, sequence u64, extent u64
//! ```
//!
//! | field | |
//! |---|---|
//! | `more` | 1 if the limit of a fetch kept more back |
//! | `kind` | 0 value, 1 event, 2 gap, 3 removed |
//! | `type` | 0 json, 1 text, 2 binary, 3 int64, 4 double |
//! | `epoch` | which of the epochs; 0 where there is none |
//! | `sequence` | of events, counted from 1; of gaps, the first that is missing |
//! | `extent` | of gaps, the last event that is missing; of replicas, how long ago it was received in microseconds |
//!
//! Headers stand together, as that is what languages read many of at once.

use std::time::Duration;

use outpour::{Epoch, FetchedItem, Replica, TopicKind, Update, UpdateKind, Value, Version};

const VALUE: u8 = 0;
const EVENT: u8 = 1;
const GAP: u8 = 2;
const REMOVED: u8 = 3;

/// A buffer that is being filled.
#[derive(Debug, Default)]
struct Packed {
    count: u32,
    more: bool,
    epochs: Vec<Epoch>,
    headers: Vec<u8>,
    contents: Vec<u8>,
}

/// The fields of a header that not everything has.
#[derive(Debug, Default)]
struct Header<'a> {
    kind: u8,
    stale: bool,
    epoch: u16,
    wire_bytes: usize,
    version: Version,
    sequence: u64,
    extent: u64,
    value: Option<&'a Value>,
}

/// A batch of updates.
pub(crate) fn updates(updates: &[Update]) -> Vec<u8> {
    let mut packed = Packed::default();
    for update in updates {
        packed.update(update);
    }
    packed.finish()
}

/// What a fetch gave, and whether there is more.
pub(crate) fn items(items: &[FetchedItem], more: bool) -> Vec<u8> {
    let mut packed = Packed { more, ..Packed::default() };
    for item in items {
        let kind = if item.kind == TopicKind::Event { EVENT } else { VALUE };
        let (version, sequence) = (item.version, item.sequence);
        let value = Some(&item.value);
        packed.push(item.path.as_str(), &Header { kind, version, sequence, value, ..Header::default() });
    }
    packed.finish()
}

/// Replicas, each with its age.
pub(crate) fn replicas(replicas: impl IntoIterator<Item = (Replica, Duration)>) -> Vec<u8> {
    let mut packed = Packed::default();
    for (replica, age) in replicas {
        let extent = u64::try_from(age.as_micros()).unwrap_or(u64::MAX);
        let (stale, version) = (replica.stale, replica.version);
        let value = Some(&replica.value);
        packed.push(replica.path.as_str(), &Header { stale, version, extent, value, ..Header::default() });
    }
    packed.finish()
}

impl Packed {
    fn update(&mut self, update: &Update) {
        let mut header = Header {
            kind: REMOVED,
            stale: update.stale,
            epoch: self.epoch(update.epoch),
            wire_bytes: update.wire_bytes,
            ..Header::default()
        };
        match &update.kind {
            UpdateKind::Value { value, version } => {
                (header.kind, header.version, header.value) = (VALUE, *version, Some(value));
            }
            UpdateKind::Event { value, version, sequence } => {
                (header.kind, header.version, header.value) = (EVENT, *version, Some(value));
                header.sequence = *sequence;
            }
            UpdateKind::Gap { first, last } => {
                (header.kind, header.sequence, header.extent) = (GAP, *first, *last);
            }
            _ => {}
        }
        self.push(update.path.as_str(), &header);
    }

    fn epoch(&mut self, epoch: Epoch) -> u16 {
        let known = self.epochs.iter().rposition(|known| *known == epoch);
        let index = known.unwrap_or_else(|| {
            self.epochs.push(epoch);
            self.epochs.len() - 1
        });
        index as u16
    }

    fn push(&mut self, path: &str, header: &Header<'_>) {
        let value = header.value.map_or(&[][..], |value| value.bytes());
        self.count += 1;
        let value_type = header.value.map_or(0, |value| value.value_type().code());
        self.headers.extend_from_slice(&[header.kind, value_type, header.stale.into(), 0]);
        self.headers.extend_from_slice(&header.epoch.to_le_bytes());
        // A path has at the most 1,024 bytes, and what travels in a message at the most 64 MiB.
        self.headers.extend_from_slice(&(path.len() as u16).to_le_bytes());
        for number in [value.len() as u32, header.wire_bytes as u32] {
            self.headers.extend_from_slice(&number.to_le_bytes());
        }
        for number in [header.version.0, header.sequence, header.extent] {
            self.headers.extend_from_slice(&number.to_le_bytes());
        }
        self.contents.extend_from_slice(path.as_bytes());
        self.contents.extend_from_slice(value);
    }

    fn finish(self) -> Vec<u8> {
        let length = 8 + self.epochs.len() * 16 + self.headers.len() + self.contents.len();
        let mut buffer = Vec::with_capacity(length);
        buffer.extend_from_slice(&self.count.to_le_bytes());
        buffer.extend_from_slice(&(self.epochs.len() as u16).to_le_bytes());
        buffer.extend_from_slice(&u16::from(self.more).to_le_bytes());
        for epoch in &self.epochs {
            buffer.extend_from_slice(&epoch.0);
        }
        buffer.extend_from_slice(&self.headers);
        buffer.extend_from_slice(&self.contents);
        buffer
    }
}
