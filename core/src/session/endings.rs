//! Subscriptions that the application has ended, until the gateway has let go of what they selected.
//!
//! News that are on their way down when a subscription ends may be of topics that one asked for later selects as
//! well. Once the gateway says that it has let go, these are there only if it announces them again: it need not
//! tell of the end of a topic that it let go of and that was removed before it was asked for again.

use alloc::collections::VecDeque;

use super::Session;
use super::replicas::TopicKey;
use crate::position::SubscriptionId;
use crate::selector::Selector;

/// How many ends may wait for the gateway's answer before no new subscription is taken.
const MAX_ENDINGS: usize = 4096;

/// The ends that the gateway has not answered, oldest first: it answers them in this order.
#[derive(Debug, Default)]
pub(super) struct Endings {
    waiting: VecDeque<Ending>,
}

#[derive(Debug)]
struct Ending {
    id: SubscriptionId,
    selector: Selector,
    /// When the subscription was queued to be asked for, and when its end was, counted in requests.
    begun_at: u64,
    ended_at: u64,
}

impl Endings {
    pub(super) fn push(&mut self, id: SubscriptionId, selector: Selector, begun_at: u64, ended_at: u64) {
        self.waiting.push_back(Ending { id, selector, begun_at, ended_at });
    }

    /// Whether as many wait as may.
    pub(super) fn are_too_many(&self) -> bool {
        self.waiting.len() >= MAX_ENDINGS
    }

    /// No answer comes to what was asked on a connection that is gone.
    pub(super) fn disconnect(&mut self) {
        self.waiting = VecDeque::new();
    }

    /// Whether a subscription that has ended since selected a path after so many requests.
    fn selected(&self, path: &str, requests: u64) -> bool {
        let mut there = self.waiting.iter().filter(|ending| ending.begun_at <= requests);
        there.any(|ending| ending.selector.matches(path))
    }

    /// Takes out the end of a subscription, if it waits.
    fn remove(&mut self, id: SubscriptionId) -> Option<Ending> {
        let place = self.waiting.iter().position(|ending| ending.id == id)?;
        self.waiting.remove(place)
    }
}

impl Session {
    /// The gateway has let go of what only this subscription selected when it was asked to.
    pub(super) fn handle_unsubscribed(&mut self, id: SubscriptionId) {
        let Some(ended) = self.endings.remove(id) else { return };
        self.replicas.forget_left(ended.ended_at);
        for key in self.replicas.matching(&ended.selector) {
            if !self.was_selected(key, ended.ended_at) {
                self.replicas.unannounce(key);
            }
        }
    }

    /// The gateway refused a subscription; its end, if that was on its way, is not answered.
    pub(super) fn forget_ending(&mut self, id: SubscriptionId) {
        self.endings.remove(id);
    }

    /// Whether a subscription selected a topic after so many requests.
    fn was_selected(&self, key: TopicKey, requests: u64) -> bool {
        let Some(topic) = self.replicas.get(key) else { return false };
        topic.subscriptions.iter().any(|id| self.subscriptions.asked_at(*id) <= requests)
            || self.endings.selected(topic.path.as_str(), requests)
    }
}
