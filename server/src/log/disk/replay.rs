//! The reading of what was in the log when it was opened.

use std::collections::VecDeque;

use outpour_core::Version;

use super::super::{LogError, Record};
use super::files::FileName;
use super::frame::{FrameReader, Step};
use super::record;
use super::recovery::Sealed;

/// Reads the records of segments that were found sound, once and in order.
#[derive(Debug)]
pub(super) struct Replay {
    segments: VecDeque<Sealed>,
    reader: Option<FrameReader>,
    /// The position of the next record.
    next: u64,
    /// The position of the last one.
    head: Version,
}

impl Replay {
    /// A replay of the records after `base`; `None` if there are none.
    pub(super) fn new(segments: Vec<Sealed>, base: Version, head: Version) -> Option<Self> {
        let next = segments.first()?.header.position.0;
        (head > base).then(|| Self { segments: segments.into(), reader: None, next, head })
    }

    /// Hands over records after `after`, at the most `limit`. Returns the position of the last one.
    pub(super) fn read(
        &mut self,
        after: Version,
        limit: usize,
        apply: &mut dyn FnMut(Version, &Record),
    ) -> Result<Version, LogError> {
        if after.0 + 1 < self.next && after < self.head {
            return Err(LogError::Trimmed { first: Version(self.next) });
        }
        let mut last = after;
        let mut left = limit;
        while self.next <= self.head.0 && left > 0 {
            let position = Version(self.next);
            let record = self.record(position > after)?;
            self.next += 1;
            if let Some(record) = record {
                apply(position, &record);
                last = position;
                left -= 1;
            }
        }
        Ok(last)
    }

    /// The next record, if it is wanted.
    fn record(&mut self, wanted: bool) -> Result<Option<Record>, LogError> {
        loop {
            let Some(segment) = self.segments.front() else { return Err(self.lost(Version(self.next))) };
            let first = segment.header.position;
            let failed = |error| LogError::storage("read", &FileName::Segment(first).to_string(), error);
            if self.reader.is_none() {
                self.reader = FrameReader::open(segment.file.clone(), segment.header).map_err(failed)?.ok();
            }
            let Some(reader) = &mut self.reader else { return Err(self.lost(first)) };
            match reader.next().map_err(failed)? {
                Step::Frame { number, body } if number == self.next => {
                    if !wanted {
                        return Ok(None);
                    }
                    return record::decode(body).map(Some).ok_or_else(|| {
                        let problem = format!("the record at position {number} makes no sense to this version");
                        LogError::damaged(&FileName::Segment(first).to_string(), problem)
                    });
                }
                Step::End => {
                    self.segments.pop_front();
                    self.reader = None;
                }
                _ => return Err(self.lost(first)),
            }
        }
    }

    fn lost(&self, first: Version) -> LogError {
        let problem =
            format!("the record at position {} was there when the log was opened, and is no longer", self.next);
        LogError::damaged(&FileName::Segment(first).to_string(), problem)
    }
}
