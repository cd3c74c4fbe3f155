//! The topics of a broker: by number, by path and by selector.

use std::hash::BuildHasher;

use foldhash::fast::RandomState;
use hashbrown::{HashMap, HashTable};
use outpour_core::peer::Topic;
use outpour_core::{Path, PublishNumber, PublisherId, Selector, TopicNumber, Version};

use crate::topics::{Cursor, TopicTree};

/// A topic, and the publish that gave it its value: the base that an upstream delta may name.
#[derive(Clone, Debug)]
pub(super) struct Stored {
    pub(super) topic: Topic,
    pub(super) created: Version,
    pub(super) author: PublisherId,
    pub(super) number: PublishNumber,
}

impl Stored {
    /// The position of the record that last changed the topic.
    pub(super) fn version(&self) -> Version {
        self.topic.version().max(self.created)
    }
}

/// Every topic that there is.
#[derive(Debug, Default)]
pub(super) struct Store {
    topics: HashMap<TopicNumber, Box<Stored>, RandomState>,
    /// What every publish looks up: small, because there is one for each topic.
    names: HashTable<Name>,
    hasher: RandomState,
    tree: TopicTree,
}

/// A topic's number, by the hash of its path. The path itself is in the topic.
#[derive(Clone, Copy, Debug)]
struct Name {
    hash: u32,
    number: TopicNumber,
}

impl Name {
    /// The table looks at the highest and the lowest bits.
    fn spread(hash: u32) -> u64 {
        u64::from(hash) << 32 | u64::from(hash)
    }
}

impl Store {
    pub(super) fn len(&self) -> usize {
        self.topics.len()
    }

    pub(super) fn get(&self, number: TopicNumber) -> Option<&Stored> {
        self.topics.get(&number).map(Box::as_ref)
    }

    pub(super) fn get_mut(&mut self, number: TopicNumber) -> Option<&mut Stored> {
        self.topics.get_mut(&number).map(Box::as_mut)
    }

    pub(super) fn at(&self, path: &Path) -> Option<&Stored> {
        let hash = self.hash(path);
        let name = self.names.find(Name::spread(hash), |name| self.names_path(*name, hash, path))?;
        self.get(name.number)
    }

    /// Adds a topic whose number and path no other has.
    pub(super) fn insert(&mut self, stored: Stored) {
        let (number, path) = (stored.topic.number(), stored.topic.path());
        let hash = self.hash(path);
        self.names.insert_unique(Name::spread(hash), Name { hash, number }, |name| Name::spread(name.hash));
        self.tree.insert(path, number);
        self.topics.insert(number, Box::new(stored));
    }

    pub(super) fn remove(&mut self, path: &Path) -> Option<TopicNumber> {
        let number = self.at(path)?.topic.number();
        self.topics.remove(&number);
        self.tree.remove(path);
        if let Ok(entry) = self.names.find_entry(Name::spread(self.hash(path)), |name| name.number == number) {
            entry.remove();
        }
        Some(number)
    }

    pub(super) fn matching(
        &self,
        selector: &Selector,
        cursor: Option<&Cursor>,
        limit: usize,
        found: &mut Vec<TopicNumber>,
    ) -> Option<Cursor> {
        self.tree.matching(selector, cursor, limit, found)
    }

    fn hash(&self, path: &Path) -> u32 {
        self.hasher.hash_one(path) as u32
    }

    fn names_path(&self, name: Name, hash: u32, path: &Path) -> bool {
        name.hash == hash && self.get(name.number).is_some_and(|stored| stored.topic.path() == path)
    }
}
