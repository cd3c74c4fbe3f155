//! What is fetched: asked for once, and checked against the log.

use std::collections::BTreeMap;

use outpour_core::session::FetchedItem;
use outpour_core::wire::HistoryStart;
use outpour_core::{Epoch, FetchId, Selector, TopicKind, Version};

use crate::client::Client;
use crate::failure::Failure;
use crate::model::Model;
use crate::world::World;

/// More than there ever is.
const EVERYTHING: u64 = 100_000;

/// What a client has fetched, or is about to.
#[derive(Debug, Default)]
pub struct Fetching {
    asked: BTreeMap<FetchId, Asked>,
    /// The last one answered.
    answered: Option<(FetchId, Vec<FetchedItem>)>,
}

#[derive(Debug)]
struct Asked {
    selector: Selector,
    history: Option<HistoryStart>,
    limit: u64,
}

impl Fetching {
    /// Takes in an answer.
    ///
    /// # Errors
    /// If it is not what was asked for, or was never so.
    pub fn take(
        &mut self,
        id: FetchId,
        items: Vec<FetchedItem>,
        epochs: &[Epoch],
        ever: &crate::model::Ever,
    ) -> Result<(), String> {
        let Asked { selector, history, limit } = self.asked.remove(&id).ok_or("a fetch was answered twice")?;
        if items.len() as u64 > limit {
            return Err(format!("{} items were fetched, {limit} at the most were asked for", items.len()));
        }
        let mut last: BTreeMap<&str, (Version, u64)> = BTreeMap::new();
        for item in &items {
            let path = item.path.as_str();
            if !selector.matches(path) {
                return Err(format!("{path} was fetched, {selector} was asked for"));
            }
            let is_event = item.kind == TopicKind::Event;
            if is_event != history.is_some() {
                return Err(format!("{path} is of another kind than was asked for"));
            }
            let sequence = is_event.then_some(item.sequence);
            let known = |epoch: &Epoch| ever.check((*epoch, item.version), path, item.value.bytes(), sequence);
            if !epochs.iter().any(|epoch| known(epoch).is_ok()) {
                return epochs.last().map_or_else(|| Err("a fetch was answered by nobody".into()), known);
            }
            let before = last.insert(path, (item.version, item.sequence));
            if let Some((version, sequence)) = before
                && (item.version <= version || item.sequence != sequence + 1)
            {
                return Err(format!("event {} of {path} was fetched after event {sequence}", item.sequence));
            }
        }
        self.answered = Some((id, items));
        Ok(())
    }

    /// A fetch was not granted.
    pub fn fail(&mut self, id: FetchId) {
        self.asked.remove(&id);
    }

    /// How many are not answered.
    #[must_use]
    pub fn pending(&self) -> usize {
        self.asked.len()
    }
}

impl Client {
    /// Asks for values, or for events. `None` if too many wait already.
    pub fn fetch(
        &mut self,
        selector: &Selector,
        history: Option<HistoryStart>,
        limit: u64,
        now: u64,
    ) -> Option<FetchId> {
        let id = self.session.fetch(selector, history, limit, outpour_core::Timestamp::from_micros(now)).ok()?;
        self.fetching.asked.insert(id, Asked { selector: selector.clone(), history, limit });
        Some(id)
    }
}

impl World {
    /// Has every client ask for everything, and compares the answers with what there is.
    pub(crate) fn check_fetches(&mut self) -> Result<(), Failure> {
        let everything = Selector::new("**").expect("a selector");
        for history in [None, Some(HistoryStart::All)] {
            let mut ids = Vec::new();
            for client in &mut self.clients {
                ids.push(client.fetch(&everything, history, EVERYTHING, self.now));
            }
            self.advance(self.now + 20_000_000)?;
            for (number, id) in ids.into_iter().enumerate() {
                let fail = |what: String| self.fail(format!("client {number}: {what}"));
                let fetching = &self.clients[number].fetching;
                let pending = fetching.pending();
                if pending > 0 {
                    return Err(fail(format!("{pending} fetches are not answered")));
                }
                let answered = fetching.answered.as_ref().filter(|(of, _)| Some(*of) == id);
                let items = &answered.ok_or_else(|| fail("a fetch of everything failed".into()))?.1;
                let what = if history.is_some() { events(&self.model, items) } else { values(&self.model, items) };
                what.map_err(fail)?;
            }
        }
        Ok(())
    }
}

/// Whether these are the values that there are.
fn values(model: &Model, items: &[FetchedItem]) -> Result<(), String> {
    let fetched: BTreeMap<_, _> = items.iter().map(|item| (item.path.as_str(), item.version)).collect();
    let valued = model.topics.iter().filter(|(_, topic)| topic.kind == TopicKind::Value && topic.value.is_some());
    let expected: BTreeMap<_, _> = valued.map(|(path, topic)| (path.as_str(), topic.version)).collect();
    if fetched == expected { Ok(()) } else { Err(format!("{fetched:?} was fetched, there is {expected:?}")) }
}

/// Whether these are the events that are kept: all of them, or the newest if few are kept.
fn events(model: &Model, items: &[FetchedItem]) -> Result<(), String> {
    for (path, topic) in model.topics.iter().filter(|(_, topic)| topic.kind == TopicKind::Event) {
        let sequences: Vec<u64> =
            items.iter().filter(|item| item.path.as_str() == path).map(|item| item.sequence).collect();
        let most = topic.sequence.min(topic.history.count);
        let expected: Vec<u64> = (topic.sequence - most + 1..=topic.sequence).collect();
        // What is kept for a while only may be gone.
        let is_right = if topic.history.age_ms > 0 { expected.ends_with(&sequences) } else { expected == sequences };
        if !is_right {
            return Err(format!("events {sequences:?} of {path} were fetched, there are {expected:?}"));
        }
    }
    Ok(())
}
