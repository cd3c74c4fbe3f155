//! Publishes: queued, numbered, sent, sent again, and settled once.

use alloc::collections::VecDeque;
use alloc::vec::Vec;
use bytes::Bytes;

use super::Session;
use super::aliases::Aliases;
use super::config::{QueueFull, SessionConfig};
use super::event::{PublishTicket, Refusal, StreamId};
use super::ordered::Table;
use crate::check::plain_check;
use crate::delta::Encoder;
use crate::error::ErrorCode;
use crate::path::Path;
use crate::position::{PublishNumber, Version};
use crate::value::Value;
use crate::wire::{Ack, ClientFrame, Condition, Operation, Publish, TopicProperties, Welcome};

/// At the most how many bytes a publish takes in a message beside its path and value.
const FRAME_ROOM: usize = 64;

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
    /// It was sent as a delta of the stream's publish before it, and so fails where that one does.
    chained: bool,
}

/// What becomes of a publish.
pub(super) type Verdict = (PublishTicket, Result<Version, Refusal>);

/// All publishes that have no verdict yet.
#[derive(Debug, Default)]
pub(super) struct Publishing {
    /// Sent and not settled, in the order of their numbers.
    in_flight: VecDeque<Item>,
    /// How many of these have been sent on this connection.
    sent: usize,
    /// How many verdicts the gateway owes on this connection.
    owed: u64,
    /// Not yet sent.
    waiting: VecDeque<Item>,
    bytes: usize,
    last_ticket: u64,
    last_number: PublishNumber,
    last_stream: u32,
    /// The newest value of each stream that was applied: what a delta may start from.
    streams: Table<u64, Option<(PublishNumber, Value)>>,
    aliases: Aliases,
    encoder: Encoder,
    scratch: Vec<u8>,
}

impl Publishing {
    pub(super) fn is_empty(&self) -> bool {
        self.in_flight.is_empty() && self.waiting.is_empty()
    }

    /// How many publishes have no verdict yet.
    pub(super) fn len(&self) -> usize {
        self.in_flight.len() + self.waiting.len()
    }

    /// Every publish up to this number has been settled.
    pub(super) fn settled(&self) -> PublishNumber {
        self.in_flight.front().map_or(self.last_number, |first| PublishNumber(first.number.0.saturating_sub(1)))
    }

    pub(super) fn open_stream(&mut self) -> StreamId {
        self.last_stream += 1;
        let id = StreamId(self.last_stream);
        self.streams.insert(id.0.into(), None);
        id
    }

    pub(super) fn close_stream(&mut self, id: StreamId) {
        self.streams.remove(&id.0.into());
    }

    /// Whether a publish is one that can be queued.
    pub(super) fn check(&self, publication: &Publication) -> Result<(), ErrorCode> {
        match &publication.change {
            PublicationChange::Stream(id, _) if !self.streams.contains(&id.0.into()) => Err(ErrorCode::BadOptions),
            _ => Ok(()),
        }
    }

    /// Whether there is room for one more of `size` bytes. One alone may have any size.
    fn has_room(&self, size: usize, config: &SessionConfig) -> bool {
        self.is_empty() || self.len() < config.queue_count && self.bytes.saturating_add(size) <= config.queue_bytes
    }

    /// Settles the oldest publish that was never sent.
    fn drop_oldest(&mut self) -> Option<Verdict> {
        let index = self.waiting.iter().position(|item| item.number.0 == 0)?;
        let item = self.waiting.remove(index)?;
        Some(self.settle(&item, Err(Refusal { code: ErrorCode::QueueFull, version: Version::NONE })))
    }

    /// Queues a publish.
    pub(super) fn queue(&mut self, path: &Path, publication: Publication) -> PublishTicket {
        self.bytes += publication.size();
        self.last_ticket += 1;
        let ticket = PublishTicket(self.last_ticket);
        let number = PublishNumber(0);
        self.waiting.push_back(Item { ticket, path: path.clone(), publication, number, whole: false, chained: false });
        ticket
    }

    /// The connection is gone: what is in flight is sent again on the next one.
    pub(super) fn disconnect(&mut self) {
        self.sent = 0;
        self.owed = 0;
        self.aliases.clear();
    }

    /// Whether there is something that may be sent.
    pub(super) fn is_due(&self, window: u64) -> bool {
        self.owed < window && (self.sent < self.in_flight.len() || !self.waiting.is_empty())
    }

    /// At the most how many bytes the next publish takes in a message.
    pub(super) fn next_size(&self) -> usize {
        self.in_flight.get(self.sent).or_else(|| self.waiting.front()).map_or(0, Item::frame_size)
    }

    /// Appends the next publish to a message. What the gateway can't take is settled instead.
    pub(super) fn transmit(&mut self, out: &mut Vec<u8>, welcome: &Welcome<'_>) -> Option<Verdict> {
        if self.sent >= self.in_flight.len() {
            let mut item = self.waiting.pop_front()?;
            self.last_number = PublishNumber(self.last_number.0 + 1);
            item.number = self.last_number;
            self.in_flight.push_back(item);
        }
        let too_large = self.in_flight.get(self.sent).is_some_and(|item| {
            item.publication.size() as u64 > welcome.max_value || item.frame_size() as u64 > welcome.max_message
        });
        if too_large {
            let item = self.in_flight.remove(self.sent)?;
            return Some(self.settle(&item, Err(Refusal { code: ErrorCode::TooLarge, version: Version::NONE })));
        }
        self.encode(self.sent, out);
        self.sent += 1;
        self.owed += 1;
        None
    }

    fn encode(&mut self, index: usize, out: &mut Vec<u8>) {
        let base = self.delta_base(index);
        let Some(item) = self.in_flight.get_mut(index) else { return };
        item.chained = false;
        self.scratch.clear();
        let operation = match &item.publication.change {
            PublicationChange::Set(value) => Operation::Set { value_type: value.value_type(), value: value.bytes() },
            PublicationChange::Append(value) => {
                Operation::Append { value_type: value.value_type(), value: value.bytes() }
            }
            PublicationChange::Stream(_, value) => {
                let whole = Operation::Set { value_type: value.value_type(), value: value.bytes() };
                match base {
                    None => whole,
                    Some(base) => {
                        self.encoder.encode(base.value.bytes(), value.bytes(), &mut self.scratch);
                        item.chained = base.is_chained || self.scratch.len() + 8 < value.bytes().len();
                        let check = plain_check(value.bytes());
                        let delta = Operation::Delta { base: base.number, check, delta: &self.scratch };
                        if item.chained { delta } else { whole }
                    }
                }
            }
            PublicationChange::JsonPatch(patch) => Operation::JsonPatch { patch },
            PublicationChange::MergePatch(patch) => Operation::MergePatch { patch },
            PublicationChange::Remove => Operation::Remove,
            PublicationChange::Create(properties) => Operation::Create(*properties),
        };
        let (number, condition) = (item.number, item.publication.condition);
        let path = self.aliases.name(&item.path);
        ClientFrame::Publish(Publish { number, path, condition, operation }).encode(out);
    }

    /// What a delta for the publish at `index` may start from: the stream's publish before it.
    fn delta_base(&self, index: usize) -> Option<Base> {
        let item = self.in_flight.get(index).filter(|item| !item.whole)?;
        let (stream, value) = item.streamed()?;
        let before = self.in_flight.iter().take(index).rev().find_map(|item| {
            let (_, value) = item.streamed().filter(|(other, _)| *other == stream)?;
            Some(Base { number: item.number, value: value.clone(), is_chained: item.chained })
        });
        let applied = || {
            let (number, value) = self.streams.get(&stream.0.into())?.clone()?;
            Some(Base { number, value, is_chained: false })
        };
        before.or_else(applied).filter(|base| base.value.value_type() == value.value_type())
    }

    /// The gateway's verdict; `None` if it settles nothing.
    pub(super) fn acknowledge(&mut self, ack: &Ack) -> Option<Verdict> {
        self.owed = self.owed.saturating_sub(1);
        let index = self.in_flight.binary_search_by_key(&ack.number, |item| item.number).ok()?;
        let refused_base = ack.code == ErrorCode::BaseMismatch.number();
        let is_delta = self.in_flight.get(index).is_some_and(|item| item.chained);
        if refused_base && is_delta && !self.is_overtaken(index) {
            self.send_whole(index);
            return None;
        }
        let item = self.in_flight.remove(index)?;
        if index < self.sent {
            self.sent -= 1;
        }
        let verdict = match ErrorCode::from_number(ack.code) {
            _ if ack.code == 0 => Ok(ack.version),
            code => Err(Refusal { code: code.unwrap_or(ErrorCode::Internal), version: ack.version }),
        };
        if let Some((stream, value)) = item.streamed()
            && verdict.is_ok()
            && let Some(applied) = self.streams.get_mut(&stream.0.into())
        {
            *applied = Some((ack.number, value.clone()));
        }
        Some(self.settle(&item, verdict))
    }

    /// Whether something else was published to the same topic later, which sending the publish at
    /// `index` again would undo.
    fn is_overtaken(&self, index: usize) -> bool {
        let path = self.in_flight.get(index).map(|item| &item.path);
        self.in_flight.iter().skip(index + 1).any(|item| Some(&item.path) == path && !item.chained)
    }

    /// Somebody else has set the topic: the publish at `index` goes out again with its whole value,
    /// and with it those whose deltas build on it and so will be refused as well.
    fn send_whole(&mut self, index: usize) {
        let stream = self.in_flight.get(index).and_then(Item::streamed).map(|(stream, _)| stream);
        let mut place = self.waiting.iter().take_while(|item| item.whole).count();
        let mut at = index;
        while let Some(item) = self.in_flight.get(at) {
            if !item.chained || item.streamed().map(|(stream, _)| stream) != stream {
                at += 1;
                continue;
            }
            if let Some(item) = self.in_flight.remove(at) {
                self.waiting.insert(place, Item { whole: true, chained: false, ..item });
                place += 1;
                if at < self.sent {
                    self.sent -= 1;
                }
            }
        }
    }

    fn settle(&mut self, item: &Item, verdict: Result<Version, Refusal>) -> Verdict {
        self.bytes -= item.publication.size();
        (item.ticket, verdict)
    }

    /// Settles everything: the session is over.
    pub(super) fn abandon(&mut self, code: ErrorCode) -> Vec<Verdict> {
        self.bytes = 0;
        self.sent = 0;
        let mut verdicts = Vec::new();
        while let Some(item) = self.in_flight.pop_front().or_else(|| self.waiting.pop_front()) {
            verdicts.push((item.ticket, Err(Refusal { code, version: Version::NONE })));
        }
        verdicts
    }
}

impl Session {
    /// Sees to it that there is room for one more publish of `size` bytes. Verdicts that nobody has heard yet
    /// take room as well.
    pub(super) fn make_room(&mut self, size: usize) -> Result<(), ErrorCode> {
        let unheard = self.events.verdicts();
        match self.config.queue_full {
            QueueFull::Error if self.publishing.len() + unheard >= self.config.queue_count => {
                return Err(ErrorCode::QueueFull);
            }
            QueueFull::DropOldest if unheard >= self.config.queue_count => return Err(ErrorCode::QueueFull),
            _ => {}
        }
        while !self.publishing.has_room(size, &self.config) {
            let dropped = match self.config.queue_full {
                QueueFull::Error => None,
                QueueFull::DropOldest => self.publishing.drop_oldest(),
            };
            self.settle(dropped.ok_or(ErrorCode::QueueFull)?);
        }
        Ok(())
    }
}

/// What a delta starts from.
struct Base {
    number: PublishNumber,
    value: Value,
    /// It is itself on its way as a delta. What follows is then one too, whatever its size: so
    /// either all of them are applied or all are sent again, and none overtakes another.
    is_chained: bool,
}

impl Item {
    fn streamed(&self) -> Option<(StreamId, &Value)> {
        match &self.publication.change {
            PublicationChange::Stream(stream, value) => Some((*stream, value)),
            _ => None,
        }
    }

    fn frame_size(&self) -> usize {
        self.publication.size() + self.path.as_str().len() + FRAME_ROOM
    }
}

impl Publication {
    /// How many bytes its value or patch has.
    pub(super) fn size(&self) -> usize {
        match &self.change {
            PublicationChange::Set(value) | PublicationChange::Append(value) | PublicationChange::Stream(_, value) => {
                value.bytes().len()
            }
            PublicationChange::JsonPatch(patch) | PublicationChange::MergePatch(patch) => patch.len(),
            PublicationChange::Remove | PublicationChange::Create(_) => 0,
        }
    }
}
