//! `docs/parity.md`.

use std::fmt::Write as _;
use std::path::Path;

use crate::{Sdk, Support, Table, api};

const HEAD: &str = "# What each SDK can do

This page is written by `cargo xtask parity` from [`parity.json`](../tests/conformance/parity.json) and the public APIs; CI fails if
an SDK lacks something without a reason, and if an API has something that is not here. That they do it alike is shown by
[the conformance suite](../tests/conformance/README.md).
";

/// What follows the table.
const CODE: &str = "\n## Code written by hand\n\nLines that are neither empty nor comments, without tests.\n\n";

/// The part of the page that is about capabilities.
pub(crate) fn table(page: &str) -> &str {
    page.split(CODE).next().unwrap_or_default()
}

/// The page as it has to be.
pub(crate) fn write(root: &Path, table: &Table) -> String {
    let mut page = HEAD.to_owned();
    let mut group = "";
    let mut reasons: Vec<&str> = Vec::new();
    for capability in &table.capabilities {
        if group != capability.group {
            group = &capability.group;
            let names: Vec<_> = table.sdks.iter().map(|sdk| sdk.name.as_str()).collect();
            let _ = write!(page, "\n## {group}\n\n| | {} |\n|---{}|\n", names.join(" | "), "|---".repeat(names.len()));
        }
        let cells = table.sdks.iter().map(|sdk| match capability.by_sdk.get(&sdk.name) {
            Some(Support::Items(items)) => items.iter().map(|item| format!("`{item}`")).collect::<Vec<_>>().join(", "),
            Some(Support::Missing { reason }) => {
                reasons.push(reason);
                format!("no ({})", reasons.len())
            }
            None => "?".to_owned(),
        });
        let _ = writeln!(page, "| {} | {} |", capability.name, cells.collect::<Vec<_>>().join(" | "));
    }
    page.push('\n');
    for (index, reason) in reasons.iter().enumerate() {
        let _ = writeln!(page, "{}. {reason}", index + 1);
    }
    page.push_str(CODE);
    page.push_str("| SDK | lines | in |\n|---|---|---|\n");
    for sdk in &table.sdks {
        let places: Vec<_> = sdk.code.iter().map(|place| format!("`{place}`")).collect();
        let _ = writeln!(page, "| {} | {} | {} |", sdk.name, lines(root, sdk), places.join(", "));
    }
    page
}

fn lines(root: &Path, sdk: &Sdk) -> usize {
    let files = sdk.code.iter().flat_map(|place| api::files(&root.join(place)));
    files.map(|file| count(&std::fs::read_to_string(file).unwrap())).sum()
}

/// The lines of code of a file; unit tests stand at its end.
fn count(text: &str) -> usize {
    let code = text.split("#[cfg(test)]\nmod tests").next().unwrap_or_default();
    let is_code = |line: &&str| !line.is_empty() && !["//", "/*", "*"].iter().any(|comment| line.starts_with(comment));
    code.lines().map(str::trim).filter(is_code).count()
}

#[cfg(test)]
mod tests {
    #[test]
    fn comments_and_tests_are_no_code() {
        let text =
            "//! A module.\n\nfn a() {\n    // why\n    b();\n}\n\n#[cfg(test)]\nmod tests {\n    fn c() {}\n}\n";
        assert_eq!(super::count(text), 3);
        assert_eq!(super::count("/** Says\n * more. */\nconst a = 1;\n"), 1);
    }
}
