//! What each publisher has had applied: how a record sent twice is applied once.

use std::collections::{BTreeMap, VecDeque};

use hashbrown::HashMap;
use outpour_core::wire::Ack;
use outpour_core::{ErrorCode, PublishNumber, PublisherId, Version};

/// How many verdicts are remembered of a publisher: at least as many as may be in flight.
const VERDICTS: usize = 1024;

/// The publishers heard of lately, at the most `limit` of them; the one silent longest is forgotten.
#[derive(Debug)]
pub(super) struct Publishers {
    known: HashMap<PublisherId, Publisher, foldhash::fast::RandomState>,
    by_age: BTreeMap<u64, PublisherId>,
    clock: u64,
    limit: usize,
}

#[derive(Debug)]
struct Publisher {
    applied: PublishNumber,
    verdicts: VecDeque<Ack>,
    age: u64,
}

impl Publishers {
    pub(super) fn new(limit: usize) -> Self {
        Self { known: HashMap::default(), by_age: BTreeMap::new(), clock: 0, limit: limit.max(1) }
    }

    /// The last number of this publisher that was applied; 0 if it is not known.
    pub(super) fn applied(&self, id: PublisherId) -> PublishNumber {
        self.known.get(&id).map_or(PublishNumber(0), |publisher| publisher.applied)
    }

    /// The verdict on a record that was applied before.
    pub(super) fn settled(&self, id: PublisherId, number: PublishNumber) -> Option<Ack> {
        let publisher = self.known.get(&id)?;
        if number > publisher.applied {
            return None;
        }
        let found = publisher.verdicts.binary_search_by_key(&number, |ack| ack.number).ok();
        // A verdict this old was acknowledged long ago, or the publisher broke its window.
        let forgotten = Ack { number, code: 0, version: Version::NONE };
        Some(found.and_then(|index| publisher.verdicts.get(index)).copied().unwrap_or(forgotten))
    }

    pub(super) fn settle(
        &mut self,
        id: PublisherId,
        number: PublishNumber,
        verdict: Result<(), ErrorCode>,
        version: Version,
    ) -> Ack {
        let ack = Ack { number, code: verdict.err().map_or(0, ErrorCode::number), version };
        self.clock += 1;
        let publisher = self.known.entry(id).or_insert_with(|| Publisher {
            applied: PublishNumber(0),
            verdicts: VecDeque::new(),
            age: 0,
        });
        publisher.applied = number;
        publisher.verdicts.push_back(ack);
        if publisher.verdicts.len() > VERDICTS {
            publisher.verdicts.pop_front();
        }
        self.by_age.remove(&publisher.age);
        publisher.age = self.clock;
        self.by_age.insert(self.clock, id);
        if self.known.len() > self.limit
            && let Some((_, oldest)) = self.by_age.pop_first()
        {
            self.known.remove(&oldest);
        }
        ack
    }

    /// The publisher has heard the verdicts up to `number`: they need not be kept.
    pub(super) fn heard(&mut self, id: PublisherId, number: PublishNumber) {
        if let Some(publisher) = self.known.get_mut(&id) {
            while publisher.verdicts.front().is_some_and(|ack| ack.number <= number) {
                publisher.verdicts.pop_front();
            }
        }
    }
}
