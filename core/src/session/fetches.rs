//! Questions asked once: current values, or past events.

use alloc::collections::VecDeque;
use alloc::vec::Vec;
use bytes::Bytes;

use super::Session;
use super::event::{Event, FetchedItem};
use super::ordered::{Numbers, Table};
use crate::error::ErrorCode;
use crate::position::FetchId;
use crate::selector::Selector;
use crate::time::Timestamp;
use crate::value::Value;
use crate::wire::{ClientFrame, Fetched, HistoryStart};

/// How many fetches may wait for their answer.
const MAX_FETCHES: usize = 1024;
/// How many of them are put to the gateway at a time.
const AT_ONCE: usize = 16;

#[derive(Debug)]
struct Fetch {
    selector: Selector,
    history: Option<HistoryStart>,
    limit: u64,
    items: Vec<FetchedItem>,
}

/// The fetches that have no answer yet.
#[derive(Debug, Default)]
pub(super) struct Fetches {
    by_id: Table<u64, Fetch>,
    /// To be asked on this connection, in this order.
    waiting: VecDeque<FetchId>,
    /// Asked on this connection, those that were cancelled since too.
    asked: Numbers,
    last: u32,
}

impl Fetches {
    fn ids(&self) -> impl Iterator<Item = FetchId> {
        self.by_id.keys().map(|id| FetchId(*id as u32))
    }

    /// The connection is gone: all are to be asked anew.
    pub(super) fn disconnect(&mut self) {
        self.asked.clear();
        self.waiting = self.ids().collect();
        for fetch in self.by_id.values_mut() {
            fetch.items = Vec::new();
        }
    }

    /// Whether there is one to ask for.
    pub(super) fn is_due(&self) -> bool {
        self.asked.len() < AT_ONCE && !self.waiting.is_empty()
    }

    /// The next one to ask, if it is its turn.
    fn next(&mut self) -> Option<FetchId> {
        if !self.is_due() {
            return None;
        }
        let id = self.waiting.pop_front()?;
        self.asked.insert(id.0.into(), 0);
        Some(id)
    }

    /// Gives up on all of them.
    pub(super) fn abandon(&mut self) -> Vec<FetchId> {
        self.waiting.clear();
        self.asked.clear();
        let ids: Vec<FetchId> = self.ids().collect();
        self.by_id.clear();
        ids
    }
}

impl Session {
    /// Asks once for the current values of the topics that match, or for past events. The answer is
    /// one [`Event::FetchEnded`] or [`Event::FetchFailed`]; it is asked for again after a lost connection.
    ///
    /// # Errors
    /// [`ErrorCode::BadOptions`] for a limit of 0, [`ErrorCode::QueueFull`] if too many wait for their
    /// answer or were answered and not heard, [`ErrorCode::Closed`] after the end.
    pub fn fetch(
        &mut self,
        selector: &Selector,
        history: Option<HistoryStart>,
        limit: u64,
        _now: Timestamp,
    ) -> Result<FetchId, ErrorCode> {
        if self.is_ending() {
            return Err(ErrorCode::Closed);
        }
        if limit == 0 {
            return Err(ErrorCode::BadOptions);
        }
        if self.fetches.by_id.len() + self.events.answers() >= MAX_FETCHES {
            return Err(ErrorCode::QueueFull);
        }
        let fetches = &mut self.fetches;
        fetches.last = fetches.last.checked_add(1).ok_or(ErrorCode::QueueFull)?;
        let id = FetchId(fetches.last);
        fetches.by_id.insert(id.0.into(), Fetch { selector: selector.clone(), history, limit, items: Vec::new() });
        fetches.waiting.push_back(id);
        Ok(id)
    }

    /// Wants no answer to a fetch any more.
    pub fn cancel_fetch(&mut self, id: FetchId) {
        self.fetches.by_id.remove(&id.0.into());
        self.fetches.waiting.retain(|waiting| *waiting != id);
    }

    /// Appends the next fetch to a message. `false` if there is none.
    pub(super) fn write_fetch(&mut self, message: &mut Vec<u8>) -> bool {
        let Some(id) = self.fetches.next() else { return false };
        if let Some(fetch) = self.fetches.by_id.get(&id.0.into()) {
            let selector = fetch.selector.as_str().as_bytes();
            ClientFrame::Fetch { id, selector, history: fetch.history, limit: fetch.limit }.encode(message);
        }
        true
    }

    pub(super) fn handle_fetched(&mut self, fetched: &Fetched<'_>) -> Result<(), &'static str> {
        let Some(fetch) = self.fetches.by_id.get_mut(&fetched.id.0.into()) else { return Ok(()) };
        if fetch.items.len() as u64 >= fetch.limit {
            return Err("a fetch was answered with more than its limit");
        }
        let value = Value::from_bytes(fetched.value_type, Bytes::copy_from_slice(fetched.value))
            .map_err(|_| "a fetched value is not of its type")?;
        fetch.items.push(FetchedItem {
            path: fetched.path.clone(),
            kind: fetched.kind,
            value,
            version: fetched.version,
            sequence: fetched.sequence,
        });
        Ok(())
    }

    pub(super) fn handle_fetch_end(&mut self, id: FetchId, outcome: Result<bool, ErrorCode>) {
        self.fetches.asked.remove(&id.0.into());
        if let Some(fetch) = self.fetches.by_id.remove(&id.0.into()) {
            self.push_event(match outcome {
                Ok(more) => Event::FetchEnded { id, items: fetch.items, more },
                Err(code) => Event::FetchFailed { id, code },
            });
        }
    }
}
