//! Subscriptions: from a selector to topics, a page at a time, and back.

use core::time::Duration;

use outpour_core::peer::Topic;
use outpour_core::wire::{HistoryStart, RequestRef};
use outpour_core::{ErrorCode, Selector, SubscriptionId, TopicKind, TopicNumber, Version};

use super::session::Subscription;
use super::shard::Shard;
use super::views::Subscriber;
use crate::broker::{Broker, SessionId};
use crate::topics::Cursor;

/// How many topics a subscription takes in at once: the broker is lent for no longer.
const PAGE: usize = 256;
/// A session that is owed news of so many topics is given no more pages until it has read some.
const OWED_LIMIT: usize = 4096;

/// A subscription on its way through the topics that exist already.
#[derive(Debug)]
pub(super) struct Matching {
    pub(super) session: SessionId,
    id: SubscriptionId,
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
        session.subscriptions.push(Subscription { id, selector: selector.clone(), interval, from });
        let session = session.id;
        self.interests.insert(selector, (key, id));
        self.matching.push_back(Matching { session, id, selector: selector.clone(), cursor: None, topics: 0 });
    }

    /// Ends a subscription, if it exists: one that was refused may cross with its end.
    pub(super) fn unsubscribe(&mut self, key: u32, id: SubscriptionId) {
        if self.drop_subscription(key, id)
            && let Some(session) = self.sessions.get_mut(key as usize)
        {
            session.peer.subscription_ended();
        }
    }

    pub(super) fn may_match(&self, matching: &Matching) -> bool {
        let owed = self.sessions.get(matching.session.key as usize).map_or(0, |session| session.peer.owed());
        owed < OWED_LIMIT
    }

    /// Gives every subscription on its way its next page.
    pub(super) fn serve_matching(&mut self, broker: &Broker) {
        for _ in 0..self.matching.len() {
            let Some(matching) = self.matching.pop_front() else { return };
            if !self.may_match(&matching) {
                self.matching.push_back(matching);
            } else if let Some(matching) = self.match_page(matching, broker) {
                self.matching.push_back(matching);
            }
        }
    }

    fn match_page(&mut self, mut matching: Matching, broker: &Broker) -> Option<Matching> {
        let key = matching.session.key;
        let mut found = Vec::new();
        let next = broker.matching(&matching.selector, matching.cursor.as_ref(), PAGE, &mut found);
        for topic in found.iter().filter_map(|number| broker.topic(*number)) {
            matching.topics += 1;
            // What the subscription is told of topics that exist is not yet bound by a mark.
            if !self.join(key, matching.id, topic, Version(u64::MAX)) {
                return None;
            }
        }
        self.wake(key);
        if next.is_some() {
            matching.cursor = next;
            return Some(matching);
        }
        if let Some(session) = self.sessions.get_mut(key as usize) {
            session.peer.note_subscribed(matching.id, matching.topics, broker.head());
        }
        None
    }

    /// A topic is selected by a subscription. `false` if the session may not select so many: the
    /// subscription has ended then.
    pub(super) fn join(&mut self, key: u32, id: SubscriptionId, topic: &Topic, since: Version) -> bool {
        let limit = self.config.max_topics_per_session;
        let Some(session) = self.sessions.get_mut(key as usize) else { return false };
        let number = topic.number();
        let interval = session.interval_of(topic.path().as_str());
        if let Some(index) = session.topics.get(&number).map(|index| *index as usize) {
            if let Some(view) = self.views.get_mut(number)
                && let Some(subscriber) = view.subscribers.get_mut(index)
            {
                subscriber.interval = interval;
            }
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
        let from = session.subscription(id).map_or(HistoryStart::Live, |subscription| subscription.from);
        let base = start(topic, from);
        let blank = topic.kind() == TopicKind::Value && base != Version::NONE;
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
        let session_id = session.id;
        let numbers: Vec<TopicNumber> = session.topics.keys().copied().collect();
        self.interests.remove(&ended.selector, (key, id));
        self.matching.retain(|matching| !(matching.session == session_id && matching.id == id));
        for number in numbers {
            self.drop_interest(key, number, &ended.selector);
        }
        true
    }

    fn drop_interest(&mut self, key: u32, number: TopicNumber, ended: &Selector) {
        let Some(view) = self.views.get_mut(number) else { return };
        let path = view.topic.path().clone();
        if !ended.matches(path.as_str()) {
            return;
        }
        let Some(session) = self.sessions.get_mut(key as usize) else { return };
        let still = session.subscriptions.iter().any(|subscription| subscription.selector.matches(path.as_str()));
        let interval = session.interval_of(path.as_str());
        let Some(index) = session.topics.get(&number).copied() else { return };
        if still {
            if let Some(subscriber) = view.subscribers.get_mut(index as usize) {
                subscriber.interval = interval;
            }
            return;
        }
        session.topics.remove(&number);
        session.peer.forget(number);
        self.leave(number, index);
    }
}

/// The version after which a session that newly selects a topic is told of it.
fn start(topic: &Topic, from: HistoryStart) -> Version {
    match (topic.kind(), from) {
        (TopicKind::Event, HistoryStart::Last(count)) => topic.before_last(count),
        (TopicKind::Event, HistoryStart::All) => topic.before_last(u64::MAX),
        (TopicKind::Event, HistoryStart::After(version)) => topic.before_next(version),
        (TopicKind::Value, _) if topic.retain() => Version::NONE,
        _ => topic.version(),
    }
}
