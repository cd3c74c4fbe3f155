//! One record applied: duplicate? condition? change? Every broker that reads the log decides alike.

use std::sync::Arc;

use bytes::Bytes;
use outpour_core::check::{check, short_check};
use outpour_core::delta;
use outpour_core::peer::{Change, Topic, TopicDescription, Update, snapshot_frame};
use outpour_core::wire::{Condition, GatewayFrame};
use outpour_core::{ErrorCode, Path, PublishNumber, PublisherId, TopicKind, TopicNumber, ValueType, Version};

use super::rules::{self, Properties};
use super::store::Stored;
use super::{Broker, Outcome, patch};
use crate::log::Record;

impl Broker {
    pub(super) fn apply(&mut self, version: Version, record: Record) {
        let (author, number) = (record.author, record.number);
        let sessions = self.take_waiting(author, number);
        let ack = match self.publishers.settled(author, number) {
            Some(ack) => ack,
            None => {
                let path = record.path.clone();
                let verdict = self.judge(&record).and_then(|()| self.change(version, record));
                match verdict {
                    Ok(()) => self.statistics.applied += 1,
                    Err(_) => self.statistics.refused += 1,
                }
                let now = match verdict {
                    Ok(()) => version,
                    Err(_) => self.topics.at(&path).map_or(Version::NONE, Stored::version),
                };
                self.publishers.settle(author, number, verdict, now)
            }
        };
        for session in sessions {
            self.announce(Outcome::Acknowledged { session, ack });
        }
    }

    fn judge(&self, record: &Record) -> Result<(), ErrorCode> {
        match record.condition {
            Condition::IfAbsent if self.topics.at(&record.path).is_some() => Err(ErrorCode::AlreadyExists),
            Condition::IfVersion(wanted) => match self.topics.at(&record.path) {
                None => Err(ErrorCode::NoSuchTopic),
                Some(stored) if stored.version() != wanted => Err(ErrorCode::VersionMismatch),
                Some(_) => Ok(()),
            },
            _ => Ok(()),
        }
    }

    fn change(&mut self, version: Version, record: Record) -> Result<(), ErrorCode> {
        let Record { path, author, number, change, at_ms, .. } = record;
        if let Some(snapshot) = &mut self.snapshot
            && let Some(stored) = self.topics.at(&path)
        {
            snapshot.keep(stored);
        }
        let by = (author, number);
        let max_value = self.config.max_value;
        match change {
            Change::Set(value_type, value) => {
                let topic = self.find_or_create(version, &path, TopicKind::Value, value_type)?;
                self.set(topic, version, value, by, at_ms)
            }
            Change::Append(value_type, value) => {
                let topic = self.find_or_create(version, &path, TopicKind::Event, value_type)?;
                self.append(topic, version, &value, by, at_ms)
            }
            Change::Delta { base, check, delta } => {
                let (topic, value) = self.after_delta(&path, (author, base), check, &delta)?;
                self.set(topic, version, value, by, at_ms)
            }
            Change::JsonPatch(patch) => {
                let (topic, value) = self.patched(&path, |value| patch::json_patch(value, &patch, max_value))?;
                self.set(topic, version, value, by, at_ms)
            }
            Change::MergePatch(patch) => {
                let (topic, value) = self.patched(&path, |value| patch::merge_patch(value, &patch))?;
                self.set(topic, version, value, by, at_ms)
            }
            Change::Remove => {
                let topic = self.topics.remove(&path).ok_or(ErrorCode::NoSuchTopic)?;
                self.removals.note(topic, path, version);
                self.announce(Outcome::Removed { topic, version });
                Ok(())
            }
            Change::Create(wanted) => {
                if self.topics.at(&path).is_some() {
                    return Err(ErrorCode::AlreadyExists);
                }
                let properties = rules::explicit(&self.config.rules, &path, &wanted)?;
                self.create(version, &path, wanted.kind, wanted.value_type, properties).map(|_| ())
            }
            _ => Err(ErrorCode::Internal),
        }
    }

    fn find_or_create(
        &mut self,
        version: Version,
        path: &Path,
        kind: TopicKind,
        value_type: ValueType,
    ) -> Result<TopicNumber, ErrorCode> {
        let Some(topic) = self.topic_at(path) else {
            let properties = rules::implied(&self.config.rules, path, kind, value_type)?;
            return self.create(version, path, kind, value_type, properties);
        };
        if topic.kind() != kind {
            Err(ErrorCode::KindMismatch)
        } else if topic.value_type() != value_type {
            Err(ErrorCode::TypeMismatch)
        } else {
            Ok(topic.number())
        }
    }

    fn create(
        &mut self,
        version: Version,
        path: &Path,
        kind: TopicKind,
        value_type: ValueType,
        properties: Properties,
    ) -> Result<TopicNumber, ErrorCode> {
        if self.topics.len() >= self.config.max_topics || self.next_number == u32::MAX {
            return Err(ErrorCode::TooManyTopics);
        }
        let number = TopicNumber(self.next_number);
        self.next_number += 1;
        let description = TopicDescription {
            number,
            partition: self.log.partition_of(path),
            path: path.clone(),
            kind,
            value_type,
            retain: properties.retain,
            conflate: properties.conflate,
            history: properties.history,
        };
        let topic = Topic::new(description.clone());
        self.announce(Outcome::Created { topic: Arc::new(description), version });
        let stored = Stored { topic, created: version, author: PublisherId::default(), number: PublishNumber(0) };
        self.topics.insert(stored);
        Ok(number)
    }

    /// Sets a topic's value, and encodes the update: once, for however many sessions follow it.
    fn set(
        &mut self,
        number: TopicNumber,
        version: Version,
        value: Bytes,
        by: (PublisherId, PublishNumber),
        at_ms: u64,
    ) -> Result<(), ErrorCode> {
        let stored = self.topics.get_mut(number).ok_or(ErrorCode::Internal)?;
        let topic = &mut stored.topic;
        let base = topic.version();
        self.scratch.clear();
        let distance = version.distance_from(base).ok_or(ErrorCode::Internal)?;
        let delta = topic.value().filter(|old| worth_a_delta(old, &value)).is_some_and(|old| {
            self.encoder.encode(old, &value, &mut self.scratch);
            self.scratch.len() < value.len()
        });
        let (frame, value) = if delta {
            let mut frame = Vec::with_capacity(self.scratch.len() + 16);
            let check = short_check(check(&value, version));
            GatewayFrame::Delta { topic: number, distance, check, delta: &self.scratch }.encode(&mut frame);
            self.statistics.deltas += 1;
            (Bytes::from(frame), value)
        } else {
            // The frame ends with the value: keep one copy of both.
            let frame = snapshot_frame(number, version, &value);
            let value = frame.slice(frame.len() - value.len()..);
            (frame, value)
        };
        self.statistics.updates_encoded += 1;
        let update = Update { topic: number, base, version, sequence: 0, at_ms, frame, value, whole: !delta };
        topic.update(&update);
        (stored.author, stored.number) = by;
        self.announce(Outcome::Updated(Arc::new(update)));
        Ok(())
    }

    fn append(
        &mut self,
        number: TopicNumber,
        version: Version,
        value: &[u8],
        by: (PublisherId, PublishNumber),
        at_ms: u64,
    ) -> Result<(), ErrorCode> {
        let stored = self.topics.get_mut(number).ok_or(ErrorCode::Internal)?;
        let topic = &mut stored.topic;
        let base = topic.version();
        let distance = version.distance_from(base).ok_or(ErrorCode::Internal)?;
        let mut frame = Vec::with_capacity(value.len() + 16);
        GatewayFrame::Event { topic: number, distance, value }.encode(&mut frame);
        let frame = Bytes::from(frame);
        let value = frame.slice(frame.len() - value.len()..);
        self.statistics.updates_encoded += 1;
        let sequence = topic.sequence() + 1;
        let update = Update { topic: number, base, version, sequence, at_ms, frame, value, whole: false };
        topic.update(&update);
        (stored.author, stored.number) = by;
        self.announce(Outcome::Updated(Arc::new(update)));
        Ok(())
    }

    fn value_topic(&self, path: &Path) -> Result<(&Stored, &Bytes), ErrorCode> {
        let stored = self.topics.at(path).ok_or(ErrorCode::NoSuchTopic)?;
        if stored.topic.kind() != TopicKind::Value {
            return Err(ErrorCode::KindMismatch);
        }
        Ok((stored, stored.topic.value().ok_or(ErrorCode::NoSuchTopic)?))
    }

    /// The value that an upstream delta leads to, if the topic still has the value it starts from.
    fn after_delta(
        &self,
        path: &Path,
        base: (PublisherId, PublishNumber),
        check: u32,
        delta: &[u8],
    ) -> Result<(TopicNumber, Bytes), ErrorCode> {
        let (stored, value) = self.value_topic(path).map_err(|_| ErrorCode::BaseMismatch)?;
        if (stored.author, stored.number) != base {
            return Err(ErrorCode::BaseMismatch);
        }
        let mut result = Vec::new();
        delta::apply(value, delta, self.config.max_value, &mut result).map_err(|_| ErrorCode::BaseMismatch)?;
        if outpour_core::check::plain_check(&result) != check {
            return Err(ErrorCode::BaseMismatch);
        }
        let result = Bytes::from(result);
        super::well_formed(&Change::Set(stored.topic.value_type(), result.clone()))?;
        if !stored.topic.value_type().admits(&result) {
            return Err(ErrorCode::BadValue);
        }
        Ok((stored.topic.number(), result))
    }

    fn patched(
        &self,
        path: &Path,
        patch: impl FnOnce(&[u8]) -> Result<Vec<u8>, ErrorCode>,
    ) -> Result<(TopicNumber, Bytes), ErrorCode> {
        let (stored, value) = self.value_topic(path)?;
        if stored.topic.value_type() != ValueType::Json {
            return Err(ErrorCode::TypeMismatch);
        }
        let result = patch(value)?;
        if result.len() > self.config.max_value {
            return Err(ErrorCode::TooLarge);
        }
        Ok((stored.topic.number(), Bytes::from(result)))
    }
}

/// Numbers of 8 bytes and the like are as small whole.
fn worth_a_delta(old: &Bytes, new: &Bytes) -> bool {
    old.len() > 8 && new.len() > 8
}
