//! Subscriptions: interest in topics that outlives connections.

use alloc::vec::Vec;

use super::config::SubscribeOptions;
use super::event::{Event, Update, UpdateKind};
use super::mailbox::Mailbox;
use super::ordered::Table;
use super::replicas::TopicKey;
use super::{Outgoing, Session};
use crate::error::ErrorCode;
use crate::path::Path;
use crate::position::SubscriptionId;
use crate::selector::Selector;
use crate::time::Timestamp;
use crate::value::{TopicKind, Value};
use crate::wire::{ClientFrame, HistoryStart, Resume, Subscribe};

#[derive(Debug)]
pub(super) struct Subscription {
    pub(super) selector: Selector,
    max_rate_millihertz: u64,
    from: HistoryStart,
    mailbox: Mailbox,
    /// Whether it has been complete in this epoch, so that it can go on from the session's resume marks.
    is_resumable: bool,
    /// Whether what was imported is complete for it. The hello said so, even if it was made after that.
    is_stored: bool,
    /// Whether it was there when the hello was written, which says what it has been told.
    is_repeated: bool,
    /// When it was queued to be asked for on this connection, counted in requests.
    pub(super) asked_at: u64,
    /// Whether the gateway has been asked for it on this connection.
    is_asked: bool,
    /// Whether the hello of this connection says what it has been told, so that its topics need not be announced.
    pub(super) carries: bool,
    /// Whether the gateway has said on this connection that it is up to date.
    pub(super) is_complete: bool,
}

/// The subscriptions of a session, and which of them select a path.
#[derive(Debug, Default)]
pub(super) struct Subscriptions {
    by_id: Table<u64, Subscription>,
    /// Those whose selectors have no wildcards, by that path.
    exact: Table<Path, Vec<SubscriptionId>>,
    patterns: Vec<SubscriptionId>,
    last: u32,
}

impl Subscriptions {
    fn insert(&mut self, subscription: Subscription) -> Option<SubscriptionId> {
        self.last = self.last.checked_add(1)?;
        let id = SubscriptionId(self.last);
        match exact_path(&subscription.selector) {
            None => self.patterns.push(id),
            Some(path) => match self.exact.get_mut(path.as_str()) {
                Some(ids) => ids.push(id),
                None => {
                    self.exact.insert(path, Vec::from([id]));
                }
            },
        }
        self.by_id.insert(id.0.into(), subscription);
        Some(id)
    }

    fn remove(&mut self, id: SubscriptionId) -> Option<Subscription> {
        let subscription = self.by_id.remove(&id.0.into())?;
        match exact_path(&subscription.selector) {
            None => self.patterns.retain(|other| *other != id),
            Some(path) => {
                if let Some(ids) = self.exact.get_mut(path.as_str()) {
                    ids.retain(|other| *other != id);
                    if ids.is_empty() {
                        self.exact.remove(path.as_str());
                    }
                }
            }
        }
        Some(subscription)
    }

    /// The subscriptions that select a path.
    pub(super) fn selecting(&self, path: &str) -> Vec<SubscriptionId> {
        let mut selecting = self.exact.get(path).cloned().unwrap_or_default();
        for id in &self.patterns {
            let subscription = self.by_id.get(&id.0.into());
            if subscription.is_some_and(|subscription| subscription.selector.matches(path)) {
                selecting.push(*id);
            }
        }
        selecting
    }

    pub(super) fn len(&self) -> usize {
        self.by_id.len()
    }

    pub(super) fn ids(&self) -> impl Iterator<Item = SubscriptionId> {
        self.by_id.keys().map(|id| SubscriptionId(*id as u32))
    }

    /// Whether a subscription can go on from where the last connection was lost.
    pub(super) fn is_resumable(&self, id: SubscriptionId) -> bool {
        self.by_id.get(&id.0.into()).is_some_and(|subscription| subscription.is_resumable)
    }

    /// Whether the topics of a subscription were carried over, up to this connection.
    pub(super) fn carries(&self, id: SubscriptionId) -> bool {
        self.by_id.get(&id.0.into()).is_some_and(|subscription| subscription.carries)
    }

    /// Whether the gateway has said on this connection that a subscription is up to date.
    pub(super) fn is_complete(&self, id: SubscriptionId) -> bool {
        self.by_id.get(&id.0.into()).is_some_and(|subscription| subscription.is_complete)
    }

    /// When a subscription was queued to be asked for on this connection, counted in requests.
    pub(super) fn asked_at(&self, id: SubscriptionId) -> u64 {
        self.by_id.get(&id.0.into()).map_or(0, |subscription| subscription.asked_at)
    }

    /// The selectors of those that can.
    pub(super) fn resumable(&self) -> impl Iterator<Item = &Selector> {
        self.by_id.values().filter(|subscription| subscription.is_resumable).map(|subscription| &subscription.selector)
    }

    pub(super) fn any_resumable(&self) -> bool {
        self.by_id.values().any(|subscription| subscription.is_resumable)
    }

    /// The connection is gone, or did not come about.
    pub(super) fn disconnect(&mut self, was_live: bool) {
        for subscription in self.by_id.values_mut() {
            subscription.is_asked = false;
            subscription.carries = false;
            subscription.is_complete = false;
            subscription.is_stored &= !was_live;
        }
    }

    /// A hello is to be written: what was imported for a subscription counts from now on.
    pub(super) fn claim_stored(&mut self) {
        for subscription in self.by_id.values_mut() {
            subscription.is_resumable |= subscription.is_stored;
            subscription.carries = subscription.is_resumable;
        }
    }

    /// The log began anew: positions of the old one mean nothing.
    pub(super) fn begin_epoch(&mut self) {
        for subscription in self.by_id.values_mut() {
            subscription.is_resumable = false;
            subscription.is_stored = false;
        }
    }
}

/// The only path that a selector matches, if it has no wildcards.
fn exact_path(selector: &Selector) -> Option<Path> {
    selector.exact().and_then(|text| Path::new(text).ok())
}

impl Session {
    /// Subscribes to the topics that match, those to come as well, until
    /// [`unsubscribe`](Self::unsubscribe), whatever the network does.
    ///
    /// What other subscriptions hold already is told at once; when all is known
    /// [`Event::Subscribed`] follows.
    ///
    /// # Errors
    /// [`ErrorCode::BadOptions`] for a rate out of its range, [`ErrorCode::TooManySubscriptions`] past
    /// the gateway's limit, or while thousands wait for the gateway to end them, [`ErrorCode::Closed`] after the end.
    pub fn subscribe(
        &mut self,
        selector: &Selector,
        options: &SubscribeOptions,
        _now: Timestamp,
    ) -> Result<SubscriptionId, ErrorCode> {
        if self.is_ending() {
            return Err(ErrorCode::Closed);
        }
        let limit = self.welcome.map_or(u64::MAX, |welcome| welcome.max_subscriptions);
        if self.subscriptions.len() as u64 >= limit || self.endings.are_too_many() {
            return Err(ErrorCode::TooManySubscriptions);
        }
        let is_stored = self.stored.contains(selector);
        let subscription = Subscription {
            selector: selector.clone(),
            max_rate_millihertz: options.max_rate_millihertz()?,
            from: options.from,
            mailbox: Mailbox::new(options.mailbox_count.max(1), options.mailbox_bytes),
            is_resumable: is_stored && !self.link.has_spoken(),
            is_stored,
            is_repeated: false,
            asked_at: 0,
            is_asked: false,
            carries: is_stored,
            is_complete: false,
        };
        let id = self.subscriptions.insert(subscription).ok_or(ErrorCode::TooManySubscriptions)?;
        self.show_held(id, selector, is_stored);
        if self.link.has_spoken() {
            self.ask_for(id);
        }
        Ok(id)
    }

    /// A new subscription gets what others have brought already: the gateway tells a topic once.
    fn show_held(&mut self, id: SubscriptionId, selector: &Selector, is_stored: bool) {
        for key in self.replicas.matching(selector) {
            let stale = self.replicas.get(key).is_some_and(|topic| self.is_stale(topic));
            let Some(topic) = self.replicas.get_mut(key) else { continue };
            topic.select(id, is_stored);
            let held = topic.value.clone().filter(|_| topic.kind == TopicKind::Value);
            if let Some(value) = held.and_then(|bytes| Value::from_bytes(topic.value_type, bytes).ok()) {
                let (epoch, version) = topic.told_as;
                let kind = UpdateKind::Value { value, version };
                let update = Update { path: topic.path.clone(), kind, epoch, stale, wire_bytes: 0 };
                self.deliver(id, update, true);
            }
        }
    }

    /// Ends a subscription: no update of it follows.
    pub fn unsubscribe(&mut self, id: SubscriptionId, _now: Timestamp) {
        self.requests += 1;
        let Some(ended) = self.end_subscription(id) else { return };
        self.note_returned(id);
        if ended.is_asked {
            self.outgoing.push_back(Outgoing::Unsubscribe(id));
            self.endings.push(id, ended, self.requests);
        } else {
            self.outgoing.retain(|outgoing| *outgoing != Outgoing::Subscribe(id));
            if ended.carries {
                self.let_go_of_carried(&ended.selector);
            }
        }
    }

    fn end_subscription(&mut self, id: SubscriptionId) -> Option<Subscription> {
        let ended = self.subscriptions.remove(id)?;
        self.readable.retain(|readable| *readable != id);
        for key in self.replicas.matching(&ended.selector) {
            let Some(topic) = self.replicas.get_mut(key) else { continue };
            topic.subscriptions.retain(|subscription| *subscription != id);
            if topic.subscriptions.is_empty() {
                // What was imported is no longer complete for selectors of this topic.
                self.stored.retain(|selector| !selector.matches(topic.path.as_str()));
                self.replicas.remove(key, self.requests);
            }
        }
        Some(ended)
    }

    /// Whether there is an update of a subscription to take.
    #[must_use]
    pub fn has_update(&self, id: SubscriptionId) -> bool {
        self.subscriptions.by_id.get(&id.0.into()).is_some_and(|subscription| !subscription.mailbox.is_empty())
    }

    /// The next update of a subscription.
    #[must_use]
    pub fn take_update(&mut self, id: SubscriptionId) -> Option<Update> {
        let mailbox = &mut self.subscriptions.by_id.get_mut(&id.0.into())?.mailbox;
        let update = mailbox.take();
        if mailbox.is_empty() {
            mailbox.announced = false;
        }
        update
    }

    /// Puts an update into a subscription's mailbox.
    fn deliver(&mut self, id: SubscriptionId, update: Update, is_first: bool) {
        let Some(subscription) = self.subscriptions.by_id.get_mut(&id.0.into()) else { return };
        let mailbox = &mut subscription.mailbox;
        mailbox.push(update, is_first);
        if !mailbox.announced && !mailbox.is_empty() {
            mailbox.announced = true;
            self.readable.push_back(id);
        }
    }

    /// Puts an update into the mailboxes of all subscriptions of a topic.
    pub(super) fn deliver_to_all(&mut self, key: TopicKey, update: &Update, is_first: bool) {
        let Some(topic) = self.replicas.get_mut(key) else { return };
        let subscriptions = core::mem::take(&mut topic.subscriptions);
        for id in &subscriptions {
            self.deliver(*id, update.clone(), is_first);
        }
        if let Some(topic) = self.replicas.get_mut(key) {
            topic.subscriptions = subscriptions;
        }
    }

    /// A connection begins: asks for all subscriptions.
    pub(super) fn resubscribe(&mut self) {
        self.outgoing.clear();
        let ids: Vec<SubscriptionId> = self.subscriptions.ids().collect();
        for id in ids {
            self.ask_for(id);
            if let Some(subscription) = self.subscriptions.by_id.get_mut(&id.0.into()) {
                subscription.is_repeated = true;
            }
        }
    }

    fn ask_for(&mut self, id: SubscriptionId) {
        let Some(subscription) = self.subscriptions.by_id.get_mut(&id.0.into()) else { return };
        self.requests += 1;
        subscription.asked_at = self.requests;
        self.outgoing.push_back(Outgoing::Subscribe(id));
    }

    pub(super) fn write_subscribe(&mut self, id: SubscriptionId, message: &mut Vec<u8>) {
        let Some(subscription) = self.subscriptions.by_id.get_mut(&id.0.into()) else { return };
        subscription.is_asked = true;
        let resume = match (self.has_resumed, subscription.is_resumable) {
            (true, true) => Resume::Fully,
            (true, false) if subscription.is_stored => Resume::Fully,
            (true, false) if subscription.is_repeated => Resume::Partly,
            _ => Resume::No,
        };
        let from = if subscription.is_resumable && resume == Resume::No {
            // What has been told is not told again. The least mark is right for all partitions.
            HistoryStart::After(self.resume_marks.values().min().copied().unwrap_or_default())
        } else {
            subscription.from
        };
        let selector = subscription.selector.as_str().as_bytes();
        let max_rate_millihertz = subscription.max_rate_millihertz;
        ClientFrame::Subscribe(Subscribe { id, selector, max_rate_millihertz, from, resume }).encode(message);
    }

    /// The gateway has told all topics that matched, or what became of those that were carried over: what
    /// was held, and neither carried over nor announced, is gone.
    pub(super) fn handle_subscribed(&mut self, id: SubscriptionId, topics: u64) {
        self.endings.complete(id);
        let Some(subscription) = self.subscriptions.by_id.get_mut(&id.0.into()) else { return };
        subscription.is_resumable = true;
        subscription.is_complete = true;
        self.replicas.forget_left(subscription.asked_at);
        if let Some(subscription) = self.subscriptions.by_id.get(&id.0.into()) {
            for key in self.replicas.unannounced(&subscription.selector) {
                if self.replicas.get(key).is_some_and(|topic| !self.is_carried(topic)) {
                    self.drop_topic(key, 0);
                }
            }
        }
        self.push_event(Event::Subscribed { id, topics });
        self.note_returned(id);
    }

    /// A topic is no more.
    pub(super) fn drop_topic(&mut self, key: TopicKey, wire_bytes: usize) {
        let Some(topic) = self.replicas.get(key) else { return };
        let (kind, epoch) = (UpdateKind::Removed, self.epoch.unwrap_or_default());
        let update = Update { path: topic.path.clone(), kind, epoch, stale: false, wire_bytes };
        self.deliver_to_all(key, &update, false);
        self.replicas.remove(key, self.requests);
    }

    pub(super) fn handle_refusal(&mut self, id: SubscriptionId, code: ErrorCode) {
        self.forget_ending(id);
        if let Some(refused) = self.end_subscription(id) {
            if refused.carries && !refused.is_complete {
                self.let_go_of_carried(&refused.selector);
            }
            self.push_event(Event::SubscriptionRefused { id, code });
            self.note_returned(id);
        }
    }
}
