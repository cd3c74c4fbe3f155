//! The ids under which one selector was added.

use std::collections::BTreeSet;

/// Mostly one, sometimes that of every session. Ordered, so that the same history gives the same order.
#[derive(Debug, Default)]
pub(super) enum Ids<Id> {
    #[default]
    None,
    One(Id),
    Many(BTreeSet<Id>),
}

impl<Id: Copy + Ord> Ids<Id> {
    pub(super) const fn is_empty(&self) -> bool {
        matches!(self, Self::None)
    }

    pub(super) fn insert(&mut self, id: Id) {
        match self {
            Self::None => *self = Self::One(id),
            Self::One(only) if *only == id => {}
            Self::One(only) => *self = Self::Many(BTreeSet::from([*only, id])),
            Self::Many(ids) => {
                ids.insert(id);
            }
        }
    }

    pub(super) fn remove(&mut self, id: Id) {
        match self {
            Self::One(only) if *only == id => *self = Self::None,
            Self::None | Self::One(_) => {}
            Self::Many(ids) => {
                ids.remove(&id);
                if let (1, Some(only)) = (ids.len(), ids.first().copied()) {
                    *self = Self::One(only);
                }
            }
        }
    }

    pub(super) fn append_to(&self, found: &mut Vec<Id>) {
        match self {
            Self::None => {}
            Self::One(id) => found.push(*id),
            Self::Many(ids) => found.extend(ids.iter()),
        }
    }
}
