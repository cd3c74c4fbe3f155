//! Updates on their way to an application that may be slow.

use alloc::collections::VecDeque;

use super::event::{Update, UpdateKind};
use super::ordered::Table;
use crate::path::Path;

/// The updates of one subscription that the application has not taken yet.
///
/// While there is room every update waits. Past it only the newest value of each topic does, and
/// of events only which are missing: these wait in the order in which their topics ran out of room,
/// and go to the end of the queue as room comes free. So no topic waits for another for ever.
///
/// What is held is bounded by the limits and by one value for each topic, which the topic's replica
/// shares.
#[derive(Debug)]
pub(super) struct Mailbox {
    queue: VecDeque<Update>,
    bytes: usize,
    max_count: usize,
    max_bytes: usize,
    /// What came while there was no room: one entry for each topic.
    overflow: Table<Path, Waiting>,
    order: Table<u64, Path>,
    last_ticket: u64,
    /// Whether the application has been told that there is something to take.
    pub(super) announced: bool,
}

/// What is left of the updates of one topic that there was no room for.
#[derive(Debug)]
struct Waiting {
    ticket: u64,
    /// The application has heard nothing of the topic yet.
    is_first: bool,
    /// The topic was removed, and perhaps made anew since.
    removal: Option<Update>,
    newest: Option<Update>,
}

impl Mailbox {
    pub(super) const fn new(max_count: usize, max_bytes: usize) -> Self {
        Self {
            queue: VecDeque::new(),
            bytes: 0,
            max_count,
            max_bytes,
            overflow: Table::new(),
            order: Table::new(),
            last_ticket: 0,
            announced: false,
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.queue.is_empty() && self.overflow.is_empty()
    }

    /// Takes an update in; `is_first` if nothing has been told of its topic before.
    pub(super) fn push(&mut self, update: Update, is_first: bool) {
        // What follows an overflowed update of the same topic must not overtake it.
        if let Some(waiting) = self.overflow.get_mut(update.path.as_str()) {
            if waiting.is_first && update.kind == UpdateKind::Removed {
                // It came and went unseen.
                self.order.remove(&waiting.ticket);
                self.overflow.remove(update.path.as_str());
            } else {
                waiting.merge(update);
            }
        } else if self.has_room(size(&update)) {
            self.enqueue(update);
        } else {
            self.last_ticket += 1;
            let mut waiting = Waiting { ticket: self.last_ticket, is_first, removal: None, newest: None };
            let path = update.path.clone();
            waiting.merge(update);
            self.order.insert(waiting.ticket, path.clone());
            self.overflow.insert(path, waiting);
        }
    }

    pub(super) fn take(&mut self) -> Option<Update> {
        let taken = self.queue.pop_front()?;
        self.bytes -= size(&taken);
        while let Some(path) = self.order.first()
            && let Some(waiting) = self.overflow.get(path.as_str())
            && self.has_room(waiting.newest.as_ref().map_or(0, size))
            && let Some(path) = self.order.pop_first()
            && let Some(waiting) = self.overflow.remove(path.as_str())
        {
            waiting.removal.into_iter().chain(waiting.newest).for_each(|update| self.enqueue(update));
        }
        Some(taken)
    }

    fn has_room(&self, size: usize) -> bool {
        self.queue.is_empty() || self.queue.len() < self.max_count && self.bytes.saturating_add(size) <= self.max_bytes
    }

    fn enqueue(&mut self, update: Update) {
        self.bytes += size(&update);
        self.queue.push_back(update);
    }
}

fn size(update: &Update) -> usize {
    match &update.kind {
        UpdateKind::Value { value, .. } | UpdateKind::Event { value, .. } => value.bytes().len(),
        UpdateKind::Gap { .. } | UpdateKind::Removed => 0,
    }
}

impl Waiting {
    /// Lets a newer update take the place of older ones.
    fn merge(&mut self, update: Update) {
        let before = self.newest.take();
        let epoch = update.epoch;
        let wire_bytes = update.wire_bytes + before.as_ref().map_or(0, |before| before.wire_bytes);
        let kind = match update.kind {
            UpdateKind::Removed => {
                self.removal =
                    Some(Update { path: update.path, kind: UpdateKind::Removed, epoch, stale: false, wire_bytes });
                return;
            }
            // An event that there is no room for is missing.
            UpdateKind::Event { sequence, .. } => UpdateKind::Gap { first: sequence, last: sequence },
            kind => kind,
        };
        let kind = match (before.filter(|before| before.epoch == epoch).map(|before| before.kind), kind) {
            (Some(UpdateKind::Gap { first, .. }), UpdateKind::Gap { last, .. }) => UpdateKind::Gap { first, last },
            (_, kind) => kind,
        };
        self.newest = Some(Update { path: update.path, kind, epoch, stale: false, wire_bytes });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::position::{Epoch, Version};
    use crate::value::Value;
    use alloc::format;
    use alloc::vec::Vec;

    fn value(path: &str, version: u64) -> Update {
        let value = Value::from(version as i64);
        Update {
            path: Path::new(path).unwrap(),
            kind: UpdateKind::Value { value, version: Version(version) },
            epoch: Epoch([0; 16]),
            stale: false,
            wire_bytes: 1,
        }
    }

    fn event(path: &str, sequence: u64) -> Update {
        let kind = UpdateKind::Event { value: Value::from(1), version: Version(sequence), sequence };
        Update { path: Path::new(path).unwrap(), kind, epoch: Epoch([0; 16]), stale: false, wire_bytes: 1 }
    }

    fn removed(path: &str) -> Update {
        Update {
            path: Path::new(path).unwrap(),
            kind: UpdateKind::Removed,
            epoch: Epoch([0; 16]),
            stale: false,
            wire_bytes: 1,
        }
    }

    fn drain(mailbox: &mut Mailbox) -> Vec<Update> {
        core::iter::from_fn(|| mailbox.take()).collect()
    }

    #[test]
    fn a_slow_application_loses_intermediate_values_and_never_the_newest() {
        let mut mailbox = Mailbox::new(2, 1 << 20);
        for version in 1..=100 {
            mailbox.push(value("a", version), version == 1);
            mailbox.push(value("b", version), version == 1);
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
            mailbox.push(event("a", sequence), sequence == 1);
        }
        let told = drain(&mut mailbox);
        assert_eq!(told[..3], [event("a", 1), event("a", 2), event("a", 3)]);
        assert_eq!(told[3].kind, UpdateKind::Gap { first: 4, last: 10 });
        mailbox.push(event("a", 11), false);
        assert_eq!(drain(&mut mailbox), [event("a", 11)]);
    }

    #[test]
    fn a_topic_that_found_no_room_does_not_wait_for_a_busy_one() {
        let mut mailbox = Mailbox::new(4, 1 << 20);
        for version in 1..=4 {
            mailbox.push(value("busy", version), version == 1);
        }
        mailbox.push(value("quiet", 5), true);
        // The application takes as fast as the busy topic changes, and never catches up.
        let heard = (6..20).any(|version| {
            let taken = mailbox.take();
            mailbox.push(value("busy", version), false);
            taken == Some(value("quiet", 5))
        });
        assert!(heard);
    }

    #[test]
    fn topics_that_come_and_go_unseen_leave_nothing_behind() {
        let mut mailbox = Mailbox::new(1, 1 << 20);
        mailbox.push(value("seen", 1), true);
        mailbox.push(removed("seen"), false);
        for version in 2..1000 {
            let path = format!("unseen/{version}");
            mailbox.push(value(&path, version), true);
            mailbox.push(removed(&path), false);
        }
        assert_eq!(drain(&mut mailbox), [value("seen", 1), removed("seen")]);
    }

    #[test]
    fn a_topic_made_anew_is_told_as_removed_first() {
        let mut mailbox = Mailbox::new(1, 1 << 20);
        mailbox.push(value("a", 1), true);
        mailbox.push(value("a", 2), false);
        mailbox.push(removed("a"), false);
        mailbox.push(event("a", 1), true);
        mailbox.push(event("a", 2), false);
        let told: Vec<UpdateKind> = drain(&mut mailbox).into_iter().map(|update| update.kind).collect();
        assert_eq!(told[1..], [UpdateKind::Removed, UpdateKind::Gap { first: 1, last: 2 }]);
    }

    #[test]
    fn bytes_are_bounded_too() {
        let mut mailbox = Mailbox::new(1000, 20);
        for version in 1..=100 {
            mailbox.push(value(&format!("a/{}", version % 10), version), version <= 10);
            assert!(mailbox.bytes <= 20);
        }
        assert_eq!(mailbox.overflow.len() + mailbox.queue.len(), 12);
        assert_eq!(drain(&mut mailbox).len(), 12);
    }
}
