//! What each publisher has had judged: how a record sent twice is applied once.

use std::collections::{BTreeMap, VecDeque};

use hashbrown::HashMap;
use outpour_core::wire::Ack;
use outpour_core::{ErrorCode, PublishNumber, PublisherId, Version};

use crate::log::fields::{Fields, write_varint};

/// How many verdicts are remembered of a publisher: at least as many as may be in flight.
pub const MAX_VERDICTS: usize = 1024;

/// The publishers heard of lately. The one silent longest is forgotten first.
#[derive(Debug)]
pub(super) struct Publishers {
    known: HashMap<PublisherId, Publisher, foldhash::fast::RandomState>,
    by_age: BTreeMap<u64, PublisherId>,
    clock: u64,
    /// The most publishers.
    limit: usize,
    /// The most verdicts, of all publishers together.
    verdicts_limit: usize,
    verdicts: usize,
}

/// What is remembered of one.
#[derive(Clone, Debug, Default)]
pub(super) struct Publisher {
    /// The highest number judged.
    newest: PublishNumber,
    /// The highest number whose verdict has been forgotten.
    forgotten: PublishNumber,
    /// In the order of their numbers.
    verdicts: VecDeque<Ack>,
    age: u64,
}

impl Publishers {
    pub(super) fn new(limit: usize, verdicts_limit: usize) -> Self {
        Self {
            known: HashMap::default(),
            by_age: BTreeMap::new(),
            clock: 0,
            limit: limit.max(1),
            verdicts_limit: verdicts_limit.max(MAX_VERDICTS),
            verdicts: 0,
        }
    }

    /// The highest number of this publisher that was judged; 0 if it is not known.
    pub(super) fn newest(&self, id: PublisherId) -> PublishNumber {
        self.known.get(&id).map_or(PublishNumber(0), |publisher| publisher.newest)
    }

    /// The verdict on a record that was judged before.
    pub(super) fn settled(&self, id: PublisherId, number: PublishNumber) -> Option<Ack> {
        let publisher = self.known.get(&id)?;
        if number > publisher.newest {
            return None;
        }
        match publisher.place(number) {
            Ok(index) => publisher.verdicts.get(index).copied(),
            // It was acknowledged long ago, or the publisher broke its window.
            Err(_) if number <= publisher.forgotten => Some(Ack { number, code: 0, version: Version::NONE }),
            // A number that was left out, or whose record did not get as far as the log.
            Err(_) => None,
        }
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
        let publisher = self.known.entry(id).or_default();
        publisher.newest = publisher.newest.max(number);
        if let Err(place) = publisher.place(number) {
            publisher.verdicts.insert(place, ack);
            self.verdicts += 1;
        }
        if publisher.verdicts.len() > MAX_VERDICTS {
            publisher.forget_oldest();
            self.verdicts -= 1;
        }
        self.by_age.remove(&publisher.age);
        publisher.age = self.clock;
        self.by_age.insert(self.clock, id);
        while self.known.len() > self.limit || self.verdicts > self.verdicts_limit {
            let Some((_, oldest)) = self.by_age.pop_first() else { break };
            if let Some(forgotten) = self.known.remove(&oldest) {
                self.verdicts -= forgotten.verdicts.len();
            }
        }
        ack
    }

    /// All of them, the one silent longest first.
    pub(super) fn oldest_first(&self) -> impl Iterator<Item = (PublisherId, &Publisher)> {
        self.by_age.values().filter_map(|id| Some((*id, self.known.get(id)?)))
    }

    /// Puts back what was remembered of a publisher that was heard of after all that were put back before.
    pub(super) fn put_back(&mut self, id: PublisherId, publisher: Publisher) {
        self.clock += 1;
        self.verdicts += publisher.verdicts.len();
        self.by_age.insert(self.clock, id);
        self.known.insert(id, Publisher { age: self.clock, ..publisher });
    }

    /// The publisher has heard the verdicts up to `number`: they need not be kept.
    pub(super) fn heard(&mut self, id: PublisherId, number: PublishNumber) {
        if let Some(publisher) = self.known.get_mut(&id) {
            while publisher.verdicts.front().is_some_and(|ack| ack.number <= number) {
                publisher.forget_oldest();
                self.verdicts -= 1;
            }
        }
    }
}

impl Publisher {
    /// Appends it, to be kept.
    pub(super) fn write(&self, out: &mut Vec<u8>) {
        for number in [self.newest.0, self.forgotten.0, self.verdicts.len() as u64] {
            write_varint(out, number);
        }
        for ack in &self.verdicts {
            write_varint(out, ack.number.0);
            out.extend(ack.code.to_le_bytes());
            write_varint(out, ack.version.0);
        }
    }

    /// Reads one that was kept.
    pub(super) fn read(fields: &mut Fields<'_>) -> Option<Self> {
        let (newest, forgotten) = (PublishNumber(fields.varint()?), PublishNumber(fields.varint()?));
        let count = fields.varint()?;
        let mut verdicts = VecDeque::new();
        for _ in 0..count {
            let number = PublishNumber(fields.varint()?);
            verdicts.push_back(Ack { number, code: u16::from_le_bytes(fields.array()?), version: fields.version()? });
        }
        Some(Self { newest, forgotten, verdicts, age: 0 })
    }

    fn place(&self, number: PublishNumber) -> Result<usize, usize> {
        self.verdicts.binary_search_by_key(&number, |ack| ack.number)
    }

    fn forget_oldest(&mut self) {
        if let Some(oldest) = self.verdicts.pop_front() {
            self.forgotten = self.forgotten.max(oldest.number);
        }
    }
}
