//! The names of a log's files.

use std::fmt;

use outpour_core::Version;

use super::super::LogError;
use super::super::storage::Storage;

/// What the name of a file ends with that is not finished. It has no meaning when the log is opened.
pub(super) const NEW: &str = ".new";

/// The name of a file with records or with what they add up to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum FileName {
    /// The records from this one on.
    Segment(Version),
    /// What the records up to this one add up to.
    Checkpoint(Version),
}

/// Whether there are any files of a log.
pub(super) fn any(storage: &dyn Storage) -> Result<bool, LogError> {
    let names = storage.list().map_err(|error| LogError::storage("list", ".", error))?;
    Ok(names.iter().any(|name| FileName::parse(name).is_some()))
}

impl FileName {
    /// Reads a name; `None` if it is another file's.
    pub(super) fn parse(name: &str) -> Option<Self> {
        let (digits, kind) = name.split_once('.')?;
        let position = Version(digits.parse().ok()?);
        let parsed = match kind {
            "records" => Self::Segment(position),
            "checkpoint" => Self::Checkpoint(position),
            _ => return None,
        };
        (parsed.to_string() == name).then_some(parsed)
    }
}

impl fmt::Display for FileName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Segment(Version(first)) => write!(f, "{first:020}.records"),
            Self::Checkpoint(Version(last)) => write!(f, "{last:020}.checkpoint"),
        }
    }
}
