//! Ordered tables of what a session holds, in little code.
//!
//! A `BTreeMap` is compiled anew for every type of key and value, to about 8 KB of WebAssembly each. Here the
//! order of the keys is kept apart from the values, so that only two kinds of [`Index`] are compiled, one of
//! numbers and one of paths, and what is compiled for each type of value is next to nothing.

use alloc::vec::Vec;
use core::slice;

use crate::path::Path;

/// At the most how many keys stand in one chunk of an index.
const CHUNK: usize = 128;

/// What an index is ordered by.
pub(super) trait Key {
    /// What a key is looked up by.
    type Sought: Ord + ?Sized;

    fn sought(&self) -> &Self::Sought;
}

impl Key for u64 {
    type Sought = Self;

    fn sought(&self) -> &Self {
        self
    }
}

impl Key for Path {
    type Sought = str;

    fn sought(&self) -> &str {
        self.as_str()
    }
}

/// Keys in rising order, each with a slot.
///
/// They stand in chunks, any two neighbours of which hold more than half of a full one: with n keys a search takes
/// about log n comparisons, a change moves at the most [`CHUNK`] keys, and one change in many moves the list of
/// the n / [`CHUNK`] chunks as well.
#[derive(Clone, Debug)]
pub(super) struct Index<K> {
    chunks: Vec<Vec<(K, u32)>>,
    len: usize,
}

/// Values by key, in the order of the keys.
#[derive(Clone, Debug)]
pub(super) struct Table<K, V> {
    index: Index<K>,
    values: Slab<V>,
}

/// Values, each in a slot of its own, which is given again once it is free. Everything but going through all of
/// them takes the same time however many they are.
#[derive(Clone, Debug)]
pub(super) struct Slab<V> {
    slots: Vec<Option<V>>,
    free: Vec<u32>,
}

/// The keys of an index in rising order, each with its slot.
#[derive(Debug)]
pub(super) struct Entries<'a, K> {
    chunks: slice::Iter<'a, Vec<(K, u32)>>,
    rest: slice::Iter<'a, (K, u32)>,
}

/// Keys without values.
pub(super) type Numbers = Index<u64>;

impl<K> Index<K> {
    pub(super) const fn new() -> Self {
        Self { chunks: Vec::new(), len: 0 }
    }

    pub(super) const fn len(&self) -> usize {
        self.len
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.len == 0
    }

    pub(super) fn clear(&mut self) {
        self.chunks = Vec::new();
        self.len = 0;
    }

    pub(super) fn iter(&self) -> Entries<'_, K> {
        Entries { chunks: self.chunks.iter(), rest: [].iter() }
    }

    fn first(&self) -> Option<&(K, u32)> {
        self.chunks.first()?.first()
    }
}

impl<K: Key> Index<K> {
    #[inline(never)]
    pub(super) fn get(&self, key: &K::Sought) -> Option<u32> {
        let (at, place) = self.find(key);
        self.chunks.get(at)?.get(place.ok()?).map(|(_, slot)| *slot)
    }

    /// Gives a key a slot, and returns the one that it had.
    #[inline(never)]
    pub(super) fn insert(&mut self, key: K, slot: u32) -> Option<u32> {
        let (at, place) = self.find(key.sought());
        let is_last = at + 1 == self.chunks.len();
        let Some(chunk) = self.chunks.get_mut(at) else {
            self.chunks.push(Vec::from([(key, slot)]));
            self.len += 1;
            return None;
        };
        let place = match place {
            Ok(place) => return chunk.get_mut(place).map(|(_, held)| core::mem::replace(held, slot)),
            Err(place) => place,
        };
        self.len += 1;
        if chunk.len() < CHUNK {
            chunk.insert(place, (key, slot));
            return None;
        }
        // Keys that come in rising order, as most do, leave full chunks behind.
        let middle = if is_last && place == CHUNK { CHUNK } else { CHUNK / 2 };
        let mut tail = chunk.split_off(middle);
        if place < middle {
            chunk.insert(place, (key, slot));
        } else {
            tail.insert(place - middle, (key, slot));
        }
        self.chunks.insert(at + 1, tail);
        None
    }

    /// Takes a key out, and returns its slot.
    #[inline(never)]
    pub(super) fn remove(&mut self, key: &K::Sought) -> Option<u32> {
        let (at, place) = self.find(key);
        let place = place.ok()?;
        self.remove_at(at, place).map(|(_, slot)| slot)
    }

    /// Takes the least key out, with its slot.
    pub(super) fn pop_first(&mut self) -> Option<(K, u32)> {
        self.remove_at(0, 0)
    }

    /// The keys from this one on.
    pub(super) fn iter_from(&self, key: &K::Sought) -> Entries<'_, K> {
        let (at, place) = self.find(key);
        let (Ok(place) | Err(place)) = place;
        let mut chunks = self.chunks.get(at..).unwrap_or_default().iter();
        let rest = chunks.next().and_then(|chunk| chunk.get(place..)).unwrap_or_default().iter();
        Entries { chunks, rest }
    }

    #[inline(never)]
    fn remove_at(&mut self, at: usize, place: usize) -> Option<(K, u32)> {
        let chunk = self.chunks.get_mut(at).filter(|chunk| place < chunk.len())?;
        let removed = chunk.remove(place);
        self.len -= 1;
        self.join(at);
        if let Some(before) = at.checked_sub(1) {
            self.join(before);
        }
        Some(removed)
    }

    /// Joins a chunk to the one behind it if both together are small, and drops it if it is empty.
    fn join(&mut self, at: usize) {
        let (Some(here), next) = (self.chunks.get(at).map(Vec::len), self.chunks.get(at + 1).map_or(CHUNK, Vec::len))
        else {
            return;
        };
        if here == 0 {
            self.chunks.remove(at);
        } else if here + next <= CHUNK / 2 {
            let mut tail = self.chunks.remove(at + 1);
            if let Some(chunk) = self.chunks.get_mut(at) {
                chunk.append(&mut tail);
            }
        }
    }

    /// The chunk that a key belongs into, and its place there: where it is, or where it would be.
    fn find(&self, key: &K::Sought) -> (usize, Result<usize, usize>) {
        let is_before = |chunk: &Vec<(K, u32)>| chunk.first().is_some_and(|(first, _)| first.sought() <= key);
        let at = self.chunks.partition_point(is_before).saturating_sub(1);
        let chunk = self.chunks.get(at).map_or(&[][..], Vec::as_slice);
        (at, chunk.binary_search_by(|(held, _)| held.sought().cmp(key)))
    }
}

impl<'a, K> Iterator for Entries<'a, K> {
    type Item = (&'a K, u32);

    #[inline(never)]
    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some((key, slot)) = self.rest.next() {
                return Some((key, *slot));
            }
            self.rest = self.chunks.next()?.iter();
        }
    }
}

impl<K> Default for Index<K> {
    fn default() -> Self {
        Self::new()
    }
}

impl<K, V> Table<K, V> {
    pub(super) const fn new() -> Self {
        Self { index: Index::new(), values: Slab::new() }
    }

    pub(super) const fn len(&self) -> usize {
        self.index.len()
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.index.is_empty()
    }

    pub(super) fn clear(&mut self) {
        self.index.clear();
        self.values.clear();
    }

    pub(super) fn keys(&self) -> impl Iterator<Item = &K> {
        self.index.iter().map(|(key, _)| key)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&K, &V)> {
        self.index.iter().filter_map(|(key, slot)| Some((key, self.values.get(slot)?)))
    }

    pub(super) fn values(&self) -> impl Iterator<Item = &V> {
        self.iter().map(|(_, value)| value)
    }

    /// The values, in no particular order.
    pub(super) fn values_mut(&mut self) -> impl Iterator<Item = &mut V> {
        self.values.iter_mut()
    }

    pub(super) fn first(&self) -> Option<&V> {
        self.index.first().and_then(|(_, slot)| self.values.get(*slot))
    }
}

impl<K: Key, V> Table<K, V> {
    pub(super) fn contains(&self, key: &K::Sought) -> bool {
        self.index.get(key).is_some()
    }

    pub(super) fn get(&self, key: &K::Sought) -> Option<&V> {
        self.values.get(self.index.get(key)?)
    }

    pub(super) fn get_mut(&mut self, key: &K::Sought) -> Option<&mut V> {
        self.values.get_mut(self.index.get(key)?)
    }

    /// Gives a key a value, and returns the one that it had.
    pub(super) fn insert(&mut self, key: K, value: V) -> Option<V> {
        let slot = self.values.insert(value);
        self.values.remove(self.index.insert(key, slot)?)
    }

    pub(super) fn remove(&mut self, key: &K::Sought) -> Option<V> {
        self.values.remove(self.index.remove(key)?)
    }

    /// Takes out the value of the least key.
    pub(super) fn pop_first(&mut self) -> Option<V> {
        let (_, slot) = self.index.pop_first()?;
        self.values.remove(slot)
    }
}

impl<K, V> Default for Table<K, V> {
    fn default() -> Self {
        Self::new()
    }
}

impl<V> Slab<V> {
    pub(super) const fn new() -> Self {
        Self { slots: Vec::new(), free: Vec::new() }
    }

    pub(super) fn get(&self, slot: u32) -> Option<&V> {
        self.slots.get(slot as usize)?.as_ref()
    }

    pub(super) fn get_mut(&mut self, slot: u32) -> Option<&mut V> {
        self.slots.get_mut(slot as usize)?.as_mut()
    }

    /// Puts a value into a free slot, and returns that.
    pub(super) fn insert(&mut self, value: V) -> u32 {
        let free = self.free.pop();
        if let Some(slot) = free
            && let Some(held) = self.slots.get_mut(slot as usize)
        {
            *held = Some(value);
            return slot;
        }
        self.slots.push(Some(value));
        (self.slots.len() - 1) as u32
    }

    /// Takes a value out; its slot is free then.
    pub(super) fn remove(&mut self, slot: u32) -> Option<V> {
        let value = self.slots.get_mut(slot as usize)?.take()?;
        self.free.push(slot);
        Some(value)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &V> {
        self.slots.iter().flatten()
    }

    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = &mut V> {
        self.slots.iter_mut().flatten()
    }

    fn clear(&mut self) {
        *self = Self::new();
    }
}

impl<V> Default for Slab<V> {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::collections::BTreeMap;
    use alloc::format;
    use proptest::prelude::*;

    #[derive(Clone, Debug)]
    enum Change {
        Insert(u64, u16),
        Remove(u64),
        PopFirst,
        Clear,
    }

    fn changes(keys: u64) -> impl Strategy<Value = Vec<Change>> {
        let change = prop_oneof![
            800 => (0..keys, any::<u16>()).prop_map(|(key, value)| Change::Insert(key, value)),
            500 => (0..keys).prop_map(Change::Remove),
            100 => Just(Change::PopFirst),
            1 => Just(Change::Clear),
        ];
        prop::collection::vec(change, 0..3000)
    }

    /// What keeps searches fast and memory in proportion.
    fn assert_sound<K: Key>(index: &Index<K>) {
        let lens: Vec<usize> = index.chunks.iter().map(Vec::len).collect();
        assert!(lens.iter().all(|len| (1..=CHUNK).contains(len)), "{lens:?}");
        assert!(lens.windows(2).all(|pair| pair.iter().sum::<usize>() > CHUNK / 2), "{lens:?}");
        assert_eq!(lens.iter().sum::<usize>(), index.len());
    }

    fn agrees<K: Key + Ord + Clone + core::fmt::Debug>(changes: Vec<Change>, key: impl Fn(u64) -> K) {
        let (mut table, mut model) = (Table::new(), BTreeMap::new());
        for change in changes {
            match change {
                Change::Insert(number, value) => {
                    assert_eq!(table.insert(key(number), value), model.insert(key(number), value));
                }
                Change::Remove(number) => assert_eq!(table.remove(key(number).sought()), model.remove(&key(number))),
                Change::PopFirst => {
                    assert_eq!(table.first(), model.first_key_value().map(|(_, value)| value));
                    assert_eq!(table.pop_first(), model.pop_first().map(|(_, value)| value));
                }
                Change::Clear => {
                    table.clear();
                    model.clear();
                }
            }
            assert_eq!(table.len(), model.len());
            assert_sound(&table.index);
        }
        assert!(table.iter().eq(model.iter()));
        assert!(table.keys().eq(model.keys()) && table.values().eq(model.values()));
        assert_eq!(table.values_mut().count(), model.len());
        for number in 0..600 {
            let key = key(number);
            assert_eq!(table.get(key.sought()), model.get(&key));
            assert_eq!(table.get_mut(key.sought()).copied(), model.get(&key).copied());
            assert_eq!(table.contains(key.sought()), model.contains_key(&key));
            let from = table.index.iter_from(key.sought()).map(|(key, _)| key);
            assert!(from.eq(model.range(key.clone()..).map(|(key, _)| key)));
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn is_as_a_tree_of_numbers(changes in prop_oneof![changes(10), changes(600)]) {
            agrees(changes, |number| number);
        }

        #[test]
        fn is_as_a_tree_of_paths(changes in prop_oneof![changes(10), changes(600)]) {
            agrees(changes, |number| Path::new(&format!("a/{number}")).unwrap());
        }
    }

    #[test]
    fn keys_that_rise_fill_their_chunks_and_falling_ones_half() {
        let (mut rising, mut falling) = (Numbers::new(), Numbers::new());
        for key in 0..100_000 {
            rising.insert(key, 0);
            falling.insert(100_000 - key, 0);
        }
        assert_eq!(rising.chunks.len(), 100_000_usize.div_ceil(CHUNK));
        assert!(falling.chunks.len() <= 2 * rising.chunks.len());
        assert_sound(&falling);
    }

    #[test]
    fn what_is_taken_out_leaves_nothing_behind() {
        let mut numbers = Numbers::new();
        for key in 0..100_000 {
            numbers.insert(key, 0);
        }
        for key in (0..100_000).filter(|key| key % 1000 != 0) {
            numbers.remove(&key);
        }
        assert_sound(&numbers);
        assert!(numbers.len() == 100 && numbers.chunks.len() <= 5);
        assert!(numbers.iter().map(|(key, _)| *key).eq((0..100).map(|key| key * 1000)));
        while numbers.pop_first().is_some() {}
        assert!(numbers.is_empty() && numbers.chunks.is_empty());
    }

    #[test]
    fn slots_are_used_again() {
        let mut table = Table::new();
        for key in 0..1000_u64 {
            table.insert(key, key);
            table.insert(key, key + 1);
            assert_eq!(table.remove(&key), Some(key + 1));
        }
        assert!(table.values.slots.len() <= 2);
    }
}
