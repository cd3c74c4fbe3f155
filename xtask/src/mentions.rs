//! The tests that `docs/testing.md` names: each exists.

use std::{collections::HashSet, fs};

use crate::{
    Result,
    project::{Project, output},
    test::Outcome,
};

const DOCUMENT: &str = "docs/testing.md";

/// Every `module::test` and every path in the document is one of the project's.
pub(crate) fn check(project: &Project) -> Result<Outcome> {
    let document =
        fs::read_to_string(project.path(DOCUMENT)).map_err(|error| format!("{DOCUMENT} can't be read: {error}."))?;
    let tracked = output(project.command("git").args(["ls-files", "-z", "--", "*.rs"]))?;
    let mut tests = HashSet::new();
    for file in tracked.split_terminator('\0') {
        // A file deleted but not yet committed is still listed.
        let Ok(source) = fs::read_to_string(project.path(file)) else { continue };
        let module = file.rsplit('/').next().unwrap_or(file).trim_end_matches(".rs");
        tests.extend(functions(&source).map(|name| format!("{module}::{name}")));
    }
    let unknown: Vec<_> = quoted(&document)
        .filter(|words| match words.contains("::") {
            true => !tests.contains(*words),
            false => is_path(words) && !project.path(words).exists(),
        })
        .collect();
    if unknown.is_empty() {
        return Ok(Outcome::Passed);
    }
    Err(format!("{DOCUMENT} names what is not there: {}.", unknown.join(", ")))
}

/// The names of the functions of a source file.
fn functions(source: &str) -> impl Iterator<Item = &str> {
    source.lines().filter_map(|line| {
        let declaration = line.trim_start().trim_start_matches("pub ").trim_start_matches("async ");
        declaration.strip_prefix("fn ")?.split(['(', '<']).next()
    })
}

/// What a document has between backticks.
fn quoted(document: &str) -> impl Iterator<Item = &str> {
    document.split('`').skip(1).step_by(2)
}

/// Whether the words are a path of the project, and not the id of a scenario of others.
fn is_path(words: &str) -> bool {
    ["core/", "client/", "cli/", "server/", "tests/", "docs/"].iter().any(|folder| words.starts_with(folder))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn functions_and_quotes_are_found() {
        let source = "fn a() {}\n    async fn b<T>() {}\n// fn no\npub fn c(\n";
        assert_eq!(functions(source).collect::<Vec<_>>(), ["a", "b", "c"]);
        assert_eq!(quoted("x `a::b` y `c`").collect::<Vec<_>>(), ["a::b", "c"]);
        assert!(is_path("core/tests/delta.rs") && !is_path("realtime/unit/RTL18"));
    }
}
