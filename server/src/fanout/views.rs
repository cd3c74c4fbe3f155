//! The topics that the sessions of a shard select, and who selects each.

use core::time::Duration;

use hashbrown::HashMap;
use outpour_core::peer::{Topic, Topics};
use outpour_core::{TopicNumber, Version};

/// One session's interest in a topic.
#[derive(Clone, Copy, Debug)]
pub(super) struct Subscriber {
    /// The session's place in the shard.
    pub(super) key: u32,
    /// The least time between two tellings.
    pub(super) interval: Duration,
    /// Up to where joining has seen to everything. The view may still be behind that: the broker was ahead of what
    /// the shard had heard of.
    pub(super) joined: Version,
    /// Whether the session was not told the value that there was, so that it holds nothing that a delta
    /// could start from.
    pub(super) is_blank: bool,
}

/// A topic as the shard's sessions are told of it.
#[derive(Debug)]
pub(super) struct View {
    pub(super) topic: Topic,
    pub(super) subscribers: Vec<Subscriber>,
}

/// Every topic that a session of the shard selects.
#[derive(Debug, Default)]
pub(super) struct Views {
    views: HashMap<TopicNumber, View, foldhash::fast::RandomState>,
}

impl Views {
    pub(super) fn get(&self, number: TopicNumber) -> Option<&View> {
        self.views.get(&number)
    }

    pub(super) fn get_mut(&mut self, number: TopicNumber) -> Option<&mut View> {
        self.views.get_mut(&number)
    }

    pub(super) fn remove(&mut self, number: TopicNumber) -> Option<View> {
        self.views.remove(&number)
    }

    /// Adds a subscriber, and the view if it is the first. Returns the subscriber's index.
    pub(super) fn join(&mut self, topic: &Topic, subscriber: Subscriber) -> u32 {
        let view =
            self.views.entry(topic.number()).or_insert_with(|| View { topic: topic.clone(), subscribers: Vec::new() });
        view.subscribers.push(subscriber);
        (view.subscribers.len() - 1) as u32
    }

    /// Another subscription of a session selects the topic: the shorter interval holds.
    pub(super) fn quicken(&mut self, number: TopicNumber, index: u32, interval: Duration) {
        if let Some(view) = self.views.get_mut(&number)
            && let Some(subscriber) = view.subscribers.get_mut(index as usize)
        {
            subscriber.interval = subscriber.interval.min(interval);
        }
    }

    /// Removes a subscriber, and the view if it was the last. Returns the key of the subscriber
    /// that took over its index, if any.
    pub(super) fn leave(&mut self, number: TopicNumber, index: u32) -> Option<u32> {
        let view = self.views.get_mut(&number)?;
        let index = index as usize;
        if index >= view.subscribers.len() {
            return None;
        }
        view.subscribers.swap_remove(index);
        let moved = view.subscribers.get(index).map(|subscriber| subscriber.key);
        if view.subscribers.is_empty() {
            self.views.remove(&number);
        }
        moved
    }
}

impl Topics for Views {
    fn topic(&self, number: TopicNumber) -> Option<&Topic> {
        self.views.get(&number).map(|view| &view.topic)
    }
}
