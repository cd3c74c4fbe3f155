//! The rule on the size of source files.

use std::fs;

use crate::{
    Result,
    project::{Project, output},
    test::Outcome,
};

/// Past this many lines a file is no longer about one thing.
const LIMIT: usize = 800;

/// No tracked source file is longer than the limit.
pub(crate) fn check(project: &Project) -> Result<Outcome> {
    let tracked = output(project.command("git").args(["ls-files", "-z", "--", "*.rs", "*.py"]))?;
    let mut long = Vec::new();
    for name in tracked.split_terminator('\0') {
        // A file deleted but not yet committed is still listed.
        let Ok(text) = fs::read(project.path(name)) else { continue };
        let lines = text.iter().filter(|byte| **byte == b'\n').count();
        if lines > LIMIT {
            long.push(format!("{name} ({lines})"));
        }
    }
    if long.is_empty() {
        return Ok(Outcome::Passed);
    }
    Err(format!("These files have more than {LIMIT} lines; split them: {}.", long.join(", ")))
}
