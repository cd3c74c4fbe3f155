//! What a gateway still owes one session: topics that changed, not messages.

use alloc::collections::{BTreeMap, BTreeSet, VecDeque};
use core::time::Duration;

use crate::position::{SubscriptionId, TopicNumber, Version};
use crate::time::Timestamp;

/// Up to this many entries a look-up just looks through them all.
const SCAN_LIMIT: usize = 16;

/// A topic that changed since the session was last told of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Dirty {
    pub(super) topic: TopicNumber,
    /// What the session was last told.
    pub(super) base: Version,
    /// The first change it has not been told; `None` if no mark depends on when it is.
    pub(super) since: Option<Version>,
    /// The least time between two tellings.
    pub(super) interval: Duration,
    pub(super) what: Owed,
}

/// What is owed of a dirty topic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Owed {
    /// The way from `base` to what is current.
    Changes,
    /// The same, and the topic's number before it.
    Announcement,
    /// That the topic is no more.
    Removal(Version),
    /// Nothing any more.
    Nothing,
}

#[derive(Debug, PartialEq, Eq)]
pub(super) enum Item {
    Topic(Dirty),
    /// All topics of a subscription stand before this.
    Subscribed {
        id: SubscriptionId,
        topics: u64,
        /// Where the log stood when they were looked up.
        head: Version,
    },
    /// What stood here need not be said any more.
    Withdrawn,
}

/// The dirty topics of a session, oldest change first, and those that wait out their rate.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    queue: VecDeque<Item>,
    /// How many items have left the front of the queue, less those put there: an item's place is its index plus this.
    gone: u64,
    /// Kept only while the queue is long.
    index: Option<Index>,
    /// Topics told lately whose rate forbids telling them again yet.
    resting: BTreeMap<TopicNumber, Resting>,
    wake: BTreeSet<(Timestamp, TopicNumber)>,
    /// The first changes of those among them that have changed again.
    waiting: BTreeSet<(Version, TopicNumber)>,
}

/// Finds the topics of a long queue.
#[derive(Debug, Default)]
struct Index {
    places: BTreeMap<TopicNumber, u64>,
    /// The first changes that a mark depends on.
    sinces: BTreeSet<(Version, TopicNumber)>,
}

#[derive(Debug)]
struct Resting {
    until: Timestamp,
    owed: Option<Dirty>,
}

impl Dirty {
    /// The change up to which no mark may go until the topic has been told.
    fn bound(&self) -> Option<(Version, TopicNumber)> {
        self.since.filter(|_| self.what != Owed::Nothing).map(|since| (since, self.topic))
    }

    /// What is owed when `news` comes on top.
    fn with(self, news: Self) -> Self {
        match (self.what, news.what) {
            (Owed::Announcement, Owed::Removal(_)) => Self { what: Owed::Nothing, ..self },
            (_, Owed::Removal(_)) => Self { what: news.what, ..self },
            (Owed::Nothing, _) => news,
            (Owed::Changes, Owed::Announcement) => Self { since: self.since.or(news.since), ..news },
            // A repair, or the first value for a session that holds none: start from nothing.
            (Owed::Changes | Owed::Announcement, Owed::Changes) if news.base == Version::NONE => {
                Self { base: Version::NONE, ..self }
            }
            _ => self,
        }
    }
}

impl Outbox {
    /// How many topics it takes memory for.
    pub(super) fn len(&self) -> usize {
        self.queue.len() + self.resting.len()
    }

    /// How many items could be told now.
    pub(super) fn due(&self) -> usize {
        self.queue.len()
    }

    /// Notes that a topic went from `dirty.base` on. What is already owed stays owed from where it was.
    pub(super) fn note(&mut self, mut dirty: Dirty) {
        if let Some(resting) = self.resting.get_mut(&dirty.topic) {
            // A removal does not wait, nor does a session that holds nothing.
            if dirty.what == Owed::Changes && dirty.base != Version::NONE {
                if resting.owed.is_none() {
                    resting.owed = Some(dirty);
                    self.waiting.extend(dirty.bound());
                }
                return;
            }
            if let Some(owed) = self.stop_resting(dirty.topic) {
                dirty.since = owed.since;
            }
        }
        if !self.change(dirty.topic, |owed| owed.with(dirty)) {
            self.push(Item::Topic(dirty));
        }
    }

    pub(super) fn note_subscribed(&mut self, id: SubscriptionId, topics: u64, head: Version) {
        self.push(Item::Subscribed { id, topics, head });
    }

    /// Notes the same, to be told before everything that is owed.
    pub(super) fn note_first(&mut self, mut dirty: Dirty) {
        if let Some(owed) = self.stop_resting(dirty.topic) {
            dirty.since = owed.since;
        }
        let owed = self.take(dirty.topic).map_or(dirty, |owed| owed.with(dirty));
        self.put_back(Item::Topic(owed));
    }

    /// Whether it was still to be said that all topics of a subscription stand before: it will not be said.
    pub(super) fn withdraw_subscribed(&mut self, subscription: SubscriptionId) -> bool {
        let is_it = |item: &&mut Item| matches!(item, Item::Subscribed { id, .. } if *id == subscription);
        self.queue.iter_mut().find(is_it).map(|item| *item = Item::Withdrawn).is_some()
    }

    /// Owes nothing of this topic any more. `true` if it was still to be announced.
    pub(super) fn drop_topic(&mut self, topic: TopicNumber) -> bool {
        self.stop_resting(topic);
        let mut unannounced = false;
        self.change(topic, |owed| {
            unannounced = owed.what == Owed::Announcement;
            Dirty { what: Owed::Nothing, ..owed }
        });
        unannounced
    }

    /// The oldest item.
    pub(super) fn pop(&mut self) -> Option<Item> {
        let item = self.queue.pop_front()?;
        self.gone = self.gone.wrapping_add(1);
        if let (Item::Topic(dirty), Some(index)) = (&item, &mut self.index) {
            index.remove(dirty);
        }
        if self.queue.is_empty() {
            self.index = None;
            if self.queue.capacity() > 4 * SCAN_LIMIT {
                self.queue = VecDeque::new();
            }
        }
        Some(item)
    }

    /// Puts an item back that could not be told yet.
    pub(super) fn put_back(&mut self, item: Item) {
        self.gone = self.gone.wrapping_sub(1);
        if let (Item::Topic(dirty), Some(index)) = (&item, &mut self.index) {
            index.insert(dirty, self.gone);
        }
        self.queue.push_front(item);
    }

    /// A topic with a rate has been told: it rests until the rate allows the next telling.
    pub(super) fn rest(&mut self, topic: TopicNumber, until: Timestamp) {
        self.stop_resting(topic);
        self.resting.insert(topic, Resting { until, owed: None });
        self.wake.insert((until, topic));
    }

    /// Wakes the topics whose rest is over.
    pub(super) fn handle_timeout(&mut self, now: Timestamp) {
        while let Some((until, topic)) = self.wake.first().copied()
            && until <= now
        {
            if let Some(dirty) = self.stop_resting(topic) {
                self.push(Item::Topic(dirty));
            }
        }
    }

    /// When the next rest is over.
    pub(super) fn poll_timeout(&self) -> Option<Timestamp> {
        self.wake.first().map(|(until, _)| *until)
    }

    /// The oldest change not told, if any: all before it has been.
    pub(super) fn oldest(&self) -> Option<Version> {
        let queued = match &self.index {
            Some(index) => index.sinces.first().map(|(since, _)| *since),
            None => self.topics().filter_map(Dirty::bound).map(|(since, _)| since).min(),
        };
        let waiting = self.waiting.first().map(|(since, _)| *since);
        queued.into_iter().chain(waiting).min()
    }

    fn topics(&self) -> impl Iterator<Item = &Dirty> {
        self.queue.iter().filter_map(|item| match item {
            Item::Topic(dirty) => Some(dirty),
            Item::Subscribed { .. } | Item::Withdrawn => None,
        })
    }

    /// Ends a topic's rest. Returns what is owed of it.
    fn stop_resting(&mut self, topic: TopicNumber) -> Option<Dirty> {
        let resting = self.resting.remove(&topic)?;
        self.wake.remove(&(resting.until, topic));
        let bound = resting.owed.as_ref().and_then(Dirty::bound);
        if let Some(bound) = bound {
            self.waiting.remove(&bound);
        }
        resting.owed
    }

    fn push(&mut self, item: Item) {
        if self.index.is_none() && self.queue.len() >= SCAN_LIMIT {
            let mut index = Index::default();
            for (place, queued) in self.queue.iter().enumerate() {
                if let Item::Topic(dirty) = queued {
                    index.insert(dirty, self.gone.wrapping_add(place as u64));
                }
            }
            self.index = Some(index);
        }
        if let (Item::Topic(dirty), Some(index)) = (&item, &mut self.index) {
            index.insert(dirty, self.gone.wrapping_add(self.queue.len() as u64));
        }
        self.queue.push_back(item);
    }

    /// Where a topic stands in the queue.
    fn place(&self, topic: TopicNumber) -> Option<usize> {
        match &self.index {
            None => self.queue.iter().position(|item| matches!(item, Item::Topic(dirty) if dirty.topic == topic)),
            Some(index) => usize::try_from(index.places.get(&topic)?.wrapping_sub(self.gone)).ok(),
        }
    }

    /// Takes a topic out of the queue.
    fn take(&mut self, topic: TopicNumber) -> Option<Dirty> {
        let place = self.place(topic)?;
        let Item::Topic(dirty) = core::mem::replace(self.queue.get_mut(place)?, Item::Withdrawn) else { return None };
        if let Some(index) = &mut self.index {
            index.remove(&dirty);
        }
        Some(dirty)
    }

    /// Changes what is owed of a topic in its place. `false` if it does not stand in the queue.
    fn change(&mut self, topic: TopicNumber, change: impl FnOnce(Dirty) -> Dirty) -> bool {
        let found = self.place(topic).and_then(|place| self.queue.get_mut(place));
        let Some(Item::Topic(dirty)) = found else { return false };
        let before = dirty.bound();
        *dirty = change(*dirty);
        let after = dirty.bound();
        if let Some(index) = &mut self.index
            && before != after
        {
            if let Some(before) = before {
                index.sinces.remove(&before);
            }
            index.sinces.extend(after);
        }
        true
    }
}

impl Index {
    fn insert(&mut self, dirty: &Dirty, place: u64) {
        self.places.insert(dirty.topic, place);
        self.sinces.extend(dirty.bound());
    }

    fn remove(&mut self, dirty: &Dirty) {
        self.places.remove(&dirty.topic);
        if let Some(bound) = dirty.bound() {
            self.sinces.remove(&bound);
        }
    }
}

#[cfg(test)]
mod tests;
