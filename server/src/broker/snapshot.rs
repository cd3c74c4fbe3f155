//! A copy of the state as it was at one position, made a little at a time while the state goes on.

use hashbrown::HashSet;
use outpour_core::TopicNumber;

use super::Broker;
use super::state::State;
use super::store::{Store, Stored};

/// How many topics are copied at once at the least: that takes less than a millisecond.
const STEP: usize = 512;
/// How many more for each record that was applied meanwhile, so that the copy is finished however
/// many there are.
const STEP_FOR_EACH_RECORD: usize = 4;
/// How many numbers that no topic has any more are passed over for what copying one takes.
const GAPS: usize = 64;

/// A copy on its way.
#[derive(Debug)]
pub(super) struct Snapshot {
    state: State,
    /// Topics with this number or a higher one have not had their turn.
    next: u32,
    /// These were copied before it, because they were about to change.
    early: HashSet<TopicNumber, foldhash::fast::RandomState>,
}

impl Snapshot {
    /// Begins a copy of the state as it is now.
    pub(super) fn begin(broker: &Broker) -> Self {
        Self { state: State::without_topics(broker), next: 1, early: HashSet::default() }
    }

    /// A topic is about to change or to go.
    pub(super) fn keep(&mut self, stored: &Stored) {
        let number = stored.topic.number();
        let is_owed = number.0 >= self.next && number.0 < self.state.next_number;
        if is_owed && self.early.insert(number) {
            self.state.topics.push(stored.clone());
        }
    }

    /// Goes on with the topics that have not changed, after so many records.
    pub(super) fn go_on(&mut self, topics: &Store, records: usize) {
        let mut left = (STEP + STEP_FOR_EACH_RECORD * records) * GAPS;
        while left > 0 && !self.is_finished() {
            let number = TopicNumber(self.next);
            self.next += 1;
            left -= 1;
            if !self.early.remove(&number)
                && let Some(stored) = topics.get(number)
            {
                self.state.topics.push(stored.clone());
                left = left.saturating_sub(GAPS);
            }
        }
    }

    /// Whether every topic has been copied.
    pub(super) const fn is_finished(&self) -> bool {
        self.next >= self.state.next_number
    }

    /// The copy, once it is finished.
    pub(super) fn into_state(self) -> State {
        self.state
    }
}
