//! Why a configuration was not taken.

use std::fmt;
use std::path::PathBuf;

use thiserror::Error;

/// Why a gateway can't be configured so: one sentence that says where the fault is and what to do.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// The file can't be read.
    #[error("{} can't be read: {error}; give the path of a readable TOML file", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why not.
        error: std::io::Error,
    },
    /// A setting, or several together, can't be taken.
    #[error("{origin}: {problem}")]
    Refused {
        /// Where it was set.
        origin: Origin,
        /// What is wrong, and what to do about it.
        problem: String,
    },
}

/// Where a setting comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Origin {
    /// A place in the file.
    File {
        /// The file, as it was named.
        file: String,
        /// The line, from 1.
        line: usize,
        /// The character in the line, from 1.
        column: usize,
    },
    /// An environment variable.
    Variable(String),
    /// A flag of the command line.
    Flag(&'static str),
    /// Nobody: it is the default.
    Default,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File { file, line, column } => write!(f, "{file}:{line}:{column}"),
            Self::Variable(name) => write!(f, "environment variable {name}"),
            Self::Flag(name) => f.write_str(name),
            Self::Default => f.write_str("the defaults"),
        }
    }
}
