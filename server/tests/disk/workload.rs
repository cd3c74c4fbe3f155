//! What is published to a broker, and what it then holds.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use outpour_core::check::plain_check;
use outpour_core::delta::Encoder;
use outpour_core::peer::Change;
use outpour_core::wire::{Ack, Condition, TopicProperties};
use outpour_core::{Epoch, ErrorCode, Path, PublishNumber, PublisherId, Selector, TopicKind, ValueType, Version};
use outpour_server::broker::{Broker, BrokerConfig, Outcome, SessionId};
use outpour_server::log::{DiskLog, DiskOptions, Fsync, LogError, MemoryLog, Record, Storage};

const SESSION: SessionId = SessionId { shard: 0, key: 0, generation: 0 };

/// A sequence of numbers that looks random and is the same each time.
pub(crate) fn random(mut seed: u64) -> impl FnMut(usize) -> usize {
    move |below| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ((seed >> 33) as usize) % below.max(1)
    }
}

/// Every kind of change, to a few topics, by a few publishers.
pub(crate) fn records(seed: u64, count: usize) -> Vec<Record> {
    let mut random = random(seed);
    let mut numbers = [0; 3];
    // Of each value topic what was set last, which is the base that a delta of its publisher may name.
    let mut bases: BTreeMap<usize, (usize, u64, String)> = BTreeMap::new();
    (0..count)
        .map(|index| {
            let publisher = random(3);
            numbers[publisher] += 1;
            let topic = random(6);
            let text = format!("{{\"n\":{index},\"text\":\"{}\"}}", "some words of a value ".repeat(random(6)));
            let base = bases.get(&topic).filter(|(by, _, _)| *by == publisher);
            let (path, change) = match random(24) {
                20.. if let Some((_, number, old)) = base => (format!("v/{topic}"), delta(*number, old, &text)),
                0 => (format!("v/{topic}"), Change::Remove),
                1 => (format!("e/{topic}"), Change::Remove),
                2..=4 => (format!("v/{topic}"), Change::MergePatch(Bytes::from(format!("{{\"n\":{index}}}")))),
                5 => (
                    format!("v/{topic}"),
                    Change::JsonPatch(Bytes::from_static(b"[{\"op\":\"remove\",\"path\":\"/n\"}]")),
                ),
                6 => (format!("n/{topic}"), created()),
                7..=9 => (format!("n/{topic}"), Change::Set(ValueType::Text, Bytes::from(text.clone()))),
                10..=13 => (format!("e/{topic}"), Change::Append(ValueType::Text, Bytes::from(text.clone()))),
                _ => (format!("v/{topic}"), Change::Set(ValueType::Json, Bytes::from(text.clone()))),
            };
            if let Change::Set(ValueType::Json, _) | Change::Delta { .. } = &change {
                bases.insert(topic, (publisher, numbers[publisher], text));
            }
            let condition = match random(8) {
                0 => Condition::IfAbsent,
                1 => Condition::IfVersion(Version(random(index + 1) as u64)),
                _ => Condition::Always,
            };
            Record {
                path: Path::new(&path).unwrap(),
                author: PublisherId([publisher as u8 + 1; 16]),
                number: PublishNumber(numbers[publisher]),
                condition,
                change,
                at_ms: 1_000_000 + index as u64,
            }
        })
        .collect()
}

/// So many topics that come first, and then change, go and come again.
pub(crate) fn many_topics(seed: u64, topics: usize, count: usize) -> Vec<Record> {
    let mut random = random(seed);
    (0..count)
        .map(|index| {
            let topic = if index < topics { index } else { random(topics + topics / 4) };
            let change = match random(10) {
                0..=2 if index >= topics => Change::Remove,
                _ => Change::Set(ValueType::Text, Bytes::from(format!("the value number {index} of this topic"))),
            };
            Record {
                path: Path::new(&format!("t/{topic}")).unwrap(),
                author: PublisherId([1; 16]),
                number: PublishNumber(index as u64 + 1),
                condition: Condition::Always,
                change,
                at_ms: 0,
            }
        })
        .collect()
}

fn delta(base: u64, old: &str, new: &str) -> Change {
    let mut delta = Vec::new();
    Encoder::new().encode(old.as_bytes(), new.as_bytes(), &mut delta);
    Change::Delta { base: PublishNumber(base), check: plain_check(new.as_bytes()), delta: Bytes::from(delta) }
}

fn created() -> Change {
    Change::Create(TopicProperties {
        kind: TopicKind::Value,
        value_type: ValueType::Text,
        retain: true,
        conflate: false,
        history: 3,
        history_age_ms: 60_000,
    })
}

/// A disk log in a storage. Each opening would take another epoch if it had to.
pub(crate) fn disk_log(storage: &(impl Storage + Clone + 'static), fsync: Fsync) -> Result<DiskLog, LogError> {
    disk_log_with(storage, fsync, 3_000)
}

/// A disk log that is content with so many bytes of records.
pub(crate) fn disk_log_with(
    storage: &(impl Storage + Clone + 'static),
    fsync: Fsync,
    checkpoint_after: u64,
) -> Result<DiskLog, LogError> {
    let options = DiskOptions { fsync, checkpoint_after, background: false };
    let mut drawn = [[0; 16]; 2];
    drawn.iter_mut().for_each(|drawn| getrandom::fill(drawn).unwrap());
    DiskLog::open_in(Arc::new(storage.clone()), options, drawn)
}

pub(crate) fn broker(storage: &(impl Storage + Clone + 'static), fsync: Fsync) -> Result<Broker, LogError> {
    Broker::new(BrokerConfig::default(), Box::new(disk_log(storage, fsync)?))
}

/// Publishes a batch, and gives the verdicts.
pub(crate) fn publish(broker: &mut Broker, batch: &[Record]) -> Vec<Ack> {
    for record in batch {
        broker.publish(SESSION, record.clone());
    }
    broker.commit();
    let acks = broker.take_outcomes().filter_map(|outcome| match outcome {
        Outcome::Acknowledged { ack, .. } => Some(ack),
        _ => None,
    });
    acks.collect()
}

/// Whether a verdict says that the log could not take the record.
pub(crate) fn is_unavailable(ack: &Ack) -> bool {
    ack.code == ErrorCode::LogUnavailable.number()
}

/// All that a broker can tell anybody.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Picture {
    pub(crate) head: Version,
    topics: BTreeMap<String, String>,
    removals: Vec<String>,
    /// The highest number applied of each publisher.
    applied: Vec<u64>,
}

pub(crate) fn picture(broker: &mut Broker) -> Picture {
    let mut numbers = Vec::new();
    let cursor = broker.matching(&Selector::new("**").unwrap(), None, usize::MAX, &mut numbers);
    assert!(cursor.is_none());
    let topics = numbers.iter().map(|number| {
        let topic = broker.topic(*number).unwrap();
        let past: Vec<_> = topic.past_updates().collect();
        let rest = (topic.description(), broker.created(*number), topic.version(), topic.sequence(), topic.value());
        (topic.path().as_str().to_owned(), format!("{rest:?} {past:?}"))
    });
    let topics = topics.collect();
    let removals = broker.removed_since(Version::NONE).unwrap().map(|removal| format!("{removal:?}")).collect();
    let applied = (1..=3).map(|id| broker.greet(PublisherId([id; 16]), PublishNumber(0)).0).collect();
    Picture { head: broker.head(), topics, removals, applied }
}

/// What a broker holds after each of the records: the first picture is that before any.
pub(crate) fn pictures(records: &[Record]) -> Vec<Picture> {
    let mut broker = in_memory();
    let mut pictures = vec![picture(&mut broker)];
    for record in records {
        publish(&mut broker, std::slice::from_ref(record));
        pictures.push(picture(&mut broker));
    }
    pictures
}

pub(crate) fn in_memory() -> Broker {
    Broker::new(BrokerConfig::default(), Box::new(MemoryLog::new(Epoch([1; 16]), 16))).unwrap()
}
