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
    /// The first change it has not been told.
    pub(super) since: Version,
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

#[derive(Debug)]
pub(super) enum Item {
    Topic(Dirty),
    /// All topics of a subscription stand before this.
    Subscribed {
        id: SubscriptionId,
        topics: u64,
        /// Where the log stood when they were looked up.
        head: Version,
    },
}

/// The dirty topics of a session, oldest change first, and those that wait out their rate.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    queue: VecDeque<Item>,
    /// How many items have left the front of the queue: an item's place is its index plus this.
    gone: u64,
    /// Where each topic stands; kept only while the queue is long.
    places: BTreeMap<TopicNumber, u64>,
    /// Topics told lately whose rate forbids telling them again yet.
    resting: BTreeMap<TopicNumber, Resting>,
    wake: BTreeSet<(Timestamp, TopicNumber)>,
    /// Whether a topic that rested may stand behind newer changes.
    shuffled: bool,
}

#[derive(Debug)]
struct Resting {
    until: Timestamp,
    owed: Option<Dirty>,
}

impl Outbox {
    pub(super) fn len(&self) -> usize {
        self.queue.len() + self.resting.len()
    }

    /// Notes that a topic went from `dirty.base` on. What is already owed stays owed from where it was.
    pub(super) fn note(&mut self, dirty: Dirty) {
        if let Some(resting) = self.resting.get_mut(&dirty.topic) {
            match (&mut resting.owed, dirty.what) {
                (_, Owed::Changes) => {
                    resting.owed.get_or_insert(dirty);
                    return;
                }
                // A removal or a repair does not wait.
                _ => self.stop_resting(dirty.topic),
            }
        }
        if let Some(owed) = self.find(dirty.topic) {
            match (owed.what, dirty.what) {
                (Owed::Announcement, Owed::Removal(_)) => owed.what = Owed::Nothing,
                (_, Owed::Removal(_)) => owed.what = dirty.what,
                (Owed::Nothing, _) => *owed = dirty,
                // A repair: start from nothing.
                (Owed::Changes, _) if dirty.base == Version::NONE => owed.base = Version::NONE,
                _ => {}
            }
            return;
        }
        self.push(Item::Topic(dirty));
    }

    pub(super) fn note_subscribed(&mut self, id: SubscriptionId, topics: u64, head: Version) {
        self.push(Item::Subscribed { id, topics, head });
    }

    /// Owes nothing of this topic any more. `true` if it was still to be announced.
    pub(super) fn drop_topic(&mut self, topic: TopicNumber) -> bool {
        self.stop_resting(topic);
        let Some(owed) = self.find(topic) else { return false };
        let unannounced = owed.what == Owed::Announcement;
        owed.what = Owed::Nothing;
        unannounced
    }

    /// The oldest item.
    pub(super) fn pop(&mut self) -> Option<Item> {
        let item = self.queue.pop_front()?;
        self.gone += 1;
        if let Item::Topic(dirty) = &item
            && !self.places.is_empty()
        {
            self.places.remove(&dirty.topic);
        }
        if self.queue.is_empty() {
            self.places.clear();
            self.shuffled = false;
            if self.queue.capacity() > 4 * SCAN_LIMIT {
                self.queue = VecDeque::new();
            }
        }
        Some(item)
    }

    /// Puts an item back that could not be told yet.
    pub(super) fn put_back(&mut self, item: Item) {
        self.gone -= 1;
        if let Item::Topic(dirty) = &item
            && !self.places.is_empty()
        {
            self.places.insert(dirty.topic, self.gone);
        }
        self.queue.push_front(item);
    }

    /// A topic with a rate has been told: it rests until the rate allows the next telling.
    pub(super) fn rest(&mut self, topic: TopicNumber, until: Timestamp) {
        self.resting.insert(topic, Resting { until, owed: None });
        self.wake.insert((until, topic));
    }

    /// Wakes the topics whose rest is over.
    pub(super) fn handle_timeout(&mut self, now: Timestamp) {
        while let Some((until, topic)) = self.wake.first().copied()
            && until <= now
        {
            self.wake.pop_first();
            if let Some(Resting { owed: Some(dirty), .. }) = self.resting.remove(&topic) {
                self.shuffled = true;
                self.push(Item::Topic(dirty));
            }
        }
    }

    /// When the next rest is over, if anything waits for it.
    pub(super) fn poll_timeout(&self) -> Option<Timestamp> {
        self.wake.first().map(|(until, _)| *until)
    }

    /// The oldest change not told, if any: all before it has been.
    pub(super) fn oldest(&self) -> Option<Version> {
        let mut queued = self.queue.iter().filter_map(|item| match item {
            Item::Topic(Dirty { what: Owed::Nothing, .. }) | Item::Subscribed { .. } => None,
            Item::Topic(dirty) => Some(dirty.since),
        });
        // Changes are noted in the order of the log; only a topic that rested may stand behind newer ones.
        let queued = if self.shuffled { queued.min() } else { queued.next() };
        let resting = self.resting.values().filter_map(|resting| resting.owed.map(|dirty| dirty.since)).min();
        queued.into_iter().chain(resting).min()
    }

    fn stop_resting(&mut self, topic: TopicNumber) {
        if let Some(resting) = self.resting.remove(&topic) {
            self.wake.remove(&(resting.until, topic));
        }
    }

    fn push(&mut self, item: Item) {
        if let Item::Topic(dirty) = &item {
            if !self.places.is_empty() {
                self.places.insert(dirty.topic, self.gone + self.queue.len() as u64);
            } else if self.queue.len() >= SCAN_LIMIT {
                for (index, queued) in self.queue.iter().enumerate() {
                    if let Item::Topic(queued) = queued {
                        self.places.insert(queued.topic, self.gone + index as u64);
                    }
                }
                self.places.insert(dirty.topic, self.gone + self.queue.len() as u64);
            }
        }
        self.queue.push_back(item);
    }

    fn find(&mut self, topic: TopicNumber) -> Option<&mut Dirty> {
        if self.places.is_empty() {
            self.queue.iter_mut().find_map(|item| match item {
                Item::Topic(dirty) if dirty.topic == topic => Some(dirty),
                Item::Topic(_) | Item::Subscribed { .. } => None,
            })
        } else {
            let place = self.places.get(&topic)?;
            match self.queue.get_mut(usize::try_from(place - self.gone).ok()?)? {
                Item::Topic(dirty) => Some(dirty),
                Item::Subscribed { .. } => None,
            }
        }
    }
}
