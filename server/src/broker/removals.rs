//! Topics that are no more, remembered for those who were away when they went.

use std::collections::VecDeque;

use outpour_core::{Path, TopicNumber, Version};

/// How many removals are remembered.
const KEPT: usize = 100_000;
/// The most bytes of their paths.
const KEPT_BYTES: usize = 8 << 20;

/// A topic that is no more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Removal {
    /// The number it had.
    pub topic: TopicNumber,
    /// Its name, which a new topic may have by now.
    pub path: Path,
    /// The position of the record that removed it.
    pub version: Version,
}

/// The newest removals.
#[derive(Clone, Debug, Default)]
pub(super) struct Removals {
    newest: VecDeque<Removal>,
    bytes: usize,
    /// The newest removal that was forgotten: what was removed up to there is not known.
    forgotten: Version,
}

impl Removals {
    pub(super) fn note(&mut self, topic: TopicNumber, path: Path, version: Version) {
        self.bytes += path.as_str().len();
        self.newest.push_back(Removal { topic, path, version });
        while self.newest.len() > KEPT || self.bytes > KEPT_BYTES {
            let Some(oldest) = self.newest.pop_front() else { return };
            self.bytes -= oldest.path.as_str().len();
            self.forgotten = oldest.version;
        }
    }

    /// All that are remembered, oldest first, and the newest that is not.
    pub(super) fn all(&self) -> (impl Iterator<Item = &Removal>, Version) {
        (self.newest.iter(), self.forgotten)
    }

    /// What was removed up to here is not known.
    pub(super) const fn forget_up_to(&mut self, version: Version) {
        self.forgotten = version;
    }

    /// What was removed after a mark, oldest first; `None` if not all of it is remembered.
    pub(super) fn since(&self, mark: Version) -> Option<impl ExactSizeIterator<Item = &Removal>> {
        let first = self.newest.partition_point(|removal| removal.version <= mark);
        (mark >= self.forgotten).then(|| self.newest.range(first..))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn says_what_was_removed_since_a_mark_as_long_as_it_knows() {
        let mut removals = Removals::default();
        for number in 1..=KEPT as u32 + 10 {
            removals.note(TopicNumber(number), Path::new("a").unwrap(), Version(u64::from(number) * 2));
        }
        assert!(removals.since(Version(19)).is_none());
        assert_eq!(removals.since(Version(20)).unwrap().count(), KEPT);
        let newest = Version(2 * (KEPT as u64 + 10));
        assert_eq!(removals.since(newest).unwrap().count(), 0);
        assert_eq!(removals.since(Version(newest.0 - 3)).unwrap().count(), 2);
    }

    #[test]
    fn remembers_no_more_than_so_many_bytes() {
        let mut removals = Removals::default();
        let path = Path::new(&"x".repeat(1024)).unwrap();
        for version in 1..=20_000 {
            removals.note(TopicNumber(1), path.clone(), Version(version));
        }
        assert_eq!(removals.bytes, KEPT_BYTES);
        assert!(removals.since(Version::NONE).is_none());
    }
}
