//! The broker: what the log says, applied. A pure state machine; its driver owns the threads.

mod apply;
mod json;
mod outcome;
mod patch;
mod publishers;
mod removals;
mod rules;
mod snapshot;
mod state;
mod store;

pub use outcome::{Outcome, SessionId};
pub use removals::Removal;
pub use rules::{MAX_HISTORY, TopicRule};

use hashbrown::HashMap;
use outpour_core::delta;
use outpour_core::peer::{Change, Topic};
use outpour_core::wire::Ack;
use outpour_core::{
    Epoch, ErrorCode, Partition, Path, PublishNumber, PublisherId, Selector, TopicNumber, ValueType, Version,
};

use crate::log::{Log, LogError, Record};
use crate::topics::Cursor;
pub use publishers::MAX_VERDICTS;
use publishers::Publishers;
use removals::Removals;
use snapshot::Snapshot;
use state::Restored;
use store::Store;

/// How many records are read back from the log at once.
const READ_LIMIT: usize = 1024;

/// About how many bytes of records are committed together at the most.
const MAX_BATCH_BYTES: usize = 4 << 20;
/// How many sendings of one publish are remembered while its verdict is awaited.
const MAX_SENDINGS: usize = 16;

/// How many verdicts are remembered of all publishers: each takes about 24 bytes.
const MAX_VERDICTS_KEPT: usize = 4_000_000;

/// What a broker may hold, and how it treats new topics.
#[derive(Clone, Debug)]
pub struct BrokerConfig {
    /// The most topics.
    pub max_topics: usize,
    /// The largest value, in bytes.
    pub max_value: usize,
    /// The most publishers remembered for exactly-once publishing.
    pub max_publishers: usize,
    /// Properties of topics that are created by their first value; the first rule that matches holds.
    pub rules: Vec<TopicRule>,
}

impl Default for BrokerConfig {
    fn default() -> Self {
        Self { max_topics: 2_000_000, max_value: 1 << 20, max_publishers: 100_000, rules: Vec::new() }
    }
}

/// What has been counted since the broker started.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BrokerStatistics {
    /// Records applied.
    pub applied: u64,
    /// Records refused by their condition or what they found.
    pub refused: u64,
    /// Updates encoded: one for each change of a topic, however many sessions follow it.
    pub updates_encoded: u64,
    /// Of these, updates encoded as a delta.
    pub deltas: u64,
}

/// The state that the records of a log add up to.
pub struct Broker {
    config: BrokerConfig,
    log: Box<dyn Log>,
    applied: Version,
    topics: Store,
    next_number: u32,
    publishers: Publishers,
    removals: Removals,
    /// What the next checkpoint is to keep, as far as it has been copied.
    snapshot: Option<Snapshot>,
    waiting: HashMap<(PublisherId, PublishNumber), SessionId, foldhash::fast::RandomState>,
    /// Those that sent the same once more.
    also_waiting: HashMap<(PublisherId, PublishNumber), Vec<SessionId>, foldhash::fast::RandomState>,
    /// The records appended since the last commit.
    appended: Vec<(PublisherId, PublishNumber)>,
    appended_bytes: usize,
    /// Whether the last commit failed.
    refusing: bool,
    encoder: delta::Encoder,
    scratch: Vec<u8>,
    outcomes: Vec<Outcome>,
    statistics: BrokerStatistics,
}

impl std::fmt::Debug for Broker {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Broker")
            .field("applied", &self.applied)
            .field("topics", &self.topics.len())
            .field("statistics", &self.statistics)
            .finish_non_exhaustive()
    }
}

impl Broker {
    /// A broker for this log, with what the log already holds applied.
    ///
    /// # Errors
    /// If the log can't be read.
    pub fn new(config: BrokerConfig, mut log: Box<dyn Log>) -> Result<Self, LogError> {
        let mut state = Restored::new(Publishers::new(config.max_publishers, MAX_VERDICTS_KEPT));
        let applied = log.restore(&mut |row| state.take(row))?;
        state.finish();
        let mut broker = Self {
            config,
            log,
            applied,
            removals: state.removals,
            topics: state.topics,
            next_number: state.next_number,
            publishers: state.publishers,
            snapshot: None,
            waiting: HashMap::default(),
            also_waiting: HashMap::default(),
            appended: Vec::new(),
            appended_bytes: 0,
            refusing: false,
            encoder: delta::Encoder::new(),
            scratch: Vec::new(),
            outcomes: Vec::new(),
            statistics: BrokerStatistics::default(),
        };
        while broker.advance_a_step()? > 0 {
            broker.outcomes.clear();
        }
        broker.statistics = BrokerStatistics::default();
        Ok(broker)
    }

    /// The life of the log.
    #[must_use]
    pub fn epoch(&self) -> Epoch {
        self.log.epoch()
    }

    /// The position of the last record applied.
    #[must_use]
    pub const fn head(&self) -> Version {
        self.applied
    }

    /// How many topics there are.
    #[must_use]
    pub fn topics(&self) -> usize {
        self.topics.len()
    }

    /// What has been counted.
    #[must_use]
    pub const fn statistics(&self) -> BrokerStatistics {
        self.statistics
    }

    /// A publisher is back: what it had applied. Up to `settled` it knows the verdicts.
    pub fn greet(&mut self, publisher: PublisherId, settled: PublishNumber) -> PublishNumber {
        self.publishers.heard(publisher, settled);
        self.publishers.newest(publisher)
    }

    /// Appends a record, which is in effect after the next [`commit`](Self::commit). Its verdict comes as
    /// an [`Outcome::Acknowledged`] for `session`.
    pub fn publish(&mut self, session: SessionId, record: Record) {
        let (author, number) = (record.author, record.number);
        // What is not well formed never gets to the log, and is refused alike however often it comes.
        if let Err(code) = well_formed(&record.change) {
            // Verdicts come in the order of the publishes.
            self.commit();
            return self.refuse(session, number, code);
        }
        // Sent twice before it is applied, the second time usually over another connection: each sending gets the verdict.
        if self.waiting.contains_key(&(author, number)) {
            self.commit();
            // A log that others write to as well may not have come to it yet.
            if self.waiting.contains_key(&(author, number)) {
                let others = self.also_waiting.entry((author, number)).or_default();
                if others.len() == MAX_SENDINGS {
                    others.remove(0);
                }
                return others.push(session);
            }
        }
        if let Some(ack) = self.publishers.settled(author, number) {
            self.commit();
            return self.announce(Outcome::Acknowledged { session, ack });
        }
        let bytes = record.size();
        if let Err(error) = self.log.append(record) {
            tracing::warn!(%error, "a publish is refused");
            self.commit();
            return self.refuse(session, number, ErrorCode::LogUnavailable);
        }
        self.waiting.insert((author, number), session);
        self.appended.push((author, number));
        self.appended_bytes += bytes;
        if self.appended_bytes > MAX_BATCH_BYTES {
            self.commit();
        }
    }

    /// Has the log commit what was [published](Self::publish), and applies what it gives back. What
    /// can't be committed is refused. To be called once for as many records as came together, and
    /// before anything that has to see them.
    pub fn commit(&mut self) {
        if self.appended.is_empty() {
            return;
        }
        let mut appended = std::mem::take(&mut self.appended);
        let committed = self.log.commit();
        if committed.is_ok() == self.refusing {
            self.refusing = committed.is_err();
            match &committed {
                Ok(()) => tracing::info!("publishes are taken again"),
                Err(error) => tracing::error!(%error, "publishes are refused"),
            }
        }
        if committed.is_err() {
            for (author, number) in &appended {
                for session in self.take_waiting(*author, *number) {
                    self.refuse(session, *number, ErrorCode::LogUnavailable);
                }
            }
        }
        appended.clear();
        self.appended = appended;
        self.appended_bytes = 0;
        if let Err(error) = self.advance() {
            tracing::error!(%error, "the log can't be read back");
        }
    }

    /// The sessions that wait for the verdict on a publish.
    fn take_waiting(&mut self, author: PublisherId, number: PublishNumber) -> impl Iterator<Item = SessionId> + use<> {
        let others = self.also_waiting.remove(&(author, number)).unwrap_or_default();
        self.waiting.remove(&(author, number)).into_iter().chain(others)
    }

    fn refuse(&mut self, session: SessionId, number: PublishNumber, code: ErrorCode) {
        let ack = Ack { number, code: code.number(), version: Version::NONE };
        self.announce(Outcome::Acknowledged { session, ack });
    }

    /// Applies the records that the log holds beyond those applied.
    ///
    /// # Errors
    /// If the log can't be read.
    pub fn advance(&mut self) -> Result<(), LogError> {
        let mut applied = 0;
        loop {
            match self.advance_a_step()? {
                0 => break,
                records => applied += records,
            }
        }
        self.attend_to_checkpoint(applied);
        Ok(())
    }

    /// Applies some of the records. Returns how many.
    fn advance_a_step(&mut self) -> Result<usize, LogError> {
        let mut records = Vec::new();
        let reached = self.log.read(Partition(0), self.applied, READ_LIMIT, &mut |version, record| {
            records.push((version, record.clone()));
        })?;
        let count = records.len();
        for (version, record) in records {
            self.apply(version, record);
        }
        self.applied = reached;
        Ok(count)
    }

    /// Has the log keep what the records add up to, if there are many. The state is copied a little
    /// after every commit, so that nobody waits for it.
    fn attend_to_checkpoint(&mut self, applied: usize) {
        if self.snapshot.is_none() && self.log.wants_checkpoint() && self.log.begin_checkpoint(self.applied) {
            self.snapshot = Some(Snapshot::begin(self));
        }
        if let Some(snapshot) = &mut self.snapshot {
            snapshot.go_on(&self.topics, applied);
        }
        if let Some(finished) = self.snapshot.take_if(|snapshot| snapshot.is_finished()) {
            self.keep(finished);
        }
    }

    /// Has the log keep the state as it is now, and returns when that is done: the next start is quick,
    /// and judges nothing anew, whatever the rules are then. For an orderly end.
    pub fn settle(&mut self) {
        self.commit();
        if let Some(begun) = self.snapshot.take() {
            self.keep(begun);
        }
        self.log.await_checkpoint();
        if self.log.begin_checkpoint(self.applied) {
            self.keep(Snapshot::begin(self));
            self.log.await_checkpoint();
        }
    }

    /// Finishes a copy at once, and has the log keep it.
    fn keep(&mut self, mut snapshot: Snapshot) {
        while !snapshot.is_finished() {
            snapshot.go_on(&self.topics, 0);
        }
        let state = snapshot.into_state();
        self.log.write_checkpoint(Box::new(move |put| state.write(put)));
    }

    /// What followed from the records applied since the last call, in order.
    pub fn take_outcomes(&mut self) -> impl Iterator<Item = Outcome> {
        self.outcomes.drain(..)
    }

    /// Whether [`take_outcomes`](Self::take_outcomes) has something to give.
    #[must_use]
    pub fn has_outcomes(&self) -> bool {
        !self.outcomes.is_empty()
    }

    /// The topic with this number.
    #[must_use]
    pub fn topic(&self, number: TopicNumber) -> Option<&Topic> {
        self.topics.get(number).map(|stored| &stored.topic)
    }

    /// Where the topic with this number came into being; [`Version::NONE`] if there is none.
    #[must_use]
    pub fn created(&self, number: TopicNumber) -> Version {
        self.topics.get(number).map_or(Version::NONE, |stored| stored.created)
    }

    /// The topics that were removed after a mark, oldest first; `None` if not all of them are
    /// remembered any more.
    #[must_use]
    pub fn removed_since(&self, mark: Version) -> Option<impl ExactSizeIterator<Item = &Removal>> {
        self.removals.since(mark)
    }

    /// Has a topic drop the past events that are too old by now: it does so by itself only when
    /// a new one comes.
    pub fn forget(&mut self, number: TopicNumber, wall_ms: u64) {
        if let Some(stored) = self.topics.get_mut(number) {
            stored.topic.forget(wall_ms);
        }
    }

    /// The topic with this path.
    #[must_use]
    pub fn topic_at(&self, path: &Path) -> Option<&Topic> {
        self.topics.at(path).map(|stored| &stored.topic)
    }

    /// Appends the numbers of the next topics that match, at the most `limit`, starting behind
    /// `cursor`; gives the cursor for the next page, or `None` at the end.
    pub fn matching(
        &self,
        selector: &Selector,
        cursor: Option<&Cursor>,
        limit: usize,
        found: &mut Vec<TopicNumber>,
    ) -> Option<Cursor> {
        self.topics.matching(selector, cursor, limit, found)
    }

    fn announce(&mut self, outcome: Outcome) {
        self.outcomes.push(outcome);
    }
}

/// Whether the change is well formed, which doesn't depend on what it is applied to.
fn well_formed(change: &Change) -> Result<(), ErrorCode> {
    match change {
        Change::Set(ValueType::Json, value) | Change::Append(ValueType::Json, value) => {
            if json::is_well_formed(value) {
                Ok(())
            } else {
                Err(ErrorCode::BadValue)
            }
        }
        _ => Ok(()),
    }
}
