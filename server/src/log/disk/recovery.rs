//! What is found in the storage when a log is opened: the newest sound checkpoint, and the segments
//! with the records after it, up to an end that was not finished.

use std::sync::Arc;

use outpour_core::Version;

use super::super::LogError;
use super::super::storage::{Storage, StorageFile};
use super::checkpoint::Checkpoint;
use super::files::{FileName, NEW};
use super::frame::{Damage, FileKind, FrameReader, HEADER_BYTES, Header, Step, is_vouched_for};
use super::record;

/// What is left of a log.
#[derive(Debug)]
pub(super) struct Recovered {
    pub(super) checkpoint: Option<Checkpoint>,
    /// Oldest first. There is at least one, unless nothing was ever written.
    pub(super) segments: Vec<Sealed>,
    /// The position of the last record.
    pub(super) head: Version,
}

/// A segment whose records are all sound.
#[derive(Clone, Debug)]
pub(super) struct Sealed {
    pub(super) file: Arc<dyn StorageFile>,
    pub(super) header: Header,
    /// Its length in bytes.
    pub(super) bytes: u64,
}

/// The finding out of it.
#[derive(Debug)]
pub(super) struct Recovery<'a> {
    pub(super) storage: &'a dyn Storage,
    pub(super) identity: [u8; 16],
    /// Whether everything that was ever written is still there, so that only the end of the last file can
    /// be unfinished.
    pub(super) same_boot: bool,
    /// Whether what was written last may be lost, although it was told.
    pub(super) may_lack_end: bool,
}

impl Recovery<'_> {
    /// Recovers the log. An unfinished end is cut off, and files that are no longer needed are removed.
    pub(super) fn run(&self) -> Result<Recovered, LogError> {
        let names = self.storage.list().map_err(|error| LogError::storage("list", ".", error))?;
        for unfinished in names.iter().filter(|name| name.ends_with(NEW)) {
            self.remove(unfinished);
        }
        let mut names: Vec<FileName> = names.iter().filter_map(|name| FileName::parse(name)).collect();
        names.sort_unstable();
        let checkpoint = self.newest_checkpoint(&names)?;
        let base = checkpoint.as_ref().map_or(Version::NONE, |checkpoint| checkpoint.position);
        let firsts: Vec<Version> = names.iter().filter_map(|name| segment(*name)).collect();
        let start = firsts.iter().rposition(|first| first.0 <= base.0 + 1);
        let (superfluous, needed) = firsts.split_at(start.unwrap_or(firsts.len()));
        let (mut segments, mut head) = self.check_segments(needed)?;
        let mut superfluous = superfluous.to_vec();
        if head < base {
            // A segment is begun before the checkpoint is written that stands for all before it.
            if !self.may_lack_end {
                let name = FileName::Segment(Version(base.0 + 1)).to_string();
                return Err(LogError::damaged(&name, "it is missing".into()));
            }
            superfluous.extend(segments.drain(..).map(|sealed| sealed.header.position));
            head = base;
        }
        let older_checkpoints = names.iter().filter(|name| matches!(name, FileName::Checkpoint(at) if *at < base));
        for name in superfluous.into_iter().map(FileName::Segment).chain(older_checkpoints.copied()) {
            self.remove(&name.to_string());
        }
        Ok(Recovered { checkpoint, segments, head })
    }

    /// The newest checkpoint that is sound. One that is not is passed over, which is found to be too
    /// little if the records that it stands for are gone.
    fn newest_checkpoint(&self, names: &[FileName]) -> Result<Option<Checkpoint>, LogError> {
        let mut damaged = None;
        for name in names.iter().rev() {
            let FileName::Checkpoint(position) = *name else { continue };
            match Checkpoint::open(self.storage, self.identity, position)? {
                Some(checkpoint) => return Ok(Some(checkpoint)),
                None => damaged = damaged.or(Some(*name)),
            }
        }
        match damaged {
            None => Ok(None),
            Some(name) if names.contains(&FileName::Segment(Version(1))) => {
                tracing::warn!(file = %name, "a checkpoint is damaged: its records are read instead");
                Ok(None)
            }
            Some(name) => Err(LogError::damaged(&name.to_string(), "a check of its content fails".into())),
        }
    }

    /// Checks that the records follow on one another, and cuts off an unfinished end.
    fn check_segments(&self, firsts: &[Version]) -> Result<(Vec<Sealed>, Version), LogError> {
        let mut sealed = Vec::new();
        let mut expected = firsts.first().copied().unwrap_or_default();
        for (index, first) in firsts.iter().enumerate() {
            let name = FileName::Segment(*first).to_string();
            let file = self.storage.open(&name).map_err(|error| LogError::storage("open", &name, error))?;
            let header = Header { kind: FileKind::Segment, identity: self.identity, position: *first };
            let (next, bytes, mut damage) = scan(&file, header, expected, &name)?;
            let later = firsts.get(index + 1..).unwrap_or_default();
            // A file that ends before the next one starts has lost its end.
            if later.first().is_some_and(|later| *later != next) {
                damage = damage.or(Some(Damage { offset: bytes, complete: false }));
            }
            expected = next;
            let Some(damage) = damage else {
                sealed.push(Sealed { file, header, bytes });
                continue;
            };
            self.judge(damage, next, &name, &file, header, later)?;
            for later in later {
                self.remove(&FileName::Segment(*later).to_string());
            }
            if damage.offset < HEADER_BYTES {
                self.remove(&name);
            } else {
                let cut = file.truncate(damage.offset).and_then(|()| file.sync());
                cut.map_err(|error| LogError::storage("truncate", &name, error))?;
                sealed.push(Sealed { file, header, bytes: damage.offset });
            }
            break;
        }
        Ok((sealed, Version(expected.0.saturating_sub(1))))
    }

    /// Whether a damage is no more than an unfinished end: nothing that was durable is lost with it.
    fn judge(
        &self,
        damage: Damage,
        position: Version,
        name: &str,
        file: &Arc<dyn StorageFile>,
        header: Header,
        later: &[Version],
    ) -> Result<(), LogError> {
        let problem = || {
            LogError::damaged(
                name,
                format!(
                    "the record at position {position}, {} bytes from its start, is not what was written",
                    damage.offset
                ),
            )
        };
        if self.same_boot && (damage.complete || !later.is_empty()) {
            return Err(problem());
        }
        let vouches = |number: u64, body: &[u8]| {
            record::durable(body).is_some_and(|behind| number.saturating_sub(behind) >= position.0)
        };
        let vouched_for = |file: &Arc<dyn StorageFile>, header, from| {
            is_vouched_for(file, header, from, position, vouches)
                .map_err(|error| LogError::storage("read", name, error))
        };
        if vouched_for(file, header, damage.offset + 1)? {
            return Err(problem());
        }
        for first in later {
            let name = FileName::Segment(*first).to_string();
            let file = self.storage.open(&name).map_err(|error| LogError::storage("open", &name, error))?;
            let header = Header { kind: FileKind::Segment, identity: self.identity, position: *first };
            if vouched_for(&file, header, 0)? {
                return Err(problem());
            }
        }
        tracing::warn!(
            file = name,
            offset = damage.offset,
            %position,
            "the end of the log was not finished when its process or machine stopped: it is cut off"
        );
        Ok(())
    }

    fn remove(&self, name: &str) {
        if let Err(error) = self.storage.remove(name) {
            tracing::warn!(file = name, %error, "a file of the log that is no longer needed can't be removed");
        }
    }
}

fn segment(name: FileName) -> Option<Version> {
    match name {
        FileName::Segment(first) => Some(first),
        FileName::Checkpoint(_) => None,
    }
}

/// Reads a segment through: the position after its last sound record, where that ends, and what is
/// wrong there, if anything is.
fn scan(
    file: &Arc<dyn StorageFile>,
    header: Header,
    first: Version,
    name: &str,
) -> Result<(Version, u64, Option<Damage>), LogError> {
    let failed = |error| LogError::storage("read", name, error);
    let mut reader = match FrameReader::open(Arc::clone(file), header).map_err(failed)? {
        Ok(reader) => reader,
        Err(damage) => return Ok((first, 0, Some(damage))),
    };
    let mut next = first.0;
    loop {
        let offset = reader.offset();
        let damage = match reader.next().map_err(failed)? {
            Step::Frame { number, .. } if number == next => {
                next += 1;
                continue;
            }
            // Sound, but not in its place.
            Step::Frame { .. } => Some(Damage { offset, complete: true }),
            Step::End => None,
            Step::Damage(damage) => Some(damage),
        };
        return Ok((Version(next), offset, damage));
    }
}
