//! Where a record stands in the log, and the names of what is derived from it.

use alloc::vec::Vec;
use core::fmt;

/// Names one life of a log. Versions and marks of different epochs can't be compared.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Epoch(pub [u8; 16]);

impl fmt::Display for Epoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// One of the log's independently ordered parts. The embedded engine has only partition 0.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Partition(pub u32);

/// The place of a record in its partition, counted from 1, and so the version of whatever topic
/// the record changed. [`Version::NONE`] (0) stands before every record.
///
/// A topic lives in one partition for good, so its versions are totally ordered. Offsets may have
/// holes: only order and equality mean something, never the difference.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Version(pub u64);

impl Version {
    /// Before the first record: what a client that holds nothing has.
    pub const NONE: Self = Self(0);

    /// The distance on the wire from `earlier` to `self`; `None` if `earlier` is not earlier or equal.
    #[must_use]
    pub fn distance_from(self, earlier: Self) -> Option<u64> {
        self.0.checked_sub(earlier.0)
    }

    /// The version `distance` after this one; `None` past the end of the number space.
    #[must_use]
    pub fn advanced_by(self, distance: u64) -> Option<Self> {
        self.0.checked_add(distance).map(Self)
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Where a client stands: what a gateway needs to know to tell it only what changed since.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ResumePoint {
    /// The life of the log that everything else belongs to.
    pub epoch: Epoch,
    /// The mark of each partition: up to here the client has been told everything it selects.
    pub marks: Vec<(Partition, Version)>,
    /// The topics of which the client was last told another version than the newest up to the mark:
    /// a later one, or [`Version::NONE`] if it holds nothing that can be continued. Each number once,
    /// in rising order.
    pub exceptions: Vec<(TopicNumber, Version)>,
}

impl ResumePoint {
    /// The most partitions, and the most exceptions, that a resume point may name.
    pub const MAX_ENTRIES: usize = 4096;

    /// The mark of a partition; [`Version::NONE`] if there is none.
    #[must_use]
    pub fn mark(&self, partition: Partition) -> Version {
        self.marks.iter().find(|(other, _)| *other == partition).map_or(Version::NONE, |(_, mark)| *mark)
    }

    /// The version that the client was last told of a topic, if it is not the newest up to the mark.
    #[must_use]
    pub fn exception(&self, topic: TopicNumber) -> Option<Version> {
        let place = self.exceptions.binary_search_by_key(&topic, |(number, _)| *number).ok()?;
        self.exceptions.get(place).map(|(_, version)| *version)
    }

    /// The newest version that it speaks of: a gateway that has not read so far can't serve it yet.
    #[must_use]
    pub fn newest(&self) -> Version {
        let marks = self.marks.iter().map(|(_, version)| *version);
        marks.chain(self.exceptions.iter().map(|(_, version)| *version)).max().unwrap_or_default()
    }
}

/// Where a record stands in the log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position {
    /// The part of the log.
    pub partition: Partition,
    /// The place in that part.
    pub version: Version,
}

/// The small number by which a gateway speaks of a topic once it has announced it.
///
/// It is the same for every session of a gateway (so that an update is encoded once for all of
/// them), and is not given to another topic while the gateway lives.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TopicNumber(pub u32);

/// Names a publisher for good, across connections and gateways: 16 random bytes it chose itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PublisherId(pub [u8; 16]);

/// The number a publisher gives a record: 1 for its first, then one more each time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PublishNumber(pub u64);

/// Names a subscription within its session.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SubscriptionId(pub u32);

/// Pairs a fetch with its answer, within its session.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FetchId(pub u32);
