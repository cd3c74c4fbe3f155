//! Selectors by the paths they match.

use outpour_core::Selector;

/// Which selectors match a path.
#[derive(Debug, Default)]
pub struct SelectorIndex<Id> {
    selectors: Vec<(Selector, Id)>,
}

impl<Id: Copy + Eq> SelectorIndex<Id> {
    /// No selectors.
    #[must_use]
    pub const fn new() -> Self {
        Self { selectors: Vec::new() }
    }

    /// Adds a selector.
    pub fn insert(&mut self, selector: &Selector, id: Id) {
        self.selectors.push((selector.clone(), id));
    }

    /// Takes a selector out.
    pub fn remove(&mut self, selector: &Selector, id: Id) {
        self.selectors.retain(|(other, other_id)| !(other == selector && *other_id == id));
    }

    /// Appends the ids of the selectors that match.
    pub fn matching(&self, path: &str, found: &mut Vec<Id>) {
        found.extend(self.selectors.iter().filter(|(selector, _)| selector.matches(path)).map(|(_, id)| *id));
    }
}
