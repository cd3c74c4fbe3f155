//! Topics by path.

mod order;
mod pattern;
#[cfg(test)]
mod tests;

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::ops::Bound;

use outpour_core::{Path, Selector, TopicNumber};

use order::{Key, Ordered, compare};
use pattern::{Next, Pattern};

/// A page ends after so many steps for each topic asked for, though it may not be full then.
const STEPS_PER_TOPIC: usize = 64;
/// How many paths are stepped over one by one before the next place is looked up, which costs more.
const STEPS_BEFORE_SEEK: usize = 8;
/// What a look-up costs, in steps.
const SEEK_STEPS: usize = 8;

/// Where the next page of a search starts. It stays good whatever topics come and go.
#[derive(Clone, Debug)]
pub struct Cursor(Box<[u8]>);

/// Topics by path, in an order that has a topic stand right before all that are below it.
#[derive(Debug, Default)]
pub struct TopicTree {
    topics: BTreeMap<Key, TopicNumber>,
}

impl TopicTree {
    /// No topics.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// How many topics there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.topics.len()
    }

    /// Whether there are no topics.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.topics.is_empty()
    }

    /// Adds a topic. The text of the path is shared, not copied.
    pub fn insert(&mut self, path: &Path, number: TopicNumber) {
        self.topics.insert(Key(path.clone()), number);
    }

    /// Takes a topic out.
    pub fn remove(&mut self, path: &Path) -> Option<TopicNumber> {
        self.topics.remove::<dyn Ordered>(&path.as_str().as_bytes())
    }

    /// The topic with this path.
    #[must_use]
    pub fn get(&self, path: &Path) -> Option<TopicNumber> {
        self.topics.get::<dyn Ordered>(&path.as_str().as_bytes()).copied()
    }

    /// Appends the next topics that match, at the most `limit` of them (at least one), and gives
    /// the cursor for the next page, or `None` if there is none.
    ///
    /// Topics that are there during the whole search are found once each. A page takes time for
    /// what matches up to the first `**` of the selector, not for what lies between or below, and at
    /// the most for a multiple of `limit`: then it ends early, and may even be empty.
    pub fn matching(
        &self,
        selector: &Selector,
        after: Option<&Cursor>,
        limit: usize,
        found: &mut Vec<TopicNumber>,
    ) -> Option<Cursor> {
        if let Some(exact) = selector.exact() {
            found.extend(self.topics.get::<dyn Ordered>(&exact.as_bytes()));
            return None;
        }
        let pattern = Pattern::new(selector);
        let full = found.len().saturating_add(limit.max(1));
        let most_steps = limit.max(1).saturating_mul(STEPS_PER_TOPIC);
        let mut steps = 0;
        // The search goes on at the first path that is not before this.
        let mut target = after.map_or_else(|| pattern.start().to_vec(), |Cursor(target)| target.to_vec());
        'seek: loop {
            steps += SEEK_STEPS;
            let (mut jumping, mut skipped) = (false, 0);
            for (Key(path), number) in self.topics.range::<dyn Ordered, _>(from(&target.as_slice())) {
                let path = path.as_str();
                steps += 1;
                if jumping && compare(path.as_bytes(), &target) == Ordering::Less {
                    skipped += 1;
                    if skipped < STEPS_BEFORE_SEEK { continue } else { continue 'seek }
                }
                steps += pattern.steps(path);
                let (matches, next) = pattern.judge(path, &mut target);
                if matches {
                    found.push(*number);
                }
                (jumping, skipped) = (next == Next::Jump, 0);
                if next == Next::End {
                    return None;
                }
                if found.len() >= full || steps >= most_steps {
                    if next == Next::Following {
                        target.clear();
                        target.extend_from_slice(path.as_bytes());
                        target.push(b'/');
                    }
                    return Some(Cursor(Box::from(target)));
                }
            }
            return None;
        }
    }
}

fn from<'a>(target: &'a &'a [u8]) -> (Bound<&'a (dyn Ordered + 'a)>, Bound<&'a (dyn Ordered + 'a)>) {
    (Bound::Included(target), Bound::Unbounded)
}
