//! One log in memory under the demo's gateways: what is published at one is read by the others, with the same versions.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use outpour_core::{Epoch, Partition, Path, Version};
use outpour_server::log::{Log, LogError, Record};

/// A gateway's way to the log.
pub(super) struct Reader {
    number: usize,
    shared: Arc<Mutex<Shared>>,
    /// What this gateway has not committed.
    appended: Vec<Record>,
}

/// What has been committed, and not been read by everybody.
struct Shared {
    epoch: Epoch,
    records: VecDeque<Record>,
    /// How many records were dropped before the first.
    dropped: u64,
    /// How far each reader is.
    read: Vec<Version>,
}

/// A fresh log, with a way to it for each of `count` gateways.
pub(super) fn readers(epoch: Epoch, count: usize) -> Vec<Reader> {
    let shared = Shared { epoch, records: VecDeque::new(), dropped: 0, read: vec![Version::NONE; count] };
    let shared = Arc::new(Mutex::new(shared));
    (0..count).map(|number| Reader { number, shared: Arc::clone(&shared), appended: Vec::new() }).collect()
}

impl Reader {
    fn shared(&self) -> MutexGuard<'_, Shared> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Shared {
    /// Drops what all have read.
    fn trim(&mut self) {
        let read = self.read.iter().map(|version| version.0).min().unwrap_or_default();
        while self.dropped < read && self.records.pop_front().is_some() {
            self.dropped += 1;
        }
    }
}

impl Log for Reader {
    fn epoch(&self) -> Epoch {
        self.shared().epoch
    }

    fn partition_of(&self, _path: &Path) -> Partition {
        Partition(0)
    }

    fn append(&mut self, record: Record) -> Result<(), LogError> {
        self.appended.push(record);
        Ok(())
    }

    fn commit(&mut self) -> Result<(), LogError> {
        let appended = std::mem::take(&mut self.appended);
        self.shared().records.extend(appended);
        Ok(())
    }

    fn read(
        &mut self,
        _partition: Partition,
        after: Version,
        limit: usize,
        apply: &mut dyn FnMut(Version, &Record),
    ) -> Result<Version, LogError> {
        let mut shared = self.shared();
        if let Some(read) = shared.read.get_mut(self.number) {
            *read = after;
        }
        shared.trim();
        let Some(skip) = after.0.checked_sub(shared.dropped) else {
            return Err(LogError::Trimmed { first: Version(shared.dropped + 1) });
        };
        let skip = usize::try_from(skip).unwrap_or(usize::MAX);
        let mut last = after;
        for record in shared.records.iter().skip(skip).take(limit) {
            last = Version(last.0 + 1);
            apply(last, record);
        }
        Ok(last)
    }
}

#[cfg(test)]
mod tests {
    use outpour_core::peer::Change;
    use outpour_core::wire::Condition;
    use outpour_core::{PublishNumber, PublisherId};

    use super::*;

    fn record(number: u64) -> Record {
        Record {
            path: Path::new("a").expect("a path"),
            author: PublisherId([1; 16]),
            number: PublishNumber(number),
            condition: Condition::Always,
            change: Change::Remove,
            at_ms: 0,
        }
    }

    fn read(reader: &mut Reader, after: u64) -> Vec<(u64, u64)> {
        let mut seen = Vec::new();
        let read = reader.read(Partition(0), Version(after), 10, &mut |version, record| {
            seen.push((version.0, record.number.0));
        });
        assert_eq!(read.expect("readable").0, after + seen.len() as u64);
        seen
    }

    #[test]
    fn all_read_the_same_and_what_all_have_read_is_dropped() {
        let mut gateways = readers(Epoch([1; 16]), 2);
        let [first, second] = gateways.as_mut_slice() else { panic!("two") };
        first.append(record(10)).expect("room");
        assert_eq!(read(second, 0), []);
        second.append(record(20)).expect("room");
        second.commit().expect("committed");
        first.commit().expect("committed");
        assert_eq!(read(first, 0), [(1, 20), (2, 10)]);
        assert_eq!(read(first, 2), []);
        assert_eq!(first.shared().records.len(), 2);
        assert_eq!(read(second, 0), [(1, 20), (2, 10)]);
        assert_eq!(read(second, 2), []);
        assert!(first.shared().records.is_empty());
        second.append(record(30)).expect("room");
        second.commit().expect("committed");
        assert_eq!(read(first, 2), [(3, 30)]);
        assert!(matches!(first.read(Partition(0), Version(0), 1, &mut |_, _| ()), Err(LogError::Trimmed { .. })));
    }
}
