//! The topics that a session knows, and its copies of them.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use bytes::Bytes;

use crate::path::Path;
use crate::position::{Partition, SubscriptionId, TopicNumber, Version};
use crate::time::Timestamp;
use crate::value::{TopicKind, ValueType};

/// A topic's place in the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct TopicKey(usize);

/// A topic as the session holds it.
#[derive(Debug)]
pub(super) struct KnownTopic {
    pub(super) path: Path,
    pub(super) partition: Partition,
    pub(super) kind: TopicKind,
    pub(super) value_type: ValueType,
    /// Its number on this connection; `None` until it is announced.
    pub(super) number: Option<TopicNumber>,
    /// Its number on the connection before, if that was of the same epoch: a topic that was removed
    /// and made anew has another.
    pub(super) last_number: Option<TopicNumber>,
    /// The version that the next delta or event counts from.
    pub(super) cursor: Version,
    /// The sequence number of the event at the cursor.
    pub(super) sequence: u64,
    pub(super) value: Option<Bytes>,
    /// The version of the value or newest event that the application was told.
    pub(super) version: Version,
    /// The sequence number of the newest event that the application was told of, or told to be
    /// missing; `None` where an epoch starts afresh.
    pub(super) told_sequence: Option<u64>,
    pub(super) received: Timestamp,
    /// A snapshot has been asked for; deltas until then are of no use.
    pub(super) repairing: bool,
    /// The subscriptions that select it.
    pub(super) subscriptions: Vec<SubscriptionId>,
}

/// The topics that a session knows, by path and by their numbers on this connection.
#[derive(Debug, Default)]
pub(super) struct Replicas {
    topics: Vec<Option<KnownTopic>>,
    free: Vec<usize>,
    by_path: BTreeMap<Path, TopicKey>,
    /// A number without a topic is one that no subscription selects any more.
    by_number: BTreeMap<TopicNumber, Option<TopicKey>>,
}

impl Replicas {
    pub(super) fn len(&self) -> usize {
        self.by_path.len()
    }

    pub(super) fn get(&self, key: TopicKey) -> Option<&KnownTopic> {
        self.topics.get(key.0)?.as_ref()
    }

    pub(super) fn get_mut(&mut self, key: TopicKey) -> Option<&mut KnownTopic> {
        self.topics.get_mut(key.0)?.as_mut()
    }

    pub(super) fn at(&self, path: &str) -> Option<TopicKey> {
        self.by_path.get(path).copied()
    }

    /// The topic with this number: `None` if it was never announced, `Some(None)` if nothing
    /// selects it any more.
    pub(super) fn numbered(&self, number: TopicNumber) -> Option<Option<TopicKey>> {
        self.by_number.get(&number).copied()
    }

    /// All topics, in the order of their paths.
    pub(super) fn iter(&self) -> impl Iterator<Item = (TopicKey, &KnownTopic)> {
        self.by_path.values().filter_map(|key| Some((*key, self.get(*key)?)))
    }

    pub(super) fn insert(&mut self, topic: KnownTopic) -> TopicKey {
        let path = topic.path.clone();
        let key = match self.free.pop() {
            Some(free) => TopicKey(free),
            None => {
                self.topics.push(None);
                TopicKey(self.topics.len() - 1)
            }
        };
        if let Some(slot) = self.topics.get_mut(key.0) {
            *slot = Some(topic);
        }
        self.by_path.insert(path, key);
        key
    }

    /// Gives a topic its number on this connection.
    pub(super) fn number(&mut self, number: TopicNumber, key: Option<TopicKey>) {
        self.by_number.insert(number, key);
        if let Some(topic) = key.and_then(|key| self.get_mut(key)) {
            topic.number = Some(number);
        }
    }

    /// Drops a topic. Its number, if it has one, stays known, so that late news of it is no fault.
    pub(super) fn remove(&mut self, key: TopicKey) -> Option<KnownTopic> {
        let topic = self.topics.get_mut(key.0)?.take()?;
        self.free.push(key.0);
        self.by_path.remove(&topic.path);
        if let Some(number) = topic.number {
            self.by_number.insert(number, None);
        }
        Some(topic)
    }

    /// A topic is gone for good, and so is its number.
    pub(super) fn retire(&mut self, number: TopicNumber) {
        self.by_number.remove(&number);
    }

    /// The connection is gone: numbers mean nothing on the next one.
    pub(super) fn disconnect(&mut self) {
        self.by_number.clear();
        for topic in self.topics.iter_mut().flatten() {
            topic.last_number = topic.number.take().or(topic.last_number);
            topic.repairing = false;
        }
    }

    /// The log began anew: versions held can't be compared with those to come.
    pub(super) fn begin_epoch(&mut self) {
        for topic in self.topics.iter_mut().flatten() {
            topic.version = Version::NONE;
            topic.told_sequence = None;
            topic.last_number = None;
        }
    }
}
