//! Topics by path.

use std::collections::BTreeMap;
use std::ops::Bound;

use outpour_core::{Path, Selector, TopicNumber};

/// Where the next page of a search starts.
#[derive(Clone, Debug)]
pub struct Cursor(Path);

/// Topics by path, in the order of their paths.
#[derive(Debug, Default)]
pub struct TopicTree(BTreeMap<Path, TopicNumber>);

impl TopicTree {
    /// No topics.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a topic.
    pub fn insert(&mut self, path: &Path, number: TopicNumber) {
        self.0.insert(path.clone(), number);
    }

    /// Takes a topic out.
    pub fn remove(&mut self, path: &Path) -> Option<TopicNumber> {
        self.0.remove(path)
    }

    /// The topic with this path.
    #[must_use]
    pub fn get(&self, path: &Path) -> Option<TopicNumber> {
        self.0.get(path).copied()
    }

    /// The next topics that match, and where the next page starts, if there is one.
    pub fn matching(
        &self,
        selector: &Selector,
        after: Option<&Cursor>,
        limit: usize,
        found: &mut Vec<TopicNumber>,
    ) -> Option<Cursor> {
        if let Some(exact) = selector.exact() {
            found.extend(self.0.get(exact));
            return None;
        }
        let text = selector.as_str();
        let prefix = &text[..text.find('*').unwrap_or(0)];
        let prefix = prefix.strip_suffix('/').unwrap_or(prefix);
        let start = after.map_or(Bound::Included(prefix), |Cursor(path)| Bound::Excluded(path.as_str()));
        let mut visits = 0;
        for (path, number) in self.0.range::<str, _>((start, Bound::Unbounded)) {
            if !path.as_str().starts_with(prefix) {
                return None;
            }
            if selector.matches(path.as_str()) {
                found.push(*number);
            }
            visits += 1;
            if found.len() >= limit || visits >= 64 * limit {
                return Some(Cursor(path.clone()));
            }
        }
        None
    }
}
