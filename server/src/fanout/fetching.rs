//! Fetches: values and past events asked for once, a page at a time.

use std::collections::VecDeque;

use outpour_core::peer::{Peer, Topic};
use outpour_core::wire::{Fetched, HistoryStart};
use outpour_core::{FetchId, Selector, TopicKind, TopicNumber, Version};

use super::shard::Shard;
use crate::broker::{Broker, SessionId};
use crate::topics::Cursor;

/// How many topics are looked up at once.
const PAGE: usize = 64;

/// A fetch on its way through the topics.
#[derive(Debug)]
pub(super) struct Fetching {
    pub(super) session: SessionId,
    id: FetchId,
    selector: Selector,
    history: Option<HistoryStart>,
    left: u64,
    cursor: Option<Cursor>,
    last_page: bool,
    found: VecDeque<TopicNumber>,
}

impl Fetching {
    pub(super) const fn new(
        session: SessionId,
        id: FetchId,
        selector: Selector,
        history: Option<HistoryStart>,
        limit: u64,
    ) -> Self {
        Self { session, id, selector, history, left: limit, cursor: None, last_page: false, found: VecDeque::new() }
    }
}

impl Shard {
    pub(super) fn may_fetch(&self, fetching: &Fetching) -> bool {
        !self.is_congested(fetching.session.key)
    }

    /// Goes on with every fetch whose session reads its answers.
    pub(super) fn serve_fetching(&mut self, broker: &Broker) {
        for _ in 0..self.fetching.len() {
            let Some(mut fetching) = self.fetching.pop_front() else { return };
            let key = fetching.session.key;
            let Some(session) = self.sessions.get_mut(key as usize) else { continue };
            if !fetch_page(&mut fetching, &mut session.peer, broker) {
                self.fetching.push_back(fetching);
            }
            self.wake(key);
        }
    }
}

/// Answers as much as the session may be sent for now. `true` when the fetch is answered.
fn fetch_page(fetching: &mut Fetching, peer: &mut Peer, broker: &Broker) -> bool {
    while !peer.is_congested() {
        let Some(number) = fetching.found.pop_front() else {
            if fetching.last_page {
                peer.fetch_ended(fetching.id, false);
                return true;
            }
            let mut found = Vec::new();
            fetching.cursor = broker.matching(&fetching.selector, fetching.cursor.as_ref(), PAGE, &mut found);
            fetching.last_page = fetching.cursor.is_none();
            fetching.found.extend(found);
            continue;
        };
        let Some(topic) = broker.topic(number) else { continue };
        let told_all = match fetching.history {
            None => fetch_value(fetching, topic, peer),
            Some(start) => fetch_events(fetching, topic, start, peer),
        };
        if !told_all {
            peer.fetch_ended(fetching.id, true);
            return true;
        }
    }
    false
}

/// `false` if the limit keeps the value back.
fn fetch_value(fetching: &mut Fetching, topic: &Topic, peer: &mut Peer) -> bool {
    let Some(value) = topic.value().filter(|_| topic.retain()) else { return true };
    let Some(left) = fetching.left.checked_sub(1) else { return false };
    fetching.left = left;
    peer.fetched(fetched(fetching.id, topic, topic.version(), 0, value));
    true
}

/// `false` if the limit keeps an event back.
fn fetch_events(fetching: &mut Fetching, topic: &Topic, start: HistoryStart, peer: &mut Peer) -> bool {
    if topic.kind() != TopicKind::Event {
        return true;
    }
    let after = match start {
        HistoryStart::Last(count) => topic.before_last(count),
        HistoryStart::After(version) => version,
        HistoryStart::All => Version::NONE,
        _ => topic.version(),
    };
    for event in topic.events().filter(|event| event.version > after) {
        let Some(left) = fetching.left.checked_sub(1) else { return false };
        fetching.left = left;
        peer.fetched(fetched(fetching.id, topic, event.version, event.sequence, event.value));
    }
    true
}

fn fetched<'a>(id: FetchId, topic: &Topic, version: Version, sequence: u64, value: &'a [u8]) -> Fetched<'a> {
    Fetched {
        id,
        path: topic.path().clone(),
        kind: topic.kind(),
        value_type: topic.value_type(),
        version,
        sequence,
        value,
    }
}
