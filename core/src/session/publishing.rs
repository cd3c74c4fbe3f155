//! Publishes: queued, numbered, sent, sent again, and settled once.

use alloc::collections::{BTreeMap, BTreeSet, VecDeque};
use alloc::vec::Vec;
use bytes::Bytes;

use super::event::{PublishTicket, Refusal, StreamId};
use crate::check::plain_check;
use crate::delta::Encoder;
use crate::error::ErrorCode;
use crate::path::Path;
use crate::position::{PublishNumber, Version};
use crate::value::Value;
use crate::wire::{Ack, ClientFrame, Condition, Operation, Publish, PublishPath, TopicProperties};

/// How many paths may be given an alias on a connection.
const MAX_ALIASES: u32 = 1024;

/// A change to a topic.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PublicationChange {
    /// Set a value topic.
    Set(Value),
    /// Append to an event topic.
    Append(Value),
    /// Set a value topic over an update stream: only what changed is sent.
    Stream(StreamId, Value),
    /// Apply an RFC 6902 JSON Patch, given as JSON text.
    JsonPatch(Bytes),
    /// Apply an RFC 7386 JSON Merge Patch, given as JSON text.
    MergePatch(Bytes),
    /// Remove the topic.
    Remove,
    /// Create a topic with a say in its properties.
    Create(TopicProperties),
}

/// A change, and when it may be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Publication {
    /// The change.
    pub change: PublicationChange,
    /// When it may be made.
    pub condition: Condition,
}

/// A publish on its way.
#[derive(Debug)]
struct Item {
    ticket: PublishTicket,
    path: Path,
    publication: Publication,
    /// 0 until it is first sent.
    number: PublishNumber,
    /// The value has to be sent whole: a delta was refused.
    whole: bool,
}

/// What becomes of a publish.
pub(super) type Verdict = (PublishTicket, Result<Version, Refusal>);

#[derive(Debug, Default)]
pub(super) struct Publishing {
    /// Sent and not settled, in the order of their numbers.
    in_flight: VecDeque<Item>,
    /// How many of these have been sent on this connection.
    sent: usize,
    /// Not yet sent.
    waiting: VecDeque<Item>,
    bytes: usize,
    last_ticket: u64,
    last_number: PublishNumber,
    last_stream: u32,
    /// The newest value of each stream that was applied: what a delta may start from.
    streams: BTreeMap<StreamId, Option<(PublishNumber, Value)>>,
    aliases: BTreeMap<Path, u32>,
    /// Paths published once on this connection: the second time is worth an alias.
    seen: BTreeSet<Path>,
    encoder: Encoder,
    scratch: Vec<u8>,
}

impl Publishing {
    pub(super) fn is_empty(&self) -> bool {
        self.in_flight.is_empty() && self.waiting.is_empty()
    }

    /// Every publish up to this number has been settled.
    pub(super) fn settled(&self) -> PublishNumber {
        self.in_flight.front().map_or(self.last_number, |first| PublishNumber(first.number.0 - 1))
    }

    pub(super) fn open_stream(&mut self) -> StreamId {
        self.last_stream += 1;
        let id = StreamId(self.last_stream);
        self.streams.insert(id, None);
        id
    }

    pub(super) fn close_stream(&mut self, id: StreamId) {
        self.streams.remove(&id);
    }

    pub(super) fn queue(
        &mut self,
        path: &Path,
        publication: Publication,
        max_count: usize,
        max_bytes: usize,
    ) -> Result<PublishTicket, ErrorCode> {
        if let PublicationChange::Stream(id, _) = &publication.change
            && !self.streams.contains_key(id)
        {
            return Err(ErrorCode::BadOptions);
        }
        let size = size(&publication);
        let full = self.in_flight.len() + self.waiting.len() >= max_count
            || self.bytes.saturating_add(size) > max_bytes && !self.is_empty();
        if full {
            return Err(ErrorCode::QueueFull);
        }
        self.bytes += size;
        self.last_ticket += 1;
        let ticket = PublishTicket(self.last_ticket);
        let number = PublishNumber(0);
        self.waiting.push_back(Item { ticket, path: path.clone(), publication, number, whole: false });
        Ok(ticket)
    }

    /// The connection is gone: what is in flight is sent again on the next one.
    pub(super) fn disconnect(&mut self) {
        self.sent = 0;
        self.aliases.clear();
        self.seen.clear();
    }

    /// Whether there is something that may be sent.
    pub(super) fn is_due(&self, window: u64) -> bool {
        self.sent < self.in_flight.len() || !self.waiting.is_empty() && (self.in_flight.len() as u64) < window
    }

    /// Appends the next publish to a message. A value that the gateway can't take is settled instead.
    pub(super) fn transmit(&mut self, out: &mut Vec<u8>, window: u64, max_value: u64) -> Option<Verdict> {
        if self.sent >= self.in_flight.len() {
            if !self.is_due(window) {
                return None;
            }
            let mut item = self.waiting.pop_front()?;
            let size = size(&item.publication);
            if size as u64 > max_value {
                self.bytes -= size;
                let refusal = Refusal { code: ErrorCode::TooLarge, version: Version::NONE };
                return Some((item.ticket, Err(refusal)));
            }
            self.last_number = PublishNumber(self.last_number.0 + 1);
            item.number = self.last_number;
            self.in_flight.push_back(item);
        }
        self.encode(self.sent, out);
        self.sent += 1;
        None
    }

    /// At the most how many bytes the next publish takes in a message.
    pub(super) fn next_size(&self) -> usize {
        let next = self.in_flight.get(self.sent).or_else(|| self.waiting.front());
        next.map_or(0, |item| size(&item.publication) + item.path.as_str().len() + 64)
    }

    fn encode(&mut self, index: usize, out: &mut Vec<u8>) {
        let base = self.delta_base(index);
        let Some(item) = self.in_flight.get(index) else { return };
        self.scratch.clear();
        let operation = match &item.publication.change {
            PublicationChange::Set(value) => Operation::Set { value_type: value.value_type(), value: value.bytes() },
            PublicationChange::Append(value) => {
                Operation::Append { value_type: value.value_type(), value: value.bytes() }
            }
            PublicationChange::Stream(_, value) => match base {
                Some((number, base))
                    if {
                        self.encoder.encode(base.bytes(), value.bytes(), &mut self.scratch);
                        self.scratch.len() + 8 < value.bytes().len()
                    } =>
                {
                    Operation::Delta { base: number, check: plain_check(value.bytes()), delta: &self.scratch }
                }
                _ => Operation::Set { value_type: value.value_type(), value: value.bytes() },
            },
            PublicationChange::JsonPatch(patch) => Operation::JsonPatch { patch },
            PublicationChange::MergePatch(patch) => Operation::MergePatch { patch },
            PublicationChange::Remove => Operation::Remove,
            PublicationChange::Create(properties) => Operation::Create(*properties),
        };
        let text = item.path.as_str().as_bytes();
        let path = match self.aliases.get(&item.path) {
            Some(alias) => PublishPath::Alias(*alias),
            None if self.seen.contains(&item.path) && (self.aliases.len() as u32) < MAX_ALIASES => {
                let alias = self.aliases.len() as u32;
                self.aliases.insert(item.path.clone(), alias);
                self.seen.remove(&item.path);
                PublishPath::Define(alias, text)
            }
            None => {
                if self.seen.len() < MAX_ALIASES as usize {
                    self.seen.insert(item.path.clone());
                }
                PublishPath::Whole(text)
            }
        };
        let condition = item.publication.condition;
        ClientFrame::Publish(Publish { number: item.number, path, condition, operation }).encode(out);
    }

    /// The publish of the same stream before the one at `index`: its number and value, if a delta
    /// may start from it.
    fn delta_base(&self, index: usize) -> Option<(PublishNumber, Value)> {
        let item = self.in_flight.get(index)?;
        let PublicationChange::Stream(stream, value) = &item.publication.change else { return None };
        if item.whole {
            return None;
        }
        let before = self.in_flight.iter().take(index).rev().find_map(|item| match &item.publication.change {
            PublicationChange::Stream(other, value) if other == stream => Some((item.number, value.clone())),
            _ => None,
        });
        let base = before.or_else(|| self.streams.get(stream)?.clone())?;
        (base.1.value_type() == value.value_type()).then_some(base)
    }

    /// The gateway's verdict; `None` if it settles nothing.
    pub(super) fn acknowledge(&mut self, ack: &Ack) -> Option<Verdict> {
        let index = self.in_flight.iter().position(|item| item.number == ack.number)?;
        let mut item = self.in_flight.remove(index)?;
        if index < self.sent {
            self.sent -= 1;
        }
        if let PublicationChange::Stream(stream, value) = &item.publication.change {
            if ack.code == ErrorCode::BaseMismatch.number() && !item.whole {
                // Somebody else has set the topic: send the whole value, ahead of what came later.
                item.whole = true;
                let place = self.waiting.iter().take_while(|waiting| waiting.whole).count();
                self.waiting.insert(place, item);
                return None;
            }
            if ack.code == 0
                && let Some(base) = self.streams.get_mut(stream)
            {
                *base = Some((ack.number, value.clone()));
            }
        }
        self.bytes -= size(&item.publication);
        let verdict = match ack.code {
            0 => Ok(ack.version),
            code => {
                let code = ErrorCode::from_number(code).unwrap_or(ErrorCode::Internal);
                Err(Refusal { code, version: ack.version })
            }
        };
        Some((item.ticket, verdict))
    }

    /// Settles everything: the session is over.
    pub(super) fn abandon(&mut self, code: ErrorCode) -> impl Iterator<Item = Verdict> {
        self.bytes = 0;
        self.sent = 0;
        let items = self.in_flight.drain(..).chain(self.waiting.drain(..));
        items.map(move |item| (item.ticket, Err(Refusal { code, version: Version::NONE })))
    }
}

fn size(publication: &Publication) -> usize {
    match &publication.change {
        PublicationChange::Set(value) | PublicationChange::Append(value) | PublicationChange::Stream(_, value) => {
            value.bytes().len()
        }
        PublicationChange::JsonPatch(patch) | PublicationChange::MergePatch(patch) => patch.len(),
        PublicationChange::Remove | PublicationChange::Create(_) => 0,
    }
}
