//! A session as its shard keeps it.

use core::time::Duration;
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use outpour_core::peer::Peer;
use outpour_core::wire::HistoryStart;
use outpour_core::{ResumePoint, Selector, SubscriptionId, Timestamp, TopicNumber};

use super::fetching::Fetching;
use super::matching::Matching;
use crate::broker::SessionId;

/// A session that is owed news of so many topics is given no more of its subscriptions until it has
/// read some.
const OWED_LIMIT: usize = 4096;

#[derive(Debug)]
pub(super) struct Session {
    pub(super) id: SessionId,
    pub(super) peer: Peer,
    /// What the client knew when it connected, if that is of this log.
    pub(super) resume: Option<Arc<ResumePoint>>,
    /// Whether topics that it knows are left out, and only what became of them is told.
    pub(super) resumed: bool,
    /// Until when it waits for the gateway to have read what the client was told elsewhere.
    pub(super) parked_until: Option<Timestamp>,
    /// When the client's credentials, and so the session, end.
    pub(super) expires: Option<Timestamp>,
    pub(super) subscriptions: Vec<Subscription>,
    /// The topics that the session selects, and its place among the subscribers of each.
    pub(super) topics: BTreeMap<TopicNumber, u32>,
    /// Subscriptions that are not complete, oldest first.
    pub(super) matching: VecDeque<Matching>,
    /// Fetches that are not answered.
    pub(super) fetching: VecDeque<Fetching>,
    /// Whether the session stands in the shard's list of those with something to say.
    pub(super) ready: bool,
    /// Whether it stands in the list of those with requests.
    pub(super) asking: bool,
    /// Whether it stands in the list of those with subscriptions or fetches that can go on.
    pub(super) working: bool,
    /// The time it is to be woken at, at the latest.
    pub(super) alarm: Option<Timestamp>,
}

#[derive(Debug)]
pub(super) struct Subscription {
    pub(super) id: SubscriptionId,
    pub(super) selector: Selector,
    pub(super) interval: Duration,
    pub(super) from: HistoryStart,
    /// Whether the client held all topics of it when it connected, and goes on from there.
    pub(super) goes_on: bool,
    /// The topic that a selector without wildcards has matched.
    pub(super) only: Option<TopicNumber>,
}

impl Session {
    /// The least time between two tellings of a topic: the shortest of all subscriptions that select
    /// it. `None` if none does.
    pub(super) fn interval_of(&self, path: &str) -> Option<Duration> {
        let selecting = self.subscriptions.iter().filter(|subscription| subscription.selector.matches(path));
        selecting.map(|subscription| subscription.interval).min()
    }

    pub(super) fn subscription(&self, id: SubscriptionId) -> Option<&Subscription> {
        self.subscriptions.iter().find(|subscription| subscription.id == id)
    }

    /// Whether a subscription can take in more topics.
    pub(super) fn may_match(&self) -> bool {
        !self.matching.is_empty() && self.peer.is_live() && self.peer.owed() < OWED_LIMIT
    }

    /// Whether a fetch can be answered further.
    pub(super) fn may_fetch(&self) -> bool {
        !self.fetching.is_empty() && self.peer.is_live() && !self.peer.is_congested()
    }
}

impl Subscription {
    pub(super) fn took(&mut self, number: TopicNumber) {
        if self.selector.exact().is_some() {
            self.only = Some(number);
        }
    }
}
