//! Fetches: values and past events asked for once, a page at a time.

use std::collections::VecDeque;

use outpour_core::peer::{Peer, Topic};
use outpour_core::wire::{Fetched, HistoryStart};
use outpour_core::{FetchId, Selector, TopicKind, TopicNumber, Version};

use super::shard::Shard;
use crate::broker::Broker;
use crate::topics::Cursor;

/// How many topics are looked up at once.
const PAGE: usize = 64;

/// A fetch on its way through the topics.
#[derive(Debug)]
pub(super) struct Fetching {
    id: FetchId,
    selector: Selector,
    history: Option<HistoryStart>,
    left: u64,
    cursor: Option<Cursor>,
    last_page: bool,
    found: VecDeque<TopicNumber>,
    /// How far the first topic found has been answered: up to the event with this version.
    answered: Option<Version>,
}

/// Why the answering of a topic has ended.
enum Answered {
    /// All of it has been sent.
    All,
    /// The limit keeps something back.
    Limited,
    /// The client has to read first.
    Congested,
}

impl Fetching {
    pub(super) const fn new(id: FetchId, selector: Selector, history: Option<HistoryStart>, limit: u64) -> Self {
        let found = VecDeque::new();
        Self { id, selector, history, left: limit, cursor: None, last_page: false, found, answered: None }
    }
}

impl Shard {
    /// Goes on with one of the session's fetches.
    pub(super) fn fetch_page(&mut self, key: u32, broker: &mut Broker, wall_ms: u64) {
        let Some(session) = self.sessions.get_mut(key as usize) else { return };
        let Some(mut fetching) = session.fetching.pop_front() else { return };
        if !fetching.answer_page(&mut session.peer, broker, wall_ms) {
            session.fetching.push_back(fetching);
        }
        self.wake(key);
    }
}

impl Fetching {
    /// Answers at the most a page, and as much as the session may be sent for now. `true` when the
    /// fetch is answered.
    fn answer_page(&mut self, peer: &mut Peer, broker: &mut Broker, wall_ms: u64) -> bool {
        if self.found.is_empty() && !self.last_page {
            let mut found = Vec::new();
            self.cursor = broker.matching(&self.selector, self.cursor.as_ref(), PAGE, &mut found);
            self.last_page = self.cursor.is_none();
            self.found.extend(found);
        }
        while let Some(number) = self.found.front().copied() {
            broker.forget(number, wall_ms);
            let answered = match broker.topic(number) {
                None => Answered::All,
                Some(_) if peer.is_congested() => Answered::Congested,
                Some(topic) => match self.history {
                    None => self.answer_value(topic, peer),
                    Some(start) => self.answer_events(topic, start, peer),
                },
            };
            match answered {
                Answered::All => {
                    self.found.pop_front();
                    self.answered = None;
                }
                Answered::Limited => {
                    peer.fetch_ended(self.id, true);
                    return true;
                }
                Answered::Congested => return false,
            }
        }
        if self.last_page {
            peer.fetch_ended(self.id, false);
        }
        self.last_page
    }

    fn answer_value(&mut self, topic: &Topic, peer: &mut Peer) -> Answered {
        let Some(value) = topic.value().filter(|_| topic.retain()) else { return Answered::All };
        let Some(left) = self.left.checked_sub(1) else { return Answered::Limited };
        self.left = left;
        peer.fetched(self.fetched(topic, topic.version(), 0, value));
        Answered::All
    }

    fn answer_events(&mut self, topic: &Topic, start: HistoryStart, peer: &mut Peer) -> Answered {
        if topic.kind() != TopicKind::Event {
            return Answered::All;
        }
        let after = self.answered.unwrap_or_else(|| match start {
            HistoryStart::Last(count) => topic.before_last(count),
            HistoryStart::After(version) => version,
            HistoryStart::All => Version::NONE,
            _ => topic.version(),
        });
        self.answered = Some(after);
        for event in topic.events_after(after) {
            if peer.is_congested() {
                return Answered::Congested;
            }
            let Some(left) = self.left.checked_sub(1) else { return Answered::Limited };
            self.left = left;
            peer.fetched(self.fetched(topic, event.version, event.sequence, event.value));
            self.answered = Some(event.version);
        }
        Answered::All
    }

    fn fetched<'a>(&self, topic: &Topic, version: Version, sequence: u64, value: &'a [u8]) -> Fetched<'a> {
        Fetched {
            id: self.id,
            path: topic.path().clone(),
            kind: topic.kind(),
            value_type: topic.value_type(),
            version,
            sequence,
            value,
        }
    }
}
