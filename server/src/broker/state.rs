//! A broker's state taken apart into rows, which a checkpoint keeps, and put together again.
//!
//! A row starts with what it is. Numbers are varints; texts and values stand behind their length.
//!
//! | row | |
//! |---|---|
//! | head | version of the format, next topic number, up to where removals are not remembered |
//! | topic | what is fixed about it, where it came to be, its version, sequence number and value, and the publish that gave it that |
//! | updates | recent updates of the topic before it, oldest first; there may be several such rows |
//! | removals | topics that are no more, oldest first: number, path, position; there may be several such rows |
//! | publisher | the verdicts remembered, in the order of their numbers; publishers come in the order in which they were heard of last |

use std::io;

use bytes::Bytes;
use outpour_core::peer::{History, PastUpdate, Topic, TopicDescription};
use outpour_core::{Partition, PublishNumber, PublisherId, TopicKind, TopicNumber};

use super::Broker;
use super::publishers::{Publisher, Publishers};
use super::removals::Removals;
use super::store::{Store, Stored};
use crate::log::fields::{Fields, write_bytes, write_varint};

const FORMAT: u64 = 1;
/// About how many bytes of updates or removals are put into a row.
const ROW_BYTES: usize = 64 << 10;

const HEAD: u8 = 1;
const TOPIC: u8 = 2;
const UPDATES: u8 = 3;
const PUBLISHER: u8 = 4;
const REMOVALS: u8 = 5;

/// A copy of a broker's state. It shares values and frames with the broker, so that it is made quickly.
#[derive(Debug)]
pub(super) struct State {
    pub(super) next_number: u32,
    pub(super) topics: Vec<Stored>,
    publishers: Vec<(PublisherId, Publisher)>,
    removals: Removals,
}

impl State {
    /// All but the topics.
    pub(super) fn without_topics(broker: &Broker) -> Self {
        Self {
            next_number: broker.next_number,
            topics: Vec::new(),
            publishers: broker.publishers.oldest_first().map(|(id, known)| (id, known.clone())).collect(),
            removals: broker.removals.clone(),
        }
    }

    /// Hands every row to `put`, until it refuses one.
    pub(super) fn write(self, put: &mut dyn FnMut(&[u8]) -> io::Result<()>) -> io::Result<()> {
        let mut row = vec![HEAD];
        let (removals, forgotten) = self.removals.all();
        for number in [FORMAT, self.next_number.into(), forgotten.0] {
            write_varint(&mut row, number);
        }
        put(&row)?;
        for stored in self.topics {
            row.clear();
            write_topic(&mut row, &stored);
            put(&row)?;
            row.clear();
            for update in stored.topic.past_updates() {
                if row.is_empty() {
                    row.push(UPDATES);
                }
                write_update(&mut row, &update);
                if row.len() >= ROW_BYTES {
                    put(&row)?;
                    row.clear();
                }
            }
            if !row.is_empty() {
                put(&row)?;
            }
        }
        row.clear();
        for removal in removals {
            if row.is_empty() {
                row.push(REMOVALS);
            }
            write_varint(&mut row, removal.topic.0.into());
            write_bytes(&mut row, removal.path.as_str().as_bytes());
            write_varint(&mut row, removal.version.0);
            if row.len() >= ROW_BYTES {
                put(&row)?;
                row.clear();
            }
        }
        if !row.is_empty() {
            put(&row)?;
        }
        for (id, publisher) in self.publishers {
            row.clear();
            row.push(PUBLISHER);
            row.extend(id.0);
            publisher.write(&mut row);
            put(&row)?;
        }
        Ok(())
    }
}

/// Makes a state of the rows that were kept.
#[derive(Debug)]
pub(super) struct Restored {
    pub(super) next_number: u32,
    pub(super) topics: Store,
    pub(super) publishers: Publishers,
    pub(super) removals: Removals,
    /// The topic whose updates come next.
    topic: Option<Stored>,
}

impl Restored {
    /// An empty state, as it is before the first record.
    pub(super) fn new(publishers: Publishers) -> Self {
        Self { next_number: 1, topics: Store::default(), publishers, removals: Removals::default(), topic: None }
    }

    /// Takes the next row. `false` if it makes no sense.
    pub(super) fn take(&mut self, row: &[u8]) -> bool {
        self.take_row(&mut Fields::new(row)).is_some()
    }

    /// There are no more rows.
    pub(super) fn finish(&mut self) {
        if let Some(stored) = self.topic.take() {
            self.topics.insert(stored);
        }
    }

    fn take_row(&mut self, fields: &mut Fields<'_>) -> Option<()> {
        match fields.byte()? {
            HEAD => {
                fields.varint().filter(|format| *format == FORMAT)?;
                self.next_number = fields.varint()?.try_into().ok()?;
                self.removals.forget_up_to(fields.version()?);
            }
            TOPIC => {
                self.finish();
                self.topic = Some(read_topic(fields)?);
            }
            UPDATES => {
                let topic = &mut self.topic.as_mut()?.topic;
                while !fields.is_empty() {
                    topic.put_back(read_update(fields)?);
                }
            }
            REMOVALS => {
                while !fields.is_empty() {
                    let number = TopicNumber(fields.varint()?.try_into().ok()?);
                    self.removals.note(number, fields.path()?, fields.version()?);
                }
            }
            PUBLISHER => {
                let id = PublisherId(fields.array()?);
                self.publishers.put_back(id, Publisher::read(fields)?);
            }
            _ => return None,
        }
        fields.is_empty().then_some(())
    }
}

fn write_topic(row: &mut Vec<u8>, stored: &Stored) {
    let topic = &stored.topic;
    let description = topic.description();
    row.push(TOPIC);
    write_varint(row, description.number.0.into());
    write_varint(row, description.partition.0.into());
    write_bytes(row, description.path.as_str().as_bytes());
    row.extend([description.kind.code(), description.value_type.code()]);
    row.extend([u8::from(description.retain), u8::from(description.conflate)]);
    let History { count, age_ms, bytes } = description.history;
    for number in [count, age_ms, bytes, stored.created.0, topic.version().0, topic.sequence()] {
        write_varint(row, number);
    }
    row.extend(stored.author.0);
    write_varint(row, stored.number.0);
    row.push(u8::from(topic.value().is_some()));
    if let Some(value) = topic.value() {
        row.extend_from_slice(value);
    }
}

fn read_topic(fields: &mut Fields<'_>) -> Option<Stored> {
    let description = TopicDescription {
        number: TopicNumber(fields.varint()?.try_into().ok()?),
        partition: Partition(fields.varint()?.try_into().ok()?),
        path: fields.path()?,
        kind: TopicKind::from_code(fields.byte()?)?,
        value_type: fields.value_type()?,
        retain: fields.flag()?,
        conflate: fields.flag()?,
        history: History { count: fields.varint()?, age_ms: fields.varint()?, bytes: fields.varint()? },
    };
    let (created, version, sequence) = (fields.version()?, fields.version()?, fields.varint()?);
    let (author, number) = (PublisherId(fields.array()?), PublishNumber(fields.varint()?));
    let value = fields.flag()?.then(|| Bytes::copy_from_slice(fields.rest()));
    let topic = Topic::new(description).kept_at(version, sequence, value);
    Some(Stored { topic, created, author, number })
}

fn write_update(row: &mut Vec<u8>, update: &PastUpdate) {
    for number in [update.base.0, update.version.0 - update.base.0, update.at_ms, update.value_len.into()] {
        write_varint(row, number);
    }
    write_bytes(row, &update.frame);
}

fn read_update(fields: &mut Fields<'_>) -> Option<PastUpdate> {
    let base = fields.version()?;
    Some(PastUpdate {
        base,
        version: base.advanced_by(fields.varint()?)?,
        at_ms: fields.varint()?,
        value_len: fields.varint()?.try_into().ok()?,
        frame: Bytes::copy_from_slice(fields.bytes()?),
    })
}
