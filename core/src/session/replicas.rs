//! The topics that a session knows, and its copies of them.

use alloc::collections::{BTreeMap, VecDeque};
use alloc::vec::Vec;
use bytes::Bytes;
use core::ops::Bound;

use crate::path::Path;
use crate::position::{Partition, SubscriptionId, TopicNumber, Version};
use crate::selector::Selector;
use crate::time::Timestamp;
use crate::value::{TopicKind, ValueType};

/// How many numbers of topics that nothing selects any more are kept before any is forgotten.
const KEPT_NUMBERS: usize = 1024;

/// A topic's place in the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct TopicKey(usize);

/// A topic as the session holds it: about 300 bytes with what finds it, beside path and value.
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
    /// The sequence number of the newest event that the application was told of; `None` before the
    /// topic was announced in this epoch.
    pub(super) told_sequence: Option<u64>,
    pub(super) received: Timestamp,
    /// A snapshot has been asked for; deltas until then are of no use.
    pub(super) repairing: bool,
    /// How many snapshots have come in a row that fail their own check.
    pub(super) bad_snapshots: u8,
    /// The subscriptions that select it.
    pub(super) subscriptions: Vec<SubscriptionId>,
}

/// What a topic's number stands for on this connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Numbered {
    Topic(TopicKey),
    /// No subscription selects it any more, but the gateway may not know that yet: since so many requests.
    Left(u64),
}

/// The topics that a session knows, by path and by their numbers on this connection.
#[derive(Debug, Default)]
pub(super) struct Replicas {
    topics: Vec<Option<KnownTopic>>,
    free: Vec<usize>,
    by_path: BTreeMap<Path, TopicKey>,
    by_number: BTreeMap<TopicNumber, Numbered>,
    /// The numbers that were left, in that order; some may have been taken up again.
    left: VecDeque<(u64, TopicNumber)>,
    /// How many topics have no number yet on this connection.
    unnumbered: usize,
}

impl Replicas {
    pub(super) fn len(&self) -> usize {
        self.by_path.len()
    }

    /// How many numbers are known on this connection.
    pub(super) fn numbers(&self) -> usize {
        self.by_number.len()
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

    /// What this number stands for; `None` if it was never announced.
    pub(super) fn numbered(&self, number: TopicNumber) -> Option<Numbered> {
        self.by_number.get(&number).copied()
    }

    /// The topics that a selector matches, in the order of their paths. Takes time in proportion to
    /// the topics that begin like it.
    pub(super) fn matching<'a>(&'a self, selector: &'a Selector) -> impl Iterator<Item = (TopicKey, &'a KnownTopic)> {
        let prefix = literal_prefix(selector);
        self.by_path
            .range::<str, _>((Bound::Included(prefix), Bound::Unbounded))
            .take_while(move |(path, _)| path.as_str().starts_with(prefix))
            .filter(|(path, _)| selector.matches(path.as_str()))
            .filter_map(|(_, key)| Some((*key, self.get(*key)?)))
    }

    /// The topics that a selector matches and that have not been announced on this connection.
    pub(super) fn unnumbered(&self, selector: &Selector) -> Vec<TopicKey> {
        if self.unnumbered == 0 {
            return Vec::new();
        }
        self.matching(selector).filter(|(_, topic)| topic.number.is_none()).map(|(key, _)| key).collect()
    }

    /// Takes in a topic that has no number yet.
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
        self.unnumbered += 1;
        self.by_path.insert(path, key);
        key
    }

    /// Gives a topic its number on this connection.
    pub(super) fn number(&mut self, number: TopicNumber, key: TopicKey) {
        let Some(topic) = self.get_mut(key) else { return };
        if topic.number.replace(number).is_none() {
            self.unnumbered -= 1;
        }
        self.by_number.insert(number, Numbered::Topic(key));
    }

    /// Drops a topic. Its number, if it has one, stays known, so that late news of it is no fault.
    pub(super) fn remove(&mut self, key: TopicKey, now: u64) -> Option<KnownTopic> {
        let topic = self.topics.get_mut(key.0)?.take()?;
        self.free.push(key.0);
        self.by_path.remove(&topic.path);
        match topic.number {
            None => self.unnumbered -= 1,
            Some(number) => self.leave(number, now),
        }
        Some(topic)
    }

    /// Nothing selects the topic with this number, after `now` requests.
    pub(super) fn leave(&mut self, number: TopicNumber, now: u64) {
        if !matches!(self.by_number.get(&number), Some(Numbered::Left(_))) {
            self.by_number.insert(number, Numbered::Left(now));
            self.left.push_back((now, number));
        }
    }

    /// A topic is gone for good, and so is its number.
    pub(super) fn retire(&mut self, number: TopicNumber) {
        self.by_number.remove(&number);
    }

    /// The gateway has come as far as the request after this many: what was left before it is not
    /// spoken of any more.
    pub(super) fn forget_left(&mut self, requests: u64) {
        while self.left.len() > KEPT_NUMBERS
            && let Some((left, number)) = self.left.front().copied()
            && left < requests
        {
            self.left.pop_front();
            if self.by_number.get(&number) == Some(&Numbered::Left(left)) {
                self.by_number.remove(&number);
            }
        }
    }

    /// The connection is gone: numbers mean nothing on the next one.
    pub(super) fn disconnect(&mut self) {
        self.by_number.clear();
        self.left.clear();
        self.unnumbered = self.by_path.len();
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

/// What every path that a selector matches begins with.
fn literal_prefix(selector: &Selector) -> &str {
    let literal = selector.segments().take_while(|segment| !matches!(*segment, "*" | "**"));
    let length: usize = literal.map(|segment| segment.len() + 1).sum();
    selector.as_str().get(..length.saturating_sub(1)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::format;

    fn topic(path: &str) -> KnownTopic {
        KnownTopic {
            path: Path::new(path).unwrap(),
            partition: Partition(0),
            kind: TopicKind::Value,
            value_type: ValueType::Text,
            number: None,
            last_number: None,
            cursor: Version::NONE,
            sequence: 0,
            value: None,
            version: Version::NONE,
            told_sequence: None,
            received: Timestamp::ZERO,
            repairing: false,
            bad_snapshots: 0,
            subscriptions: Vec::new(),
        }
    }

    #[test]
    fn finds_what_a_selector_matches() {
        let mut replicas = Replicas::default();
        let paths = ["a", "a/b", "a/b/c", "a/bc", "ab", "b/b"];
        for path in paths {
            replicas.insert(topic(path));
        }
        for text in ["a", "a/*", "a/**", "a/b", "a/b/**", "**", "*", "*/b", "**/b", "x/**", "a/*/c"] {
            let selector = Selector::new(text).unwrap();
            let found: Vec<&str> = replicas.matching(&selector).map(|(_, topic)| topic.path.as_str()).collect();
            let expected: Vec<&str> = paths.into_iter().filter(|path| selector.matches(path)).collect();
            assert_eq!(found, expected, "{text}");
        }
    }

    #[test]
    fn numbers_of_topics_that_nothing_selects_are_forgotten_in_time() {
        let mut replicas = Replicas::default();
        for number in 0..100_000_u32 {
            let key = replicas.insert(topic(&format!("a/{number}")));
            replicas.number(TopicNumber(number), key);
            replicas.remove(key, u64::from(number));
            assert_eq!(replicas.numbered(TopicNumber(number)), Some(Numbered::Left(u64::from(number))));
            replicas.forget_left(u64::from(number));
        }
        assert_eq!(replicas.len(), 0);
        assert!(replicas.numbers() <= KEPT_NUMBERS + 1 && replicas.topics.len() == 1);
    }

    #[test]
    fn a_number_taken_up_again_is_not_forgotten() {
        let mut replicas = Replicas::default();
        replicas.leave(TopicNumber(1), 1);
        let key = replicas.insert(topic("a"));
        replicas.number(TopicNumber(1), key);
        for number in 2..5000 {
            replicas.leave(TopicNumber(number), 3);
        }
        replicas.forget_left(100);
        assert_eq!(replicas.numbered(TopicNumber(1)), Some(Numbered::Topic(key)));
    }
}
