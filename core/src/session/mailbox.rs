//! Updates on their way to an application that may be slow.

use alloc::collections::{BTreeMap, VecDeque};

use super::event::{Update, UpdateKind};
use crate::path::Path;

/// The updates of one subscription that the application has not taken yet.
///
/// While there is room every update waits. Past it only the newest value of each topic does, and
/// of events only which are missing.
#[derive(Debug)]
pub(super) struct Mailbox {
    queue: VecDeque<Update>,
    bytes: usize,
    max_count: usize,
    max_bytes: usize,
    /// What came while there was no room: one entry for each topic.
    overflow: BTreeMap<Path, Overflow>,
    /// Whether the application has been told that there is something to take.
    pub(super) announced: bool,
}

/// What is left of the updates of one topic that there was no room for.
#[derive(Debug, Default)]
struct Overflow {
    /// The topic was removed, and perhaps made anew since.
    removal: Option<Update>,
    newest: Option<Update>,
}

impl Mailbox {
    pub(super) const fn new(max_count: usize, max_bytes: usize) -> Self {
        Self { queue: VecDeque::new(), bytes: 0, max_count, max_bytes, overflow: BTreeMap::new(), announced: false }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.queue.is_empty() && self.overflow.is_empty()
    }

    pub(super) fn push(&mut self, update: Update) {
        // What follows an overflowed update of the same topic must not overtake it.
        if let Some(waiting) = self.overflow.get_mut(&update.path) {
            waiting.merge(update);
            return;
        }
        let size = size(&update);
        let room = self.queue.is_empty()
            || self.queue.len() < self.max_count && self.bytes.saturating_add(size) <= self.max_bytes;
        if room {
            self.bytes += size;
            self.queue.push_back(update);
        } else {
            self.overflow.entry(update.path.clone()).or_default().merge(update);
        }
    }

    pub(super) fn take(&mut self) -> Option<Update> {
        if let Some(update) = self.queue.pop_front() {
            self.bytes -= size(&update);
            return Some(update);
        }
        let mut first = self.overflow.first_entry()?;
        if let Some(removal) = first.get_mut().removal.take() {
            if first.get().newest.is_none() {
                first.remove();
            }
            return Some(removal);
        }
        first.remove().newest
    }
}

fn size(update: &Update) -> usize {
    match &update.kind {
        UpdateKind::Value { value, .. } | UpdateKind::Event { value, .. } => value.bytes().len(),
        UpdateKind::Gap { .. } | UpdateKind::Removed => 0,
    }
}

impl Overflow {
    /// Lets a newer update take the place of older ones.
    fn merge(&mut self, update: Update) {
        let before = self.newest.take();
        let wire_bytes = update.wire_bytes + before.as_ref().map_or(0, |before| before.wire_bytes);
        let kind = match (before.map(|before| before.kind), update.kind) {
            (_, UpdateKind::Removed) => {
                self.removal = Some(Update { path: update.path, kind: UpdateKind::Removed, wire_bytes });
                return;
            }
            (Some(UpdateKind::Gap { first, .. }), UpdateKind::Gap { last, .. }) => UpdateKind::Gap { first, last },
            // An event that there is no room for is missing.
            (Some(UpdateKind::Gap { first, .. }), UpdateKind::Event { sequence, .. }) => {
                UpdateKind::Gap { first, last: sequence }
            }
            (_, UpdateKind::Event { sequence, .. }) => UpdateKind::Gap { first: sequence, last: sequence },
            (_, kind) => kind,
        };
        self.newest = Some(Update { path: update.path, kind, wire_bytes });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::position::Version;
    use crate::value::Value;
    use alloc::vec::Vec;

    fn value(path: &str, version: u64) -> Update {
        let value = Value::from(version as i64);
        Update {
            path: Path::new(path).unwrap(),
            kind: UpdateKind::Value { value, version: Version(version) },
            wire_bytes: 1,
        }
    }

    fn event(path: &str, sequence: u64) -> Update {
        let kind = UpdateKind::Event { value: Value::from(1), version: Version(sequence), sequence };
        Update { path: Path::new(path).unwrap(), kind, wire_bytes: 1 }
    }

    fn drain(mailbox: &mut Mailbox) -> Vec<Update> {
        core::iter::from_fn(|| mailbox.take()).collect()
    }

    #[test]
    fn a_slow_application_loses_intermediate_values_and_never_the_newest() {
        let mut mailbox = Mailbox::new(2, 1 << 20);
        for version in 1..=100 {
            mailbox.push(value("a", version));
            mailbox.push(value("b", version));
        }
        let told = drain(&mut mailbox);
        assert_eq!(told.len(), 4);
        assert_eq!(told[0], value("a", 1));
        assert_eq!(told[2].kind, value("a", 100).kind);
        assert_eq!(told[3].kind, value("b", 100).kind);
        assert_eq!(told.iter().map(|update| update.wire_bytes).sum::<usize>(), 200);
    }

    #[test]
    fn events_without_room_become_a_gap_that_says_which() {
        let mut mailbox = Mailbox::new(3, 1 << 20);
        for sequence in 1..=10 {
            mailbox.push(event("a", sequence));
        }
        let told = drain(&mut mailbox);
        assert_eq!(told[..3], [event("a", 1), event("a", 2), event("a", 3)]);
        assert_eq!(told[3].kind, UpdateKind::Gap { first: 4, last: 10 });
        mailbox.push(event("a", 11));
        assert_eq!(drain(&mut mailbox), [event("a", 11)]);
    }
}
