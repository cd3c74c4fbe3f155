//! How a run fails.

use std::fmt;

/// A promise that was broken.
#[derive(Debug)]
pub struct Failure {
    /// The seed that gives the same run again.
    pub seed: u64,
    /// What was broken.
    pub what: String,
    /// What happened before, newest last.
    pub trace: Vec<String>,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for line in self.trace.iter().rev().take(60).rev() {
            writeln!(f, "{line}")?;
        }
        write!(f, "seed {}: {}", self.seed, self.what)
    }
}

impl std::error::Error for Failure {}
