//! Subscriptions: interest in topics that outlives connections.

use super::config::SubscribeOptions;
use super::event::{Event, Update, UpdateKind};
use super::link::Phase;
use super::mailbox::Mailbox;
use super::replicas::TopicKey;
use super::{Outgoing, Session};
use crate::error::ErrorCode;
use crate::position::{Partition, SubscriptionId};
use crate::selector::Selector;
use crate::time::Timestamp;
use crate::value::{TopicKind, Value};
use crate::wire::{ClientFrame, HistoryStart, Subscribe};

#[derive(Debug)]
pub(super) struct Subscription {
    pub(super) selector: Selector,
    max_rate_millihertz: u64,
    from: HistoryStart,
    pub(super) mailbox: Mailbox,
    /// Whether the gateway has told all topics that it matched when it was made, in this epoch.
    pub(super) complete: bool,
    /// Whether the gateway knows of it on this connection.
    pub(super) sent: bool,
}

impl Session {
    /// Subscribes to the topics that match, those to come as well, until
    /// [`unsubscribe`](Self::unsubscribe), whatever the network does.
    ///
    /// # Errors
    /// [`ErrorCode::BadOptions`] for a rate out of its range, [`ErrorCode::TooManySubscriptions`] past
    /// the gateway's limit, [`ErrorCode::Closed`] after the end.
    pub fn subscribe(
        &mut self,
        selector: &Selector,
        options: &SubscribeOptions,
        _now: Timestamp,
    ) -> Result<SubscriptionId, ErrorCode> {
        if matches!(self.link.phase, Phase::Closed) {
            return Err(ErrorCode::Closed);
        }
        let limit = self.welcome.map_or(u64::MAX, |welcome| welcome.max_subscriptions);
        if self.subscriptions.len() as u64 >= limit {
            return Err(ErrorCode::TooManySubscriptions);
        }
        let max_rate_millihertz = options.max_rate_millihertz()?;
        self.last_subscription += 1;
        let id = SubscriptionId(self.last_subscription);
        let mailbox = Mailbox::new(options.mailbox_count.max(1), options.mailbox_bytes);
        let from = options.from;
        self.subscriptions.insert(
            id,
            Subscription {
                selector: selector.clone(),
                max_rate_millihertz,
                from,
                mailbox,
                complete: false,
                sent: false,
            },
        );
        self.show_held(id, selector);
        if self.is_live() {
            self.outgoing.push_back(Outgoing::Subscribe(id));
        }
        Ok(id)
    }

    /// A new subscription gets what others have brought already: the gateway tells a topic once.
    fn show_held(&mut self, id: SubscriptionId, selector: &Selector) {
        let keys: alloc::vec::Vec<TopicKey> = self
            .replicas
            .iter()
            .filter(|(_, topic)| selector.matches(topic.path.as_str()))
            .map(|(key, _)| key)
            .collect();
        for key in keys {
            let Some(topic) = self.replicas.get_mut(key) else { continue };
            topic.subscriptions.push(id);
            let held = topic.value.clone().filter(|_| topic.kind == TopicKind::Value);
            let value = held.and_then(|bytes| Value::from_bytes(topic.value_type, bytes).ok());
            if let Some(value) = value {
                let kind = UpdateKind::Value { value, version: topic.version };
                let update = Update { path: topic.path.clone(), kind, wire_bytes: 0 };
                self.deliver(id, update);
            }
        }
    }

    /// Ends a subscription: no update of it follows.
    pub fn unsubscribe(&mut self, id: SubscriptionId, _now: Timestamp) {
        let Some(ended) = self.subscriptions.get(&id) else { return };
        if ended.sent {
            self.outgoing.push_back(Outgoing::Unsubscribe(id));
        }
        self.end_subscription(id);
    }

    fn end_subscription(&mut self, id: SubscriptionId) {
        let Some(ended) = self.subscriptions.remove(&id) else { return };
        let keys: alloc::vec::Vec<TopicKey> = self
            .replicas
            .iter()
            .filter(|(_, topic)| ended.selector.matches(topic.path.as_str()))
            .map(|(key, _)| key)
            .collect();
        for key in keys {
            let Some(topic) = self.replicas.get_mut(key) else { continue };
            topic.subscriptions.retain(|subscription| *subscription != id);
            if topic.subscriptions.is_empty() {
                self.replicas.remove(key);
            }
        }
    }

    /// The next update of a subscription.
    #[must_use]
    pub fn take_update(&mut self, id: SubscriptionId) -> Option<Update> {
        let mailbox = &mut self.subscriptions.get_mut(&id)?.mailbox;
        let update = mailbox.take();
        if mailbox.is_empty() {
            mailbox.announced = false;
        }
        update
    }

    /// Puts an update into a subscription's mailbox.
    pub(super) fn deliver(&mut self, id: SubscriptionId, update: Update) {
        let Some(subscription) = self.subscriptions.get_mut(&id) else { return };
        subscription.mailbox.push(update);
        if !subscription.mailbox.announced {
            subscription.mailbox.announced = true;
            self.readable.push_back(id);
        }
    }

    /// Puts an update into the mailboxes of all subscriptions of a topic.
    pub(super) fn deliver_to_all(&mut self, key: TopicKey, update: &Update) {
        let Some(topic) = self.replicas.get_mut(key) else { return };
        let subscriptions = core::mem::take(&mut topic.subscriptions);
        for id in &subscriptions {
            self.deliver(*id, update.clone());
        }
        if let Some(topic) = self.replicas.get_mut(key) {
            topic.subscriptions = subscriptions;
        }
    }

    /// A connection has been welcomed: `same_epoch` if versions held still mean something.
    pub(super) fn resubscribe(&mut self, same_epoch: bool) {
        for (id, subscription) in &mut self.subscriptions {
            subscription.complete &= same_epoch;
            self.outgoing.push_back(Outgoing::Subscribe(*id));
        }
    }

    pub(super) fn write_subscribe(&mut self, id: SubscriptionId, message: &mut alloc::vec::Vec<u8>) {
        let mark = self.marks.get(&Partition(0)).copied();
        let Some(subscription) = self.subscriptions.get_mut(&id) else { return };
        subscription.sent = true;
        // What was told up to the mark need not be told again.
        let from = match mark {
            Some(mark) if subscription.complete => HistoryStart::After(mark),
            _ => subscription.from,
        };
        let selector = subscription.selector.as_str().as_bytes();
        let max_rate_millihertz = subscription.max_rate_millihertz;
        ClientFrame::Subscribe(Subscribe { id, selector, max_rate_millihertz, from }).encode(message);
    }

    /// The gateway has told all topics that matched: what was held and not told again is gone.
    pub(super) fn handle_subscribed(&mut self, id: SubscriptionId, topics: u64) {
        let Some(subscription) = self.subscriptions.get_mut(&id) else { return };
        subscription.complete = true;
        let selector = subscription.selector.clone();
        let gone: alloc::vec::Vec<TopicKey> = self
            .replicas
            .iter()
            .filter(|(_, topic)| topic.number.is_none() && selector.matches(topic.path.as_str()))
            .map(|(key, _)| key)
            .collect();
        for key in gone {
            self.drop_topic(key, 0);
        }
        self.events.push_back(Event::Subscribed { id, topics });
    }

    /// A topic is no more.
    pub(super) fn drop_topic(&mut self, key: TopicKey, wire_bytes: usize) {
        let Some(topic) = self.replicas.get(key) else { return };
        let update = Update { path: topic.path.clone(), kind: UpdateKind::Removed, wire_bytes };
        self.deliver_to_all(key, &update);
        self.replicas.remove(key);
    }

    pub(super) fn handle_refusal(&mut self, id: SubscriptionId, code: ErrorCode) {
        if self.subscriptions.contains_key(&id) {
            self.end_subscription(id);
            self.events.push_back(Event::SubscriptionRefused { id, code });
        }
    }
}
