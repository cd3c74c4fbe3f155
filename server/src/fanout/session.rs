//! A session as its shard keeps it.

use core::time::Duration;
use std::collections::BTreeMap;

use outpour_core::peer::Peer;
use outpour_core::wire::HistoryStart;
use outpour_core::{Selector, SubscriptionId, Timestamp, TopicNumber};

use crate::broker::SessionId;

#[derive(Debug)]
pub(super) struct Session {
    pub(super) id: SessionId,
    pub(super) peer: Peer,
    pub(super) subscriptions: Vec<Subscription>,
    /// The topics that the session selects, and its place among the subscribers of each.
    pub(super) topics: BTreeMap<TopicNumber, u32>,
    /// Whether the session stands in the shard's list of those with something to say.
    pub(super) ready: bool,
    /// Whether it stands in the list of those with requests.
    pub(super) asking: bool,
    /// The time it is to be woken at, at the latest.
    pub(super) alarm: Option<Timestamp>,
}

#[derive(Debug)]
pub(super) struct Subscription {
    pub(super) id: SubscriptionId,
    pub(super) selector: Selector,
    pub(super) interval: Duration,
    pub(super) from: HistoryStart,
}

impl Session {
    /// The least time between two tellings of a topic: the shortest of all subscriptions that select it.
    pub(super) fn interval_of(&self, path: &str) -> Duration {
        self.subscriptions
            .iter()
            .filter(|subscription| subscription.selector.matches(path))
            .map(|subscription| subscription.interval)
            .min()
            .unwrap_or_default()
    }

    pub(super) fn subscription(&self, id: SubscriptionId) -> Option<&Subscription> {
        self.subscriptions.iter().find(|subscription| subscription.id == id)
    }
}
