//! Subscriptions: from a selector to topics, a page at a time, and back.

use core::time::Duration;

use outpour_core::peer::Topic;
use outpour_core::wire::{HistoryStart, RequestRef, Resume};
use outpour_core::{ErrorCode, ResumePoint, Selector, SubscriptionId, TopicKind, TopicNumber, Version};

use super::session::{Session, Subscription};
use super::shard::Shard;
use super::views::Subscriber;
use crate::broker::Broker;
use crate::topics::Cursor;

/// How many topics a subscription takes in at once: the broker is lent for no longer.
const PAGE: usize = 256;
/// How many topics a session looks at, in the worst case, for what a message costs elsewhere.
const TOPICS_PER_CHARGE: usize = 64;

/// How many removals a subscription that goes on is compared with at the most.
const MAX_REMOVALS: usize = 10_000;

/// A subscription on its way through the topics that exist already.
#[derive(Debug)]
pub(super) struct Matching {
    pub(super) id: SubscriptionId,
    selector: Selector,
    cursor: Option<Cursor>,
    topics: u64,
    /// What of the resume point it goes on from.
    resume: Resume,
    is_begun: bool,
}

impl Shard {
    pub(super) fn subscribe(
        &mut self,
        key: u32,
        id: SubscriptionId,
        selector: &Selector,
        interval: Duration,
        from: HistoryStart,
        resume: Resume,
    ) {
        let Some(session) = self.sessions.get_mut(key as usize) else { return };
        if session.subscription(id).is_some() {
            let reason = "the number of a subscription was used twice";
            session.peer.close(ErrorCode::UnexpectedFrame, reason, Duration::ZERO, "");
            return;
        }
        let resume = if session.resume.is_some() { resume } else { Resume::No };
        let goes_on = session.resumed && resume == Resume::Fully;
        session.subscriptions.push(Subscription {
            id,
            selector: selector.clone(),
            interval,
            from,
            goes_on,
            only: None,
        });
        self.interests.insert(selector, (key, id));
        let selector = selector.clone();
        session.matching.push_back(Matching { id, selector, cursor: None, topics: 0, resume, is_begun: false });
        self.seek_work(key);
    }

    /// Ends a subscription, if it exists: one that was refused may cross with its end.
    pub(super) fn unsubscribe(&mut self, key: u32, id: SubscriptionId) {
        let Some(session) = self.sessions.get_mut(key as usize) else { return };
        let is_begun = session.matching.iter().any(|matching| matching.id == id && matching.is_begun);
        let is_incomplete = session.peer.withdraw_subscribed(id) || is_begun;
        let half_resumed = is_incomplete && session.subscription(id).is_some_and(|subscription| subscription.goes_on);
        if self.drop_subscription(key, id, half_resumed)
            && let Some(session) = self.sessions.get_mut(key as usize)
        {
            session.peer.unsubscribed(id);
        }
    }

    /// Gives the session's oldest unfinished subscription its next page.
    pub(super) fn match_page(&mut self, key: u32, broker: &mut Broker, wall_ms: u64) {
        let Some(session) = self.sessions.get_mut(key as usize) else { return };
        let Some(mut matching) = session.matching.pop_front() else { return };
        let point = session.resume.clone().unwrap_or_default();
        let announce = !session.resumed;
        let is_first = !core::mem::replace(&mut matching.is_begun, true);
        if is_first && session.resumed && matching.resume == Resume::Fully {
            let point = &point;
            tell_removals(session, &matching, point, broker);
        }
        let mut found = Vec::new();
        matching.cursor = broker.matching(&matching.selector, matching.cursor.as_ref(), PAGE, &mut found);
        for number in found {
            broker.forget(number, wall_ms);
            let Some(topic) = broker.topic(number) else { continue };
            matching.topics += 1;
            let start = match matching.resume {
                Resume::No => Start::New { since: None },
                Resume::Partly => Start::among_exceptions(&point, number),
                Resume::Fully => Start::after(&point, topic, broker.created(number), announce),
            };
            if !self.join(key, matching.id, topic, start) {
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
    pub(super) fn join(&mut self, key: u32, id: SubscriptionId, topic: &Topic, start: Start) -> bool {
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
            self.drop_subscription(key, id, matches!(start, Start::Known { announce: false, .. }));
            if let Some(session) = self.sessions.get_mut(key as usize) {
                session.peer.refuse(RequestRef::Subscription(id), ErrorCode::SessionTopics);
                self.wake(key);
            }
            return false;
        }
        subscription.took(number);
        let (base, blank) = start.base_and_blank(topic, subscription.from);
        let (joined, is_blank) = (topic.version().max(blank), blank != Version::NONE);
        let index = self.views.join(topic, Subscriber { key, interval, joined, is_blank });
        session.topics.insert(number, index);
        match start {
            Start::New { since } => session.peer.note_matched(number, base, since, interval),
            Start::Missed { .. } | Start::Known { announce: true, .. } => {
                session.peer.note_matched(number, base, None, interval);
            }
            Start::Known { .. } if base < topic.version() && blank == Version::NONE => {
                session.peer.note_resumed(number, base, interval);
            }
            // Nothing has changed, so nothing is said.
            Start::Known { .. } => return true,
        }
        self.wake(key);
        true
    }

    /// Takes a subscription out of the session and of every topic that only it selects. If it was `half_resumed`, what
    /// others go on selecting is announced to them: the client can't know which of it the subscription had come to.
    fn drop_subscription(&mut self, key: u32, id: SubscriptionId, half_resumed: bool) -> bool {
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
                self.drop_interest(key, number, half_resumed);
            }
        }
        true
    }

    /// A topic may not be selected by the session any more.
    fn drop_interest(&mut self, key: u32, number: TopicNumber, announce: bool) {
        let (Some(session), Some(view)) = (self.sessions.get_mut(key as usize), self.views.get_mut(number)) else {
            return;
        };
        let Some(index) = session.topics.get(&number).copied() else { return };
        match session.interval_of(view.topic.path().as_str()) {
            Some(interval) => {
                if let Some(subscriber) = view.subscribers.get_mut(index as usize) {
                    subscriber.interval = interval;
                }
                if announce {
                    let point = session.resume.clone().unwrap_or_default();
                    session.peer.note_handed_over(number, told_before(&point, &view.topic), interval);
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

/// Whether a client at this point need only be told what changed: every removal since is known, and there
/// are not too many to look through.
pub(super) fn remembers(broker: &Broker, point: &ResumePoint) -> bool {
    broker.removed_since(least_mark(point)).is_some_and(|removals| removals.len() <= MAX_REMOVALS)
}

/// Of several partitions the least mark is right for all: a removal told twice does no harm.
fn least_mark(point: &ResumePoint) -> Version {
    point.marks.iter().map(|(_, mark)| *mark).min().unwrap_or_default()
}

/// Tells which topics that a subscription selects have gone while the client was away.
fn tell_removals(session: &mut Session, matching: &Matching, point: &ResumePoint, broker: &Broker) {
    let Some(removals) = broker.removed_since(least_mark(point)) else {
        let reason = "more topics were removed than the gateway remembers while the session was coming back";
        return session.peer.close(ErrorCode::Lagging, reason, Duration::ZERO, "");
    };
    session.peer.charge((removals.len() / TOPICS_PER_CHARGE) as u64);
    for removal in removals.filter(|removal| matching.selector.matches(removal.path.as_str())) {
        session.peer.note_removed(removal.topic, removal.version);
    }
}

/// Where the telling of a topic starts for a session that selects it from now on.
#[derive(Clone, Copy, Debug)]
pub(super) enum Start {
    /// The client knows nothing of it. `since` is the position at which the topic came to be, for one
    /// that has just done so.
    New { since: Option<Version> },
    /// It came to be while the client was away, after this mark.
    Missed { mark: Version },
    /// The client knows it and was last told this version of it.
    Known { held: Version, announce: bool },
}

impl Start {
    /// What a client that was at `point` knows of a topic that was made at `created`.
    fn after(point: &ResumePoint, topic: &Topic, created: Version, announce: bool) -> Self {
        let mark = point.mark(topic.partition());
        match point.exception(topic.number()) {
            Some(held) => Self::Known { held, announce },
            None if created <= mark => match topic.held_at(mark) {
                // Nothing can lead on from an event that is not known.
                Version::NONE if topic.kind() == TopicKind::Event && topic.version() > Version::NONE => {
                    Self::Missed { mark }
                }
                held => Self::Known { held, announce },
            },
            None => Self::Missed { mark },
        }
    }

    /// What a client knows of a topic that it has been told under a subscription cut short.
    fn among_exceptions(point: &ResumePoint, topic: TopicNumber) -> Self {
        match point.exception(topic) {
            Some(held) if held > Version::NONE => Self::Known { held, announce: true },
            _ => Self::New { since: None },
        }
    }

    /// The version after which the topic is told, and, for a value topic, the version of the value that
    /// is not told, so that nothing can start from it.
    fn base_and_blank(self, topic: &Topic, from: HistoryStart) -> (Version, Version) {
        let base = match (self, topic.kind()) {
            (Self::New { .. }, _) => new_base(topic, from),
            (Self::Missed { mark }, TopicKind::Event) => topic.from_after(mark),
            (Self::Missed { .. }, _) => Version::NONE,
            (Self::Known { held, .. }, TopicKind::Event) => held,
            // Whether the client was ever told a value is not known.
            (Self::Known { held, .. }, _) if !topic.retain() => {
                if held < topic.version() {
                    Version::NONE
                } else {
                    held
                }
            }
            (Self::Known { held, .. }, _) => held,
        };
        let told_nothing = match self {
            Self::New { .. } => true,
            Self::Missed { .. } => false,
            Self::Known { .. } => !topic.retain(),
        };
        let blank = if told_nothing && topic.kind() == TopicKind::Value { base } else { Version::NONE };
        (base, blank)
    }
}

/// What a client that was at `point` was last told of a topic; of an event topic, what the telling can start from.
fn told_before(point: &ResumePoint, topic: &Topic) -> Version {
    let mark = point.mark(topic.partition());
    match point.exception(topic.number()).unwrap_or_else(|| topic.held_at(mark)) {
        Version::NONE if topic.kind() == TopicKind::Event => topic.from_after(mark),
        held if topic.kind() == TopicKind::Value && !topic.retain() && held < topic.version() => Version::NONE,
        held => held,
    }
}

/// The version after which a session that newly selects a topic is told of it.
fn new_base(topic: &Topic, from: HistoryStart) -> Version {
    match (topic.kind(), from) {
        (TopicKind::Event, HistoryStart::Last(count)) => topic.before_last(count),
        (TopicKind::Event, HistoryStart::All) => topic.before_last(u64::MAX),
        (TopicKind::Event, HistoryStart::After(version)) => topic.from_after(version),
        (TopicKind::Value, _) if topic.retain() => Version::NONE,
        _ => topic.version(),
    }
}
