//! What a gateway says, taken in.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use bytes::Bytes;

use super::event::{Event, FetchedItem, Update, UpdateKind};
use super::link::Phase;
use super::outbound::value_bytes;
use super::replicas::{KnownTopic, TopicKey};
use super::{Outgoing, Session};
use crate::check::{check, short_check};
use crate::delta;
use crate::error::ErrorCode;
use crate::position::{Partition, TopicNumber, Version};
use crate::time::Timestamp;
use crate::value::{TopicKind, Value};
use crate::wire::{Ack, Announce, Fetched, Frames, GatewayFrame, PROTOCOL_MAJOR, RequestRef, Welcome};

/// What the gateway did wrong.
type Violation = (ErrorCode, String);

/// What a message has told of the log, from which its mark follows.
#[derive(Default)]
struct Told {
    newest: Vec<(Partition, Version)>,
    explicit: Vec<(Partition, Version)>,
}

impl Told {
    fn note(&mut self, partition: Partition, version: Version) {
        match self.newest.iter_mut().find(|(other, _)| *other == partition) {
            Some((_, newest)) => *newest = (*newest).max(version),
            None => self.newest.push((partition, version)),
        }
    }
}

impl Session {
    /// A message is a batch: it is taken in as a whole, and then the mark moves.
    pub(super) fn handle_message(&mut self, message: &[u8], now: Timestamp) {
        self.statistics.messages_in += 1;
        self.statistics.bytes_in += message.len() as u64;
        self.note_heard(now);
        let connection = self.link.transport();
        let mut told = Told::default();
        for frame in Frames::new(message) {
            let taken = frame
                .and_then(|raw| Ok((raw.body.len() + 2, GatewayFrame::decode(raw)?)))
                .map_err(|error| (ErrorCode::MalformedFrame, format!("a frame could not be decoded: {error}")))
                .and_then(|(size, frame)| match frame {
                    Some(frame) => self.handle_frame(frame, size, &mut told, now),
                    None => Ok(()),
                });
            if let Err((code, detail)) = taken {
                return self.fail(code, detail, now);
            }
            // A goodbye ends the connection, whatever stands behind it.
            if self.link.transport() != connection {
                return;
            }
        }
        for (partition, version) in told.newest {
            let mark = self.marks.entry(partition).or_default();
            *mark = (*mark).max(version);
        }
        for (partition, version) in told.explicit {
            self.marks.insert(partition, version);
        }
        self.close_if_settled();
    }

    fn handle_frame(
        &mut self,
        frame: GatewayFrame<'_>,
        size: usize,
        told: &mut Told,
        now: Timestamp,
    ) -> Result<(), Violation> {
        let greeting = matches!(self.link.phase, Phase::Greeting { .. });
        match frame {
            GatewayFrame::Goodbye(goodbye) => {
                self.handle_goodbye(&goodbye, now);
                Ok(())
            }
            GatewayFrame::Welcome(welcome) if greeting => self.handle_welcome(welcome, now),
            GatewayFrame::Welcome(_) => Err((ErrorCode::UnexpectedFrame, "a second welcome".into())),
            _ if greeting => Err((ErrorCode::UnexpectedFrame, "the first frame must be a welcome".into())),
            GatewayFrame::Announce(announce) => self.handle_announce(announce, size, now),
            GatewayFrame::Snapshot { topic, version, check, value } => {
                self.handle_snapshot(topic, version, check, value, size, told, now)
            }
            GatewayFrame::Delta { topic, distance, check, delta } => {
                self.handle_delta(topic, distance, check, delta, size, told, now)
            }
            GatewayFrame::Event { topic, distance, value } => {
                self.handle_event(topic, distance, value, size, told, now)
            }
            GatewayFrame::Removed { topic, version } => {
                if let Some(key) = self.topic(topic)? {
                    if let Some(known) = self.replicas.get(key) {
                        told.note(known.partition, version);
                    }
                    self.drop_topic(key, size);
                }
                self.replicas.retire(topic);
                Ok(())
            }
            GatewayFrame::Gap { topic, version, sequence } => {
                let Some(key) = self.topic(topic)? else { return Ok(()) };
                if let Some(known) = self.replicas.get_mut(key) {
                    known.cursor = version;
                    known.sequence = sequence;
                    told.note(known.partition, version);
                }
                self.tell_gap(key, sequence, size);
                Ok(())
            }
            GatewayFrame::Mark { partition, version } => {
                told.explicit.push((partition, version));
                Ok(())
            }
            GatewayFrame::Ack(ack) => {
                self.handle_ack(&ack);
                Ok(())
            }
            GatewayFrame::Ping { token } => {
                self.pong = Some(token);
                Ok(())
            }
            GatewayFrame::Subscribed { id, topics } => {
                self.handle_subscribed(id, topics);
                Ok(())
            }
            GatewayFrame::Fetched(fetched) => self.handle_fetched(&fetched),
            GatewayFrame::FetchEnd { id, more } => {
                if let Some(fetch) = self.fetches.remove(&id) {
                    self.events.push_back(Event::FetchEnded { id, items: fetch.items, more });
                }
                Ok(())
            }
            GatewayFrame::Refused(refused) => {
                let code = ErrorCode::from_number(refused.code).unwrap_or(ErrorCode::Internal);
                match refused.request {
                    RequestRef::Subscription(id) => self.handle_refusal(id, code),
                    RequestRef::Fetch(id) => {
                        if self.fetches.remove(&id).is_some() {
                            self.events.push_back(Event::FetchFailed { id, code });
                        }
                    }
                }
                Ok(())
            }
        }
    }

    fn handle_welcome(&mut self, welcome: Welcome, now: Timestamp) -> Result<(), Violation> {
        if welcome.major != PROTOCOL_MAJOR {
            let detail = format!("the gateway speaks version {} of the protocol", welcome.major);
            return Err((ErrorCode::UnsupportedVersion, detail));
        }
        let same_epoch = self.epoch == Some(welcome.epoch);
        if !same_epoch {
            self.replicas.begin_epoch();
            self.marks.clear();
        }
        self.epoch = Some(welcome.epoch);
        self.welcome = Some(welcome);
        self.statistics.connections += 1;
        self.go_live(now);
        self.resubscribe(same_epoch);
        let fetches: Vec<_> = self.fetches.keys().copied().collect();
        self.outgoing.extend(fetches.into_iter().map(Outgoing::Fetch));
        self.events.push_back(Event::Connected { epoch: welcome.epoch });
        Ok(())
    }

    /// The topic with this number; `None` if nothing selects it any more.
    fn topic(&self, number: TopicNumber) -> Result<Option<TopicKey>, Violation> {
        self.replicas
            .numbered(number)
            .ok_or_else(|| (ErrorCode::UnknownTopic, format!("topic {} was never announced", number.0)))
    }

    fn handle_announce(&mut self, announce: Announce, size: usize, now: Timestamp) -> Result<(), Violation> {
        let Announce { topic: number, partition, kind, value_type, version, sequence, path } = announce;
        let selected: Vec<_> = self
            .subscriptions
            .iter()
            .filter(|(_, subscription)| subscription.selector.matches(path.as_str()))
            .map(|(id, _)| *id)
            .collect();
        if let Some(key) = self.replicas.at(path.as_str()) {
            let same = self.replicas.get(key).is_some_and(|known| {
                let renumbered = known.last_number.is_some_and(|last| last != number);
                known.kind == kind && known.value_type == value_type && !renumbered
            });
            if same {
                self.replicas.number(number, Some(key));
                if let Some(known) = self.replicas.get_mut(key) {
                    known.partition = partition;
                    known.cursor = version;
                    known.sequence = sequence;
                    known.repairing = false;
                }
                if kind == TopicKind::Event {
                    self.tell_gap(key, sequence, size);
                }
                return Ok(());
            }
            // Removed and made anew, as something else.
            self.drop_topic(key, size);
        }
        if selected.is_empty() {
            // Of a subscription that has just ended.
            self.replicas.number(number, None);
            return Ok(());
        }
        if self.replicas.len() >= self.config.max_topics {
            let detail = format!("the gateway told of more than {} topics", self.config.max_topics);
            return Err((ErrorCode::SessionTopics, detail));
        }
        let key = self.replicas.insert(KnownTopic {
            path,
            partition,
            kind,
            value_type,
            number: None,
            last_number: None,
            cursor: version,
            sequence,
            value: None,
            version: Version::NONE,
            told_sequence: Some(sequence),
            received: now,
            repairing: false,
            subscriptions: selected,
        });
        self.replicas.number(number, Some(key));
        Ok(())
    }

    #[expect(clippy::too_many_arguments, reason = "the fields of the frame, and where they stand")]
    fn handle_snapshot(
        &mut self,
        number: TopicNumber,
        version: Version,
        sum: u32,
        value: &[u8],
        size: usize,
        told: &mut Told,
        now: Timestamp,
    ) -> Result<(), Violation> {
        let Some(key) = self.topic(number)? else { return Ok(()) };
        let Some(known) = self.replicas.get_mut(key) else { return Ok(()) };
        if known.kind != TopicKind::Value {
            return Err((ErrorCode::UnexpectedFrame, "a snapshot of an event topic".into()));
        }
        told.note(known.partition, version);
        self.statistics.snapshots += 1;
        if check(value, version) != sum || !known.value_type.admits(value) {
            self.repair(key);
            return Ok(());
        }
        known.cursor = version;
        known.repairing = false;
        self.set_value(key, version, Bytes::copy_from_slice(value), size, now);
        Ok(())
    }

    #[expect(clippy::too_many_arguments, reason = "the fields of the frame, and where they stand")]
    fn handle_delta(
        &mut self,
        number: TopicNumber,
        distance: u64,
        sum: u16,
        delta: &[u8],
        size: usize,
        told: &mut Told,
        now: Timestamp,
    ) -> Result<(), Violation> {
        let Some(key) = self.topic(number)? else { return Ok(()) };
        let limit = self.config.max_message;
        let Some(known) = self.replicas.get_mut(key) else { return Ok(()) };
        let base = known.cursor;
        let version = base
            .advanced_by(distance)
            .filter(|version| *version > base && known.kind == TopicKind::Value)
            .ok_or_else(|| (ErrorCode::UnexpectedFrame, "a delta that leads to no later value".to_string()))?;
        known.cursor = version;
        told.note(known.partition, version);
        if known.repairing || known.version >= version {
            return Ok(());
        }
        let mut value = Vec::new();
        let sound = match &known.value {
            Some(held) if known.version == base => {
                delta::apply(held, delta, limit, &mut value).is_ok()
                    && short_check(check(&value, version)) == sum
                    && known.value_type.admits(&value)
            }
            _ => false,
        };
        if !sound {
            self.repair(key);
            return Ok(());
        }
        self.statistics.deltas += 1;
        self.set_value(key, version, Bytes::from(value), size, now);
        Ok(())
    }

    /// Asks for a topic's whole value, once until it comes.
    fn repair(&mut self, key: TopicKey) {
        let Some(known) = self.replicas.get_mut(key) else { return };
        if !known.repairing
            && let Some(number) = known.number
        {
            known.repairing = true;
            self.statistics.repairs += 1;
            self.outgoing.push_back(Outgoing::Repair(number));
        }
    }

    /// A topic has a value: it is told unless it has been told before.
    fn set_value(&mut self, key: TopicKey, version: Version, bytes: Bytes, wire_bytes: usize, now: Timestamp) {
        let Some(known) = self.replicas.get_mut(key) else { return };
        known.received = now;
        if version <= known.version {
            return;
        }
        let Ok(value) = Value::from_bytes(known.value_type, bytes.clone()) else { return };
        known.version = version;
        known.value = Some(bytes);
        let kind = UpdateKind::Value { value, version };
        let update = Update { path: known.path.clone(), kind, wire_bytes };
        self.tell(key, &update);
    }

    fn handle_event(
        &mut self,
        number: TopicNumber,
        distance: u64,
        bytes: &[u8],
        wire_bytes: usize,
        told: &mut Told,
        now: Timestamp,
    ) -> Result<(), Violation> {
        let Some(key) = self.topic(number)? else { return Ok(()) };
        let Some(known) = self.replicas.get_mut(key) else { return Ok(()) };
        let bad = |detail: &str| (ErrorCode::UnexpectedFrame, detail.to_string());
        let version = known
            .cursor
            .advanced_by(distance)
            .filter(|version| *version > known.cursor && known.kind == TopicKind::Event)
            .ok_or_else(|| bad("an event that is not later than the one before"))?;
        known.cursor = version;
        known.sequence = known.sequence.saturating_add(1);
        told.note(known.partition, version);
        if version <= known.version {
            return Ok(());
        }
        let bytes = Bytes::copy_from_slice(bytes);
        let value = Value::from_bytes(known.value_type, bytes.clone())
            .map_err(|_| bad("an event that is not of its topic's type"))?;
        let sequence = known.sequence;
        known.version = version;
        known.told_sequence = Some(sequence);
        known.value = Some(bytes);
        known.received = now;
        let kind = UpdateKind::Event { value, version, sequence };
        let update = Update { path: known.path.clone(), kind, wire_bytes };
        self.tell(key, &update);
        Ok(())
    }

    fn tell(&mut self, key: TopicKey, update: &Update) {
        self.statistics.updates += 1;
        self.statistics.full_bytes += value_bytes(&update.kind) as u64;
        self.deliver_to_all(key, update);
    }

    /// Events up to this sequence number will not come: tells which of them are missing, if any.
    fn tell_gap(&mut self, key: TopicKey, sequence: u64, wire_bytes: usize) {
        let Some(known) = self.replicas.get_mut(key) else { return };
        let told = known.told_sequence.unwrap_or(sequence);
        known.told_sequence = Some(told.max(sequence));
        if sequence <= told {
            return;
        }
        let first = told + 1;
        let kind = UpdateKind::Gap { first, last: sequence };
        let update = Update { path: known.path.clone(), kind, wire_bytes };
        self.deliver_to_all(key, &update);
    }

    fn handle_ack(&mut self, ack: &Ack) {
        if let Some(verdict) = self.publishing.acknowledge(ack) {
            self.settle(verdict);
        }
    }

    fn handle_fetched(&mut self, fetched: &Fetched<'_>) -> Result<(), Violation> {
        let Some(fetch) = self.fetches.get_mut(&fetched.id) else { return Ok(()) };
        if fetch.items.len() as u64 >= fetch.limit {
            return Err((ErrorCode::UnexpectedFrame, "a fetch was answered with more than its limit".into()));
        }
        let value = Value::from_bytes(fetched.value_type, Bytes::copy_from_slice(fetched.value))
            .map_err(|_| (ErrorCode::UnexpectedFrame, "a fetched value is not of its type".to_string()))?;
        fetch.items.push(FetchedItem {
            path: fetched.path.clone(),
            kind: fetched.kind,
            value,
            version: fetched.version,
            sequence: fetched.sequence,
        });
        Ok(())
    }
}
