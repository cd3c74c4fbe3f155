//! What a gateway tells of topics, applied to their replicas and told to the application.

use alloc::vec::Vec;
use bytes::Bytes;

use super::Session;
use super::event::{MissedEvents, Update, UpdateKind};
use super::inbound::{Arriving, Violation, unexpected};
use super::replicas::{KnownTopic, Numbered, TopicKey};
use crate::check::{check, short_check};
use crate::decimal::decimal;
use crate::delta;
use crate::error::ErrorCode;
use crate::position::{TopicNumber, Version};
use crate::value::{TopicKind, Value};
use crate::wire::Announce;

/// How many snapshots of a topic may fail their own check, one after the other.
const MAX_BAD_SNAPSHOTS: u8 = 3;

impl Session {
    /// The topic with this number; `None` if nothing selects it any more.
    fn topic(&self, number: TopicNumber) -> Result<Option<TopicKey>, Violation> {
        match self.replicas.numbered(number) {
            Some(Numbered::Topic(key)) => Ok(Some(key)),
            Some(Numbered::Left(_)) => Ok(None),
            None => {
                Err((ErrorCode::UnknownTopic, ["topic ", &decimal(number.0.into()), " was never announced"].concat()))
            }
        }
    }

    pub(super) fn handle_announce(&mut self, announce: Announce, arriving: &Arriving) -> Result<(), Violation> {
        let Announce { topic: number, partition, kind, value_type, version, sequence, path } = announce;
        if let Some(Numbered::Topic(key)) = self.replicas.numbered(number)
            && self.replicas.get(key).is_some_and(|known| known.path != path)
        {
            return Err(unexpected("a number was given to a second topic"));
        }
        if let Some(key) = self.replicas.at(path.as_str())
            && self.replicas.get(key).is_some_and(|known| {
                let renumbered = known.number.is_some_and(|last| last != number);
                known.kind != kind || known.value_type != value_type || renumbered
            })
        {
            // Removed and made anew.
            self.drop_topic(key, 0);
        }
        let key = match self.replicas.at(path.as_str()) {
            Some(key) => key,
            None => {
                let subscriptions = self.subscriptions.selecting(path.as_str());
                let (topics, numbers) = (self.replicas.len(), self.replicas.numbers());
                if topics >= self.config.max_topics || numbers >= self.config.max_topics.saturating_mul(2) {
                    let count = decimal(numbers as u64);
                    let detail = ["the gateway told of ", &count, " topics, more than the session may hold"].concat();
                    return Err((ErrorCode::SessionTopics, detail));
                }
                if subscriptions.is_empty() {
                    // Of a subscription that has just ended.
                    self.replicas.leave(number, self.requests);
                    return Ok(());
                }
                let mut known = KnownTopic::new(path, partition, kind, value_type);
                known.received = arriving.now;
                known.subscriptions = subscriptions;
                self.replicas.insert(known)
            }
        };
        self.replicas.number(number, key);
        let Some(known) = self.replicas.get_mut(key) else { return Ok(()) };
        known.partition = partition;
        known.cursor = version;
        known.sequence = sequence;
        known.repairing = false;
        if kind == TopicKind::Event && known.told_sequence.is_none() {
            known.told_sequence = Some(sequence);
        }
        self.tell_gap(key, sequence, arriving.size);
        Ok(())
    }

    pub(super) fn handle_snapshot(
        &mut self,
        number: TopicNumber,
        version: Version,
        sum: u32,
        value: &[u8],
        arriving: &mut Arriving,
    ) -> Result<(), Violation> {
        let Some(key) = self.topic(number)? else { return Ok(()) };
        let Some(known) = self.replicas.get_mut(key) else { return Ok(()) };
        if known.kind != TopicKind::Value {
            return Err(unexpected("a snapshot of an event topic"));
        }
        arriving.note(known.partition, version);
        known.cursor = version;
        known.repairing = false;
        if check(value, version) != sum || !known.value_type.admits(value) {
            known.bad_snapshots += 1;
            if known.bad_snapshots >= MAX_BAD_SNAPSHOTS {
                let detail = ["the snapshots of ", known.path.as_str(), " fail their check"].concat();
                return Err((ErrorCode::MalformedFrame, detail));
            }
            self.repair(key);
            return Ok(());
        }
        known.bad_snapshots = 0;
        self.statistics.snapshots += 1;
        self.set_value(key, version, Bytes::copy_from_slice(value), arriving);
        Ok(())
    }

    pub(super) fn handle_delta(
        &mut self,
        number: TopicNumber,
        distance: u64,
        sum: u16,
        delta: &[u8],
        arriving: &mut Arriving,
    ) -> Result<(), Violation> {
        let Some(key) = self.topic(number)? else { return Ok(()) };
        let limit = self.config.max_message;
        let Some(known) = self.replicas.get_mut(key) else { return Ok(()) };
        let base = known.cursor;
        let version = base
            .advanced_by(distance)
            .filter(|version| *version > base && known.kind == TopicKind::Value)
            .ok_or_else(|| unexpected("a delta that leads to no later value"))?;
        known.cursor = version;
        arriving.note(known.partition, version);
        if known.repairing || known.version >= version {
            return Ok(());
        }
        let mut value = Vec::new();
        let is_sound = match &known.value {
            Some(held) if known.version == base && base != Version::NONE => {
                delta::apply(held, delta, limit, &mut value).is_ok()
                    && short_check(check(&value, version)) == sum
                    && known.value_type.admits(&value)
            }
            _ => false,
        };
        if is_sound {
            self.statistics.deltas += 1;
            self.set_value(key, version, Bytes::from(value), arriving);
        } else {
            self.repair(key);
        }
        Ok(())
    }

    pub(super) fn handle_event(
        &mut self,
        number: TopicNumber,
        distance: u64,
        bytes: &[u8],
        arriving: &mut Arriving,
    ) -> Result<(), Violation> {
        let Some(key) = self.topic(number)? else { return Ok(()) };
        let epoch = self.epoch.unwrap_or_default();
        let Some(known) = self.replicas.get_mut(key) else { return Ok(()) };
        let version = known
            .cursor
            .advanced_by(distance)
            .filter(|version| *version > known.cursor && known.kind == TopicKind::Event)
            .ok_or_else(|| unexpected("an event that is not later than the one before"))?;
        let sequence = known.sequence.checked_add(1).ok_or_else(|| unexpected("an event past the last number"))?;
        known.cursor = version;
        known.sequence = sequence;
        arriving.note(known.partition, version);
        // Told on an earlier connection.
        if version <= known.version || known.told_sequence.is_some_and(|told| sequence <= told) {
            return Ok(());
        }
        let bytes = Bytes::copy_from_slice(bytes);
        let value = Value::from_bytes(known.value_type, bytes.clone())
            .map_err(|_| unexpected("an event that is not of its topic's type"))?;
        let is_first = !core::mem::replace(&mut known.is_known, true);
        known.version = version;
        known.told_sequence = Some(sequence);
        known.value = Some(bytes);
        known.told_as = (epoch, version);
        known.received = arriving.now;
        let kind = UpdateKind::Event { value, version, sequence };
        let update = Update { path: known.path.clone(), kind, epoch, stale: false, wire_bytes: arriving.size };
        self.tell(key, &update, is_first);
        Ok(())
    }

    pub(super) fn handle_gap(
        &mut self,
        number: TopicNumber,
        version: Version,
        sequence: u64,
        arriving: &mut Arriving,
    ) -> Result<(), Violation> {
        let Some(key) = self.topic(number)? else { return Ok(()) };
        let Some(known) = self.replicas.get_mut(key) else { return Ok(()) };
        if known.kind != TopicKind::Event || version < known.cursor || sequence < known.sequence {
            return Err(unexpected("a gap that leads to no later event"));
        }
        known.cursor = version;
        known.sequence = sequence;
        arriving.note(known.partition, version);
        self.tell_gap(key, sequence, arriving.size);
        Ok(())
    }

    pub(super) fn handle_removed(
        &mut self,
        number: TopicNumber,
        version: Version,
        arriving: &mut Arriving,
    ) -> Result<(), Violation> {
        // A topic that came and went while the session was away is removed without having been announced.
        if let Some(Numbered::Topic(key)) = self.replicas.numbered(number) {
            if let Some(known) = self.replicas.get(key) {
                arriving.note(known.partition, version);
            }
            self.drop_topic(key, arriving.size);
        }
        self.replicas.retire(number);
        Ok(())
    }

    /// Asks for a topic's whole value, once until it comes.
    fn repair(&mut self, key: TopicKey) {
        let Some(known) = self.replicas.get_mut(key) else { return };
        if let Some(number) = known.number.filter(|_| !known.repairing) {
            known.repairing = true;
            self.statistics.repairs += 1;
            self.repairs.insert(number.0.into(), 0);
        }
    }

    /// A topic has a value: it is told unless it has been told before.
    fn set_value(&mut self, key: TopicKey, version: Version, bytes: Bytes, arriving: &Arriving) {
        let epoch = self.epoch.unwrap_or_default();
        let Some(known) = self.replicas.get_mut(key) else { return };
        known.received = arriving.now;
        if version <= known.version && known.value.is_some() {
            return;
        }
        let Ok(value) = Value::from_bytes(known.value_type, bytes.clone()) else { return };
        known.version = version;
        known.told_as = (epoch, version);
        known.value = Some(bytes);
        let is_first = !core::mem::replace(&mut known.is_known, true);
        let kind = UpdateKind::Value { value, version };
        let update = Update { path: known.path.clone(), kind, epoch, stale: false, wire_bytes: arriving.size };
        self.tell(key, &update, is_first);
    }

    fn tell(&mut self, key: TopicKey, update: &Update, is_first: bool) {
        self.statistics.updates += 1;
        if let UpdateKind::Value { value, .. } | UpdateKind::Event { value, .. } = &update.kind {
            self.statistics.full_bytes += value.bytes().len() as u64;
        }
        self.deliver_to_all(key, update, is_first);
    }

    /// Events up to this sequence number will not come: tells which of them are missing, if any.
    fn tell_gap(&mut self, key: TopicKey, sequence: u64, wire_bytes: usize) {
        let epoch = self.epoch.unwrap_or_default();
        let Some(known) = self.replicas.get_mut(key) else { return };
        let Some(told) = known.told_sequence.filter(|told| *told < sequence) else { return };
        known.told_sequence = Some(sequence);
        let missed = MissedEvents { path: known.path.clone(), first: told + 1, last: sequence };
        let kind = UpdateKind::Gap { first: missed.first, last: missed.last };
        let update = Update { path: known.path.clone(), kind, epoch, stale: false, wire_bytes };
        let is_first = !core::mem::replace(&mut known.is_known, true);
        self.deliver_to_all(key, &update, is_first);
        self.note_missed(missed);
    }
}
