//! What a session holds, as bytes: for a warm start after the program was started anew.
//!
//! ```text
//! store    = magic version body check            ; check: CRC-32 of all before it, 4 bytes, least significant first
//! body     = epoch principal marks selectors topics
//! topic    = path number partition kind type flags cursor sequence [ told-sequence ] version [ value ]
//! ```
//! Numbers are varints, and what has a length of its own has it before it, as on the wire. The bytes belong to the
//! program that wrote them, and may change with every version of it: what can't be read is begun anew.

use alloc::string::String;
use alloc::vec::Vec;
use bytes::Bytes;
use core::fmt;

use super::Session;
use super::ordered::{Index, Numbers};
use super::replicas::{KnownTopic, TopicKey};
use crate::check::plain_check;
use crate::path::Path;
use crate::position::{Epoch, Partition, ResumePoint, TopicNumber, Version};
use crate::selector::Selector;
use crate::time::Timestamp;
use crate::value::{TopicKind, ValueType};
use crate::wire::{MAX_TEXT_BYTES, read_varint, write_varint};

const MAGIC: &[u8; 4] = b"OPst";
/// The version of the format.
const VERSION: u8 = 1;
/// Flags of a topic.
const HAS_VALUE: u8 = 1;
const IS_SOUND: u8 = 2;
const WAS_TOLD: u8 = 4;

/// Why bytes are not what a session held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum StoreError {
    /// They were not written by a session, or by another version of it.
    Foreign,
    /// They are cut off or changed.
    Damaged,
    /// They hold more topics than the session may.
    TooLarge,
    /// The session has begun already.
    NotFresh,
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Foreign => "the store was not written by this version of Outpour",
            Self::Damaged => "the store is damaged",
            Self::TooLarge => "the store holds more topics than the session may",
            Self::NotFresh => "a session can be given a store only before it connects and subscribes",
        })
    }
}

impl core::error::Error for StoreError {}

impl Session {
    /// What the session holds, in at the most `max_bytes`: the replicas, and where it is with them. A session
    /// that is given this by [`import`](Self::import) after the program was started anew shows these values
    /// at once, and is told only what has changed.
    ///
    /// Where there is no room for all values, the topics without are told whole after the import; where there
    /// is not even room for their names, the replicas that do fit can be looked at, and everything is told anew.
    /// Empty if there is nothing worth keeping, or no room for anything.
    ///
    /// ```
    /// use outpour_core::session::{Session, SessionConfig};
    /// use outpour_core::{PublisherId, Timestamp};
    ///
    /// let session = Session::new(SessionConfig::default(), PublisherId([1; 16]), 42, Timestamp::ZERO);
    /// assert!(session.export(1 << 20).is_empty(), "it was never told anything");
    /// ```
    #[must_use]
    pub fn export(&self, max_bytes: usize) -> Vec<u8> {
        let Some(epoch) = self.epoch else { return Vec::new() };
        let marks = if self.is_live() && self.returning.is_none() { &self.marks } else { &self.resume_marks };
        // Nobody has told of what was imported and not claimed since the session connected.
        let is_fresh = self.welcome.is_none();
        let mut out = Vec::from(*MAGIC);
        out.push(VERSION);
        out.extend_from_slice(&epoch.0);
        write_bytes(&mut out, self.principal.as_bytes());
        write_varint(&mut out, marks.len() as u64);
        for (partition, version) in marks.iter() {
            write_varint(&mut out, *partition);
            write_varint(&mut out, version.0);
        }
        let kept: Vec<&KnownTopic> = self.replicas.iter().filter(|topic| self.is_kept(topic, is_fresh)).collect();
        if kept.is_empty() {
            return Vec::new();
        }
        let names: usize = kept.iter().map(|topic| TOPIC_ROOM + topic.path.as_str().len()).sum();
        let selectors: Vec<&Selector> =
            if is_fresh { self.stored.iter().collect() } else { self.subscriptions.resumable().collect() };
        let room = selectors.iter().map(|selector| selector.as_str().len() + 5).sum::<usize>() + CHECK_ROOM;
        let is_whole = out.len() + names + room <= max_bytes;
        let selectors = if is_whole { selectors } else { Vec::new() };
        write_varint(&mut out, selectors.len() as u64);
        for selector in selectors {
            write_bytes(&mut out, selector.as_str().as_bytes());
        }
        let mut left =
            max_bytes.saturating_sub(out.len() + CHECK_ROOM).saturating_sub(if is_whole { names } else { 0 });
        let mut topics = Vec::new();
        let mut count = 0_u64;
        for topic in kept {
            let size = topic.value.as_ref().map_or(0, Bytes::len)
                + if is_whole { 0 } else { TOPIC_ROOM + topic.path.as_str().len() };
            let fits = size <= left;
            if fits {
                left -= size;
            } else if !is_whole {
                continue;
            }
            count += 1;
            write_topic(topic, fits, &mut topics);
        }
        write_varint(&mut out, count);
        out.extend_from_slice(&topics);
        let check = plain_check(&out);
        out.extend_from_slice(&check.to_le_bytes());
        if out.len() <= max_bytes { out } else { Vec::new() }
    }

    /// Takes up what another session held when it was [exported](Self::export). To be called before
    /// [`connect`](Self::connect) and [`subscribe`](Self::subscribe). Replicas can be looked at at once, and are
    /// stale; a subscription with one of the selectors of that session is told of what it held at once, and
    /// then of what has changed.
    ///
    /// What has been imported is forgotten when the gateway knows the session under another principal, or the
    /// log has begun anew.
    ///
    /// # Errors
    /// [`StoreError`] if the bytes are not sound; the session is then as it was.
    pub fn import(&mut self, bytes: &[u8], now: Timestamp) -> Result<(), StoreError> {
        if self.epoch.is_some() || self.replicas.len() > 0 || self.subscriptions.len() > 0 || self.link.has_begun() {
            return Err(StoreError::NotFresh);
        }
        let store = Store::read(bytes, self.config.max_topics)?;
        for (number, mut topic) in store.topics {
            topic.received = now;
            topic.is_known = topic.value.is_some();
            topic.told_as = (store.epoch, topic.version);
            self.replicas.restore(number, topic);
        }
        self.epoch = Some(store.epoch);
        self.principal = store.principal;
        for (partition, version) in store.marks {
            self.resume_marks.insert(partition.0.into(), version);
        }
        self.stored = store.selectors;
        Ok(())
    }

    /// Whether a topic is worth keeping: a subscription that is up to date selects it, or one did before the
    /// program was started anew, and nothing has been told since.
    fn is_kept(&self, topic: &KnownTopic, is_fresh: bool) -> bool {
        topic.number.is_some()
            && (is_fresh || topic.subscriptions.iter().any(|id| self.subscriptions.is_resumable(*id)))
    }

    /// Forgets what was imported and not claimed.
    pub(super) fn drop_unclaimed(&mut self) {
        self.stored = Vec::new();
        let unclaimed = self.replicas.iter().filter(|topic| topic.subscriptions.is_empty());
        let keys: Vec<TopicKey> = unclaimed.filter_map(|topic| self.replicas.at(topic.path.as_str())).collect();
        for key in keys {
            self.replicas.remove(key, self.requests);
        }
    }

    /// The gateway knows the session as somebody else: nothing that it holds may be shown any longer.
    pub(super) fn forget_everything(&mut self) {
        self.drop_unclaimed();
        let keys: Vec<TopicKey> =
            self.replicas.iter().filter_map(|topic| self.replicas.at(topic.path.as_str())).collect();
        for key in keys {
            self.drop_topic(key, 0);
        }
        self.subscriptions.begin_epoch();
        self.replicas.begin_epoch();
        self.resume_marks.clear();
        self.marks.clear();
        self.epoch = None;
    }
}

/// The most bytes that a topic takes beside its path and value.
const TOPIC_ROOM: usize = 5 + 5 + 5 + 3 + 10 * 4 + 5;
/// The most bytes that stand behind the selectors and beside the topics.
const CHECK_ROOM: usize = 5 + 5 + 4;

fn write_topic(topic: &KnownTopic, with_value: bool, out: &mut Vec<u8>) {
    let value = topic.value.as_ref().filter(|_| with_value);
    // A value topic without its value can't be continued; an event topic needs none.
    let is_sound = !topic.repairing && (value.is_some() == topic.value.is_some() || topic.kind == TopicKind::Event);
    let flags = [(value.is_some(), HAS_VALUE), (is_sound, IS_SOUND), (topic.told_sequence.is_some(), WAS_TOLD)];
    let flags = flags.into_iter().filter(|(is_set, _)| *is_set).fold(0, |flags, (_, flag)| flags | flag);
    write_bytes(out, topic.path.as_str().as_bytes());
    write_varint(out, topic.number.unwrap_or_default().0.into());
    write_varint(out, topic.partition.0.into());
    out.extend_from_slice(&[topic.kind.code(), topic.value_type.code(), flags]);
    write_varint(out, topic.cursor.0);
    write_varint(out, topic.sequence);
    if let Some(told) = topic.told_sequence {
        write_varint(out, told);
    }
    write_varint(out, topic.version.0);
    if let Some(value) = value {
        write_bytes(out, value);
    }
}

fn write_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    write_varint(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

struct Store {
    epoch: Epoch,
    principal: String,
    marks: Vec<(Partition, Version)>,
    selectors: Vec<Selector>,
    topics: Vec<(TopicNumber, KnownTopic)>,
}

impl Store {
    fn read(bytes: &[u8], max_topics: usize) -> Result<Self, StoreError> {
        let Some((MAGIC, _)) = bytes.split_first_chunk() else { return Err(StoreError::Foreign) };
        let (content, check) = bytes.split_last_chunk::<4>().ok_or(StoreError::Damaged)?;
        let (version, body) = content.get(MAGIC.len()..).and_then(<[u8]>::split_first).ok_or(StoreError::Damaged)?;
        if *version != VERSION {
            return Err(StoreError::Foreign);
        }
        if plain_check(content) != u32::from_le_bytes(*check) {
            return Err(StoreError::Damaged);
        }
        let mut reader = Reader { rest: body };
        let store = reader.store(max_topics)?;
        if reader.rest.is_empty() { Ok(store) } else { Err(StoreError::Damaged) }
    }
}

/// Takes fields off the front of a store.
struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    fn store(&mut self, max_topics: usize) -> Result<Store, StoreError> {
        let (epoch, rest) = self.rest.split_first_chunk().ok_or(StoreError::Damaged)?;
        self.rest = rest;
        let principal = self.text()?;
        if principal.len() > MAX_TEXT_BYTES {
            return Err(StoreError::Damaged);
        }
        let mut marks = Vec::new();
        for _ in 0..self.count(ResumePoint::MAX_ENTRIES)? {
            marks.push((Partition(self.small()?), Version(self.varint()?)));
        }
        let mut selectors = Vec::new();
        for _ in 0..self.varint()? {
            selectors.push(Selector::new(self.text()?).map_err(|_| StoreError::Damaged)?);
        }
        let count = self.varint()?;
        if count > max_topics as u64 {
            return Err(StoreError::TooLarge);
        }
        let mut topics = Vec::new();
        let (mut names, mut numbers) = (Index::new(), Numbers::new());
        for _ in 0..count {
            let (number, topic) = self.topic()?;
            let is_twice =
                names.insert(topic.path.clone(), 0).is_some() || numbers.insert(number.0.into(), 0).is_some();
            if is_twice {
                return Err(StoreError::Damaged);
            }
            topics.push((number, topic));
        }
        Ok(Store { epoch: Epoch(*epoch), principal: principal.into(), marks, selectors, topics })
    }

    fn topic(&mut self) -> Result<(TopicNumber, KnownTopic), StoreError> {
        let path = Path::new(self.text()?).map_err(|_| StoreError::Damaged)?;
        let number = TopicNumber(self.small()?);
        let partition = Partition(self.small()?);
        let kind = TopicKind::from_code(self.byte()?).ok_or(StoreError::Damaged)?;
        let value_type = ValueType::from_code(self.byte()?).ok_or(StoreError::Damaged)?;
        let flags = self.byte()?;
        if flags > HAS_VALUE | IS_SOUND | WAS_TOLD {
            return Err(StoreError::Damaged);
        }
        let mut topic = KnownTopic::new(path, partition, kind, value_type);
        topic.cursor = Version(self.varint()?);
        topic.sequence = self.varint()?;
        topic.told_sequence = if flags & WAS_TOLD == 0 { None } else { Some(self.varint()?) };
        topic.version = Version(self.varint()?);
        topic.repairing = flags & IS_SOUND == 0;
        if flags & HAS_VALUE != 0 {
            let value = self.bytes()?;
            if !value_type.admits(value) {
                return Err(StoreError::Damaged);
            }
            topic.value = Some(Bytes::copy_from_slice(value));
        }
        Ok((number, topic))
    }

    fn varint(&mut self) -> Result<u64, StoreError> {
        read_varint(&mut self.rest).map_err(|_| StoreError::Damaged)
    }

    fn small(&mut self) -> Result<u32, StoreError> {
        u32::try_from(self.varint()?).map_err(|_| StoreError::Damaged)
    }

    fn count(&mut self, limit: usize) -> Result<u64, StoreError> {
        self.varint().and_then(|count| if count > limit as u64 { Err(StoreError::Damaged) } else { Ok(count) })
    }

    fn byte(&mut self) -> Result<u8, StoreError> {
        let (byte, rest) = self.rest.split_first().ok_or(StoreError::Damaged)?;
        self.rest = rest;
        Ok(*byte)
    }

    fn bytes(&mut self) -> Result<&'a [u8], StoreError> {
        let length = usize::try_from(self.varint()?).map_err(|_| StoreError::Damaged)?;
        let (bytes, rest) = self.rest.split_at_checked(length).ok_or(StoreError::Damaged)?;
        self.rest = rest;
        Ok(bytes)
    }

    fn text(&mut self) -> Result<&'a str, StoreError> {
        core::str::from_utf8(self.bytes()?).map_err(|_| StoreError::Damaged)
    }
}
