//! Subscriptions: from a selector to topics, a page at a time, and back.

use core::time::Duration;

use outpour_core::peer::Topic;
use outpour_core::wire::{HistoryStart, RequestRef};
use outpour_core::{ErrorCode, Selector, SubscriptionId, TopicKind, TopicNumber, Version};

use super::session::Subscription;
use super::shard::Shard;
use super::views::Subscriber;
use crate::broker::Broker;
use crate::topics::Cursor;

/// How many topics a subscription takes in at once: the broker is lent for no longer.
const PAGE: usize = 256;
/// How many topics a session looks at, in the worst case, for what a message costs elsewhere.
const TOPICS_PER_CHARGE: usize = 64;

/// A subscription on its way through the topics that exist already.
#[derive(Debug)]
pub(super) struct Matching {
    pub(super) id: SubscriptionId,
    selector: Selector,
    cursor: Option<Cursor>,
    topics: u64,
}

impl Shard {
    pub(super) fn subscribe(
        &mut self,
        key: u32,
        id: SubscriptionId,
        selector: &Selector,
        interval: Duration,
        from: HistoryStart,
    ) {
        let Some(session) = self.sessions.get_mut(key as usize) else { return };
        if session.subscription(id).is_some() {
            let reason = "the number of a subscription was used twice";
            session.peer.close(ErrorCode::UnexpectedFrame, reason, Duration::ZERO, "");
            return;
        }
        session.subscriptions.push(Subscription { id, selector: selector.clone(), interval, from, only: None });
        session.matching.push_back(Matching { id, selector: selector.clone(), cursor: None, topics: 0 });
        self.interests.insert(selector, (key, id));
        self.seek_work(key);
    }

    /// Ends a subscription, if it exists: one that was refused may cross with its end.
    pub(super) fn unsubscribe(&mut self, key: u32, id: SubscriptionId) {
        if self.drop_subscription(key, id)
            && let Some(session) = self.sessions.get_mut(key as usize)
        {
            session.peer.subscription_ended();
        }
    }

    /// Gives the session's oldest unfinished subscription its next page.
    pub(super) fn match_page(&mut self, key: u32, broker: &mut Broker, wall_ms: u64) {
        let Some(session) = self.sessions.get_mut(key as usize) else { return };
        let Some(mut matching) = session.matching.pop_front() else { return };
        let mut found = Vec::new();
        matching.cursor = broker.matching(&matching.selector, matching.cursor.as_ref(), PAGE, &mut found);
        for number in found {
            broker.forget(number, wall_ms);
            let Some(topic) = broker.topic(number) else { continue };
            matching.topics += 1;
            // What a subscription is told of topics that exist is not bound by a mark yet.
            if !self.join(key, matching.id, topic, None) {
                return;
            }
        }
        let Some(session) = self.sessions.get_mut(key as usize) else { return };
        if matching.cursor.is_some() {
            session.matching.push_front(matching);
        } else {
            session.peer.note_subscribed(matching.id, matching.topics, broker.head());
        }
        self.wake(key);
    }

    /// A topic is selected by a subscription. `false` if the session may not select so many: the
    /// subscription has ended then.
    pub(super) fn join(&mut self, key: u32, id: SubscriptionId, topic: &Topic, since: Option<Version>) -> bool {
        let limit = self.config.max_topics_per_session;
        let Some(session) = self.sessions.get_mut(key as usize) else { return false };
        let Some(subscription) = session.subscriptions.iter_mut().find(|subscription| subscription.id == id) else {
            return false;
        };
        let number = topic.number();
        let interval = subscription.interval;
        if let Some(index) = session.topics.get(&number).copied() {
            subscription.took(number);
            self.views.quicken(number, index, interval);
            return true;
        }
        if session.topics.len() >= limit {
            self.drop_subscription(key, id);
            if let Some(session) = self.sessions.get_mut(key as usize) {
                session.peer.refuse(RequestRef::Subscription(id), ErrorCode::SessionTopics);
                self.wake(key);
            }
            return false;
        }
        subscription.took(number);
        let base = start(topic, subscription.from);
        let blank = if topic.kind() == TopicKind::Value { base } else { Version::NONE };
        let index = self.views.join(topic, Subscriber { key, interval, blank });
        session.topics.insert(number, index);
        session.peer.note_matched(number, base, since, interval);
        self.wake(key);
        true
    }

    /// Takes a subscription out of the session and of every topic that only it selects.
    fn drop_subscription(&mut self, key: u32, id: SubscriptionId) -> bool {
        let Some(session) = self.sessions.get_mut(key as usize) else { return false };
        let Some(place) = session.subscriptions.iter().position(|subscription| subscription.id == id) else {
            return false;
        };
        let ended = session.subscriptions.swap_remove(place);
        session.matching.retain(|matching| matching.id != id);
        self.interests.remove(&ended.selector, (key, id));
        let numbers = match (ended.selector.exact(), ended.only) {
            (Some(_), only) => Vec::from_iter(only),
            // All topics of the session have to be looked at.
            (None, _) => {
                if !session.peer.charge((session.topics.len() / TOPICS_PER_CHARGE) as u64) {
                    return true;
                }
                let views = &self.views;
                let selected = |number: &TopicNumber| {
                    views.get(*number).is_some_and(|view| ended.selector.matches(view.topic.path().as_str()))
                };
                session.topics.keys().copied().filter(selected).collect()
            }
        };
        // And for each that the subscription selected, all other subscriptions.
        let work = numbers.len().saturating_mul(session.subscriptions.len()) / TOPICS_PER_CHARGE;
        if session.peer.charge(work as u64) {
            for number in numbers {
                self.drop_interest(key, number);
            }
        }
        true
    }

    /// A topic may not be selected by the session any more.
    fn drop_interest(&mut self, key: u32, number: TopicNumber) {
        let (Some(session), Some(view)) = (self.sessions.get_mut(key as usize), self.views.get_mut(number)) else {
            return;
        };
        let Some(index) = session.topics.get(&number).copied() else { return };
        match session.interval_of(view.topic.path().as_str()) {
            Some(interval) => {
                if let Some(subscriber) = view.subscribers.get_mut(index as usize) {
                    subscriber.interval = interval;
                }
            }
            None => {
                session.topics.remove(&number);
                session.peer.forget(number);
                self.leave(number, index);
            }
        }
    }
}

/// The version after which a session that newly selects a topic is told of it.
fn start(topic: &Topic, from: HistoryStart) -> Version {
    match (topic.kind(), from) {
        (TopicKind::Event, HistoryStart::Last(count)) => topic.before_last(count),
        (TopicKind::Event, HistoryStart::All) => topic.before_last(u64::MAX),
        (TopicKind::Event, HistoryStart::After(version)) => topic.from_after(version),
        (TopicKind::Value, _) if topic.retain() => Version::NONE,
        _ => topic.version(),
    }
}
