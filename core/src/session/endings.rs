//! Subscriptions that the application has ended, until the gateway has let go of what they selected.
//!
//! News that are on their way down when a subscription ends may be of topics that one asked for later selects as
//! well. Once the gateway says that it has let go, these are there only if it announces them again: it need not
//! tell of the end of a topic that it let go of and that was removed before it was asked for again.

use alloc::collections::VecDeque;

use super::Session;
use super::replicas::TopicKey;
use super::subscriptions::Subscription;
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
    /// Whether topics of it were carried over, and the gateway has not said that it is up to date.
    carries: bool,
}

impl Endings {
    /// The end of a subscription is about to be asked for, after so many requests.
    pub(super) fn push(&mut self, id: SubscriptionId, ended: Subscription, ended_at: u64) {
        let (begun_at, carries) = (ended.asked_at, ended.carries && !ended.is_complete);
        self.waiting.push_back(Ending { id, selector: ended.selector, begun_at, ended_at, carries });
    }

    /// Whether as many wait as may.
    pub(super) fn are_too_many(&self) -> bool {
        self.waiting.len() >= MAX_ENDINGS
    }

    /// No answer comes to what was asked on a connection that is gone.
    pub(super) fn disconnect(&mut self) {
        self.waiting = VecDeque::new();
    }

    /// The gateway had brought a subscription up to date before it heard of its end.
    pub(super) fn complete(&mut self, id: SubscriptionId) {
        self.waiting.iter_mut().filter(|ending| ending.id == id).for_each(|ending| ending.carries = false);
    }

    /// Whether a topic may have been carried over by one of them.
    fn carry(&self, path: &str) -> bool {
        self.waiting.iter().any(|ending| ending.carries && ending.selector.matches(path))
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
        if ended.carries {
            self.let_go_of_carried(&ended.selector);
        }
    }

    /// The gateway refused a subscription; its end, if that was on its way, is not answered.
    pub(super) fn forget_ending(&mut self, id: SubscriptionId) {
        if let Some(Ending { selector, carries: true, .. }) = self.endings.remove(id) {
            self.let_go_of_carried(&selector);
        }
    }

    /// A subscription has ended before it was up to date on this connection. What it carried over and other
    /// subscriptions select is there only if it is announced to these.
    pub(super) fn let_go_of_carried(&mut self, selector: &Selector) {
        for key in self.replicas.matching(selector) {
            let Some(topic) = self.replicas.get(key) else { continue };
            let is_carried = topic.subscriptions.iter().any(|id| self.subscriptions.carries(*id));
            if is_carried || self.replicas.is_announced(topic) || self.endings.carry(topic.path.as_str()) {
                continue;
            }
            let is_gone = topic.subscriptions.iter().any(|id| self.subscriptions.is_complete(*id));
            if let Some(topic) = self.replicas.get_mut(key) {
                topic.forget_carried();
            }
            if is_gone {
                self.drop_topic(key, 0);
            }
        }
    }

    /// Whether a subscription selected a topic after so many requests.
    fn was_selected(&self, key: TopicKey, requests: u64) -> bool {
        let Some(topic) = self.replicas.get(key) else { return false };
        topic.subscriptions.iter().any(|id| self.subscriptions.asked_at(*id) <= requests)
            || self.endings.selected(topic.path.as_str(), requests)
    }
}
