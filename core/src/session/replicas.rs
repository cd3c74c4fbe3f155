//! The topics that a session knows, and its copies of them.

use alloc::collections::VecDeque;
use alloc::vec::Vec;
use bytes::Bytes;

use super::ordered::{Index, Slab, Table};
use crate::path::Path;
use crate::position::{Epoch, Partition, SubscriptionId, TopicNumber, Version};
use crate::selector::Selector;
use crate::time::Timestamp;
use crate::value::{TopicKind, ValueType};

/// How many numbers of topics that nothing selects any more are kept before any is forgotten.
const KEPT_NUMBERS: usize = 1024;

/// A topic's place in the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct TopicKey(u32);

/// A topic as the session holds it: about 300 bytes with what finds it, beside path and value.
#[derive(Debug)]
pub(super) struct KnownTopic {
    pub(super) path: Path,
    pub(super) partition: Partition,
    pub(super) kind: TopicKind,
    pub(super) value_type: ValueType,
    /// Its number in this epoch, on every gateway; `None` until it is announced. A topic that was
    /// removed and made anew has another.
    pub(super) number: Option<TopicNumber>,
    /// The connection on which it was last announced.
    announced: u64,
    /// The connection whose hello said where the session is with this topic.
    carried: u64,
    /// Whether no subscription that goes on with it has selected it since.
    is_unclaimed: bool,
    /// The version that the next delta or event counts from.
    pub(super) cursor: Version,
    /// The sequence number of the event at the cursor.
    pub(super) sequence: u64,
    pub(super) value: Option<Bytes>,
    /// The life of the log that the value is of, and its version there.
    pub(super) told_as: (Epoch, Version),
    /// The version of the value or newest event that the application was told in this epoch.
    pub(super) version: Version,
    /// The sequence number of the newest event that the application was told of; `None` before the
    /// topic was announced in this epoch.
    pub(super) told_sequence: Option<u64>,
    /// Whether the application has heard anything of it.
    pub(super) is_known: bool,
    pub(super) received: Timestamp,
    /// A snapshot has been asked for; deltas until then are of no use.
    pub(super) repairing: bool,
    /// How many snapshots have come in a row that fail their own check.
    pub(super) bad_snapshots: u8,
    /// The subscriptions that select it.
    pub(super) subscriptions: Vec<SubscriptionId>,
}

/// What a topic's number stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Numbered {
    Topic(TopicKey),
    /// No subscription selects it any more, but the gateway may not know that yet: since so many requests.
    Left(u64),
}

/// The topics that a session knows, by path and by their numbers.
#[derive(Debug)]
pub(super) struct Replicas {
    topics: Slab<KnownTopic>,
    by_path: Index<Path>,
    by_number: Table<u64, Numbered>,
    /// The numbers that were left, in that order; some may have been taken up again.
    left: VecDeque<(u64, TopicNumber)>,
    /// Counts connections.
    connection: u64,
    /// How many topics have not been announced on this connection.
    unannounced: usize,
}

impl KnownTopic {
    /// A topic that nothing has been told of yet.
    pub(super) const fn new(path: Path, partition: Partition, kind: TopicKind, value_type: ValueType) -> Self {
        Self {
            path,
            partition,
            kind,
            value_type,
            number: None,
            announced: 0,
            carried: 0,
            is_unclaimed: false,
            cursor: Version::NONE,
            sequence: 0,
            value: None,
            told_as: (Epoch([0; 16]), Version::NONE),
            version: Version::NONE,
            told_sequence: None,
            is_known: false,
            received: Timestamp::ZERO,
            repairing: false,
            bad_snapshots: 0,
            subscriptions: Vec::new(),
        }
    }

    /// A new subscription selects it. What the hello said of it counts only for one that goes on.
    pub(super) fn select(&mut self, id: SubscriptionId, goes_on: bool) {
        self.is_unclaimed = !goes_on && (self.is_unclaimed || self.subscriptions.is_empty());
        self.subscriptions.push(id);
    }

    /// What the hello said of it counts no longer.
    pub(super) const fn forget_carried(&mut self) {
        self.carried = 0;
    }

    /// Sets the cursor to what the application was told last, which is where a gateway goes on from, and
    /// returns it; `None` if nothing can be continued.
    fn settle(&mut self) -> Option<Version> {
        if self.version > self.cursor {
            self.cursor = self.version;
            self.sequence = self.told_sequence.unwrap_or(self.sequence);
        }
        (!self.repairing).then_some(self.cursor)
    }
}

impl Default for Replicas {
    fn default() -> Self {
        Self {
            topics: Slab::new(),
            by_path: Index::new(),
            by_number: Table::new(),
            left: VecDeque::new(),
            // No topic has been announced on the connection before the first.
            connection: 1,
            unannounced: 0,
        }
    }
}

impl Replicas {
    pub(super) fn len(&self) -> usize {
        self.by_path.len()
    }

    /// How many numbers are known.
    pub(super) fn numbers(&self) -> usize {
        self.by_number.len()
    }

    pub(super) fn get(&self, key: TopicKey) -> Option<&KnownTopic> {
        self.topics.get(key.0)
    }

    pub(super) fn get_mut(&mut self, key: TopicKey) -> Option<&mut KnownTopic> {
        self.topics.get_mut(key.0)
    }

    pub(super) fn at(&self, path: &str) -> Option<TopicKey> {
        self.by_path.get(path).map(TopicKey)
    }

    /// What this number stands for; `None` if it was never announced.
    pub(super) fn numbered(&self, number: TopicNumber) -> Option<Numbered> {
        self.by_number.get(&number.0.into()).copied()
    }

    /// The topics that a selector matches, in the order of their paths. Takes time in proportion to
    /// the topics that begin like it.
    pub(super) fn matching(&self, selector: &Selector) -> Vec<TopicKey> {
        let prefix = literal_prefix(selector);
        let mut matching = Vec::new();
        for (path, slot) in self.by_path.iter_from(prefix) {
            if !path.as_str().starts_with(prefix) {
                break;
            }
            if selector.matches(path.as_str()) {
                matching.push(TopicKey(slot));
            }
        }
        matching
    }

    /// The topics that a selector matches and that have not been announced on this connection.
    pub(super) fn unannounced(&self, selector: &Selector) -> Vec<TopicKey> {
        if self.unannounced == 0 {
            return Vec::new();
        }
        let mut matching = self.matching(selector);
        matching.retain(|key| self.get(*key).is_some_and(|topic| !self.is_announced(topic)));
        matching
    }

    /// Whether a topic has been announced on this connection.
    pub(super) const fn is_announced(&self, topic: &KnownTopic) -> bool {
        topic.announced == self.connection
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &KnownTopic> {
        self.topics.iter()
    }

    /// Takes in a topic that was known by this number when the program ran last.
    pub(super) fn restore(&mut self, number: TopicNumber, mut topic: KnownTopic) {
        topic.number = Some(number);
        let key = self.insert(topic);
        self.by_number.insert(number.0.into(), Numbered::Topic(key));
    }

    /// Whether the hello of this connection said where the session is with a topic.
    pub(super) const fn is_carried(&self, topic: &KnownTopic) -> bool {
        topic.carried == self.connection && !topic.is_unclaimed
    }

    /// Settles the cursors of the topics that `carries` names: those of which the hello says where the
    /// session is. Gives each with what it was last told of it.
    pub(super) fn carry(
        &mut self,
        carries: impl Fn(&KnownTopic) -> bool,
    ) -> impl Iterator<Item = (TopicNumber, Partition, Option<Version>)> {
        let connection = self.connection;
        self.topics.iter_mut().filter_map(move |topic| {
            // A hello may be written twice: along with the upgrade, which the gateway need not take, and behind it.
            topic.forget_carried();
            if !carries(topic) {
                return None;
            }
            topic.carried = connection;
            topic.is_unclaimed = false;
            Some((topic.number?, topic.partition, topic.settle()))
        })
    }

    /// The topics that `selects` names and that have been told, each with what was told last of it.
    pub(super) fn told(
        &mut self,
        selects: impl Fn(&KnownTopic) -> bool,
    ) -> impl Iterator<Item = (TopicNumber, Version)> {
        let told = self.topics.iter_mut().filter(move |topic| topic.value.is_some() && selects(topic));
        told.filter_map(|topic| Some((topic.number?, topic.settle()?)))
    }

    /// Takes in a topic that has not been announced on this connection.
    pub(super) fn insert(&mut self, topic: KnownTopic) -> TopicKey {
        let path = topic.path.clone();
        let slot = self.topics.insert(topic);
        self.unannounced += 1;
        self.by_path.insert(path, slot);
        TopicKey(slot)
    }

    /// A topic is announced by its number.
    pub(super) fn number(&mut self, number: TopicNumber, key: TopicKey) {
        let connection = self.connection;
        let Some(topic) = self.get_mut(key) else { return };
        topic.number = Some(number);
        if core::mem::replace(&mut topic.announced, connection) != connection {
            self.unannounced -= 1;
        }
        self.by_number.insert(number.0.into(), Numbered::Topic(key));
    }

    /// What was announced of a topic may be out of date: it is there only if it is announced again.
    pub(super) fn unannounce(&mut self, key: TopicKey) {
        let connection = self.connection;
        let Some(topic) = self.get_mut(key) else { return };
        if core::mem::replace(&mut topic.announced, 0) == connection {
            self.unannounced += 1;
        }
    }

    /// Drops a topic. Its number, if it has one, stays known, so that late news of it is no fault.
    pub(super) fn remove(&mut self, key: TopicKey, now: u64) -> Option<KnownTopic> {
        let topic = self.topics.remove(key.0)?;
        self.by_path.remove(topic.path.as_str());
        if topic.announced != self.connection {
            self.unannounced -= 1;
        }
        if let Some(number) = topic.number {
            self.leave(number, now);
        }
        Some(topic)
    }

    /// Nothing selects the topic with this number, after `now` requests.
    pub(super) fn leave(&mut self, number: TopicNumber, now: u64) {
        if !matches!(self.by_number.get(&number.0.into()), Some(Numbered::Left(_))) {
            self.by_number.insert(number.0.into(), Numbered::Left(now));
            self.left.push_back((now, number));
        }
    }

    /// A topic is gone for good, and so is its number.
    pub(super) fn retire(&mut self, number: TopicNumber) {
        self.by_number.remove(&number.0.into());
    }

    /// The gateway has come as far as the request after this many: what was left before it is not
    /// spoken of any more.
    pub(super) fn forget_left(&mut self, requests: u64) {
        while self.left.len() > KEPT_NUMBERS
            && let Some((left, number)) = self.left.front().copied()
            && left < requests
        {
            self.left.pop_front();
            self.forget_if_left(number, left);
        }
    }

    /// Forgets a number unless it has been taken up again since it was left.
    fn forget_if_left(&mut self, number: TopicNumber, left: u64) {
        if self.by_number.get(&number.0.into()) == Some(&Numbered::Left(left)) {
            self.by_number.remove(&number.0.into());
        }
    }

    /// The connection is gone. The next one speaks of topics that are known by the same numbers, but
    /// not of those that were left.
    pub(super) fn disconnect(&mut self) {
        while let Some((left, number)) = self.left.pop_front() {
            self.forget_if_left(number, left);
        }
        self.connection += 1;
        self.unannounced = self.by_path.len();
    }

    /// The log began anew: versions held can't be compared with those to come.
    pub(super) fn begin_epoch(&mut self) {
        self.by_number.clear();
        self.left.clear();
        for topic in self.topics.iter_mut() {
            topic.number = None;
            topic.cursor = Version::NONE;
            topic.sequence = 0;
            topic.version = Version::NONE;
            topic.told_sequence = None;
            topic.repairing = false;
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
        KnownTopic::new(Path::new(path).unwrap(), Partition(0), TopicKind::Value, ValueType::Text)
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
            let found: Vec<&str> =
                replicas.matching(&selector).into_iter().map(|key| replicas.get(key).unwrap().path.as_str()).collect();
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
        assert!(replicas.numbers() <= KEPT_NUMBERS + 1 && replicas.topics.iter().count() == 0);
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
