//! Selectors by the paths they match.

mod ids;
#[cfg(test)]
mod tests;

use std::borrow::Borrow;
use std::collections::BTreeMap;
use std::hash::{BuildHasher, Hash, Hasher};

use foldhash::fast::RandomState;
use hashbrown::hash_map::EntryRef;
use hashbrown::{HashMap, HashSet, HashTable};
use outpour_core::Selector;
use slab::Slab;

use ids::Ids;

/// Which selectors match a path.
///
/// Selectors without wildcards are found by one look-up. The others share a trie of their segments,
/// which is walked along all edges that fit at once. Many long selectors can be made so that a long
/// path reaches most of the trie again with each of its segments: then they are tried one by one.
#[derive(Debug)]
pub struct SelectorIndex<Id> {
    exact: HashMap<Exact, Ids<Id>, RandomState>,
    /// The selectors with wildcards, and the nodes where they end.
    patterns: BTreeMap<Selector, u32>,
    nodes: Slab<Node<Id>>,
    /// The children that a literal segment leads to, by parent and segment.
    literals: HashTable<u32>,
    hasher: RandomState,
}

/// A selector without wildcards, found by its text.
#[derive(Debug, PartialEq, Eq)]
struct Exact(Selector);

impl Borrow<str> for Exact {
    fn borrow(&self) -> &str {
        self.0.as_str()
    }
}

impl Hash for Exact {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.as_str().hash(state);
    }
}

/// The place of a node without parent in the parents of nodes, and of a child that isn't there.
const NONE: u32 = u32::MAX;
/// What every pattern starts from. It exists as long as there are patterns.
const ROOT: u32 = 0;

/// A walk along a path may take so many steps, each to the children of a node, before patterns are
/// tried one by one; and so many for each pattern, as trying one takes about as long.
const MIN_STEPS: usize = 1_000;
const STEPS_PER_PATTERN: usize = 8;

/// What the patterns that begin with the same segments have in common.
#[derive(Debug)]
struct Node<Id> {
    parent: u32,
    /// The segment that leads here.
    segment: Box<str>,
    /// The child that `*` leads to.
    any: u32,
    /// The child that `**` leads to.
    deep: u32,
    children: u32,
    /// The patterns that end here.
    ids: Ids<Id>,
}

impl<Id: Copy + Ord> Default for SelectorIndex<Id> {
    fn default() -> Self {
        Self::new()
    }
}

impl<Id: Copy + Ord> SelectorIndex<Id> {
    /// No selectors.
    #[must_use]
    pub fn new() -> Self {
        Self {
            exact: HashMap::default(),
            patterns: BTreeMap::new(),
            nodes: Slab::new(),
            literals: HashTable::new(),
            hasher: RandomState::default(),
        }
    }

    /// Whether there are no selectors.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.exact.is_empty() && self.patterns.is_empty()
    }

    /// Adds a selector under an id, unless it is there already.
    pub fn insert(&mut self, selector: &Selector, id: Id) {
        if selector.exact().is_some() {
            self.exact.entry(Exact(selector.clone())).or_default().insert(id);
            return;
        }
        if self.nodes.is_empty() {
            self.nodes = Slab::new();
            self.add_node(NONE, "");
        }
        let mut node = ROOT;
        for segment in selector.segments() {
            node = match self.child(node, segment) {
                NONE => self.add_node(node, segment),
                child => child,
            };
        }
        self.patterns.insert(selector.clone(), node);
        if let Some(node) = self.nodes.get_mut(node as usize) {
            node.ids.insert(id);
        }
    }

    /// Takes a selector out that was added under this id, if it is there.
    pub fn remove(&mut self, selector: &Selector, id: Id) {
        if let Some(exact) = selector.exact() {
            if let EntryRef::Occupied(mut entry) = self.exact.entry_ref(exact) {
                entry.get_mut().remove(id);
                if entry.get().is_empty() {
                    entry.remove();
                }
            }
            return;
        }
        let Some(end) = self.patterns.get(selector).copied() else { return };
        let Some(node) = self.nodes.get_mut(end as usize) else { return };
        node.ids.remove(id);
        if node.ids.is_empty() {
            self.patterns.remove(selector);
            self.remove_unused(end);
        }
    }

    /// Appends the ids of the selectors that match: those of one selector in ascending order.
    pub fn matching(&self, path: &str, found: &mut Vec<Id>) {
        if let Some(ids) = self.exact.get(path) {
            ids.append_to(found);
        }
        if self.nodes.is_empty() {
            return;
        }
        let before = found.len();
        if !self.walk(path, found) {
            found.truncate(before);
            self.scan(path, found);
        }
    }

    /// Finds what matches by the trie; gives up, and tells so, when a scan would take less.
    fn walk(&self, path: &str, found: &mut Vec<Id>) -> bool {
        let most_steps = MIN_STEPS + STEPS_PER_PATTERN * self.patterns.len();
        let mut walk =
            Walk { index: self, reached: Vec::new(), deep: Vec::new(), deep_seen: HashSet::default(), found };
        walk.reach(ROOT);
        let mut from = Vec::new();
        let mut steps = 0;
        for segment in path.split('/') {
            core::mem::swap(&mut from, &mut walk.reached);
            steps += from.len() + walk.deep.len();
            if steps > most_steps {
                return false;
            }
            walk.step(&from, segment);
            from.clear();
        }
        for node in core::mem::take(&mut walk.reached) {
            walk.collect(node);
        }
        true
    }

    /// Finds what matches by trying all patterns.
    fn scan(&self, path: &str, found: &mut Vec<Id>) {
        for (pattern, end) in &self.patterns {
            if let Some(node) = self.nodes.get(*end as usize)
                && pattern.matches(path)
            {
                node.ids.append_to(found);
            }
        }
    }

    fn child(&self, parent: u32, segment: &str) -> u32 {
        let Some(node) = self.nodes.get(parent as usize) else { return NONE };
        match segment {
            "*" => node.any,
            "**" => node.deep,
            literal => self.literal_child(parent, literal),
        }
    }

    fn literal_child(&self, parent: u32, segment: &str) -> u32 {
        let hash = self.hasher.hash_one((parent, segment));
        let leads_there = |child: &u32| {
            self.nodes.get(*child as usize).is_some_and(|node| node.parent == parent && *node.segment == *segment)
        };
        self.literals.find(hash, leads_there).copied().unwrap_or(NONE)
    }

    fn add_node(&mut self, parent: u32, segment: &str) -> u32 {
        let node =
            Node { parent, segment: Box::from(segment), any: NONE, deep: NONE, children: 0, ids: Ids::default() };
        let added = self.nodes.insert(node) as u32;
        let Some(above) = self.nodes.get_mut(parent as usize) else { return added };
        above.children += 1;
        match segment {
            "*" => above.any = added,
            "**" => above.deep = added,
            literal => {
                let Self { literals, hasher, nodes, .. } = self;
                let hash = hasher.hash_one((parent, literal));
                literals.insert_unique(hash, added, |child| {
                    nodes.get(*child as usize).map_or(0, |node| hasher.hash_one((node.parent, &*node.segment)))
                });
            }
        }
        added
    }

    /// Frees a node that no pattern needs, and then those above it.
    fn remove_unused(&mut self, mut unused: u32) {
        while self.nodes.get(unused as usize).is_some_and(|node| node.children == 0 && node.ids.is_empty()) {
            let Node { parent, segment, .. } = self.nodes.remove(unused as usize);
            let Some(above) = self.nodes.get_mut(parent as usize) else { return };
            above.children -= 1;
            match &*segment {
                "*" => above.any = NONE,
                "**" => above.deep = NONE,
                literal => {
                    let hash = self.hasher.hash_one((parent, literal));
                    if let Ok(entry) = self.literals.find_entry(hash, |child| *child == unused) {
                        entry.remove();
                    }
                }
            }
            unused = parent;
        }
    }
}

/// A walk through the trie along a path.
struct Walk<'a, Id> {
    index: &'a SelectorIndex<Id>,
    /// The nodes that the path leads to so far, except those that `**` leads to. No node is there
    /// twice: it has one parent, and one edge from it.
    reached: Vec<u32>,
    /// The nodes reached by `**`, where the walk stays however the path goes on.
    deep: Vec<u32>,
    deep_seen: HashSet<u32, RandomState>,
    found: &'a mut Vec<Id>,
}

impl<Id: Copy + Ord> Walk<'_, Id> {
    fn step(&mut self, from: &[u32], segment: &str) {
        // A `**` reached in this step has taken no segment yet.
        let deep_before = self.deep.len();
        for node in from {
            self.follow(*node, segment);
        }
        for index in 0..deep_before {
            if let Some(node) = self.deep.get(index).copied() {
                self.follow(node, segment);
            }
        }
    }

    fn follow(&mut self, node: u32, segment: &str) {
        let Some(any) = self.index.nodes.get(node as usize).map(|node| node.any) else { return };
        self.reach(any);
        self.reach(self.index.literal_child(node, segment));
    }

    fn reach(&mut self, node: u32) {
        let Some(Node { deep, .. }) = self.index.nodes.get(node as usize) else { return };
        self.reached.push(node);
        if let Some(below) = self.index.nodes.get(*deep as usize)
            && self.deep_seen.insert(*deep)
        {
            // Nothing that follows in the path can change that these match.
            below.ids.append_to(self.found);
            if below.children > 0 {
                self.deep.push(*deep);
            }
        }
    }

    fn collect(&mut self, node: u32) {
        if let Some(node) = self.index.nodes.get(node as usize) {
            node.ids.append_to(self.found);
        }
    }
}
