//! Writes `docs/parity.md`: which SDK can do what, from `parity.json` and the public APIs themselves.
//!
//! It fails where an SDK lacks a capability without a reason, where the table names what an API does not have, and where
//! an API has something that the table does not name. With `--check` it fails, too, if the page is not up to date.

#![allow(clippy::unwrap_used, reason = "what it reads is the project's own")]

mod api;
mod page;

use std::collections::BTreeMap;
use std::path::Path;
use std::process::ExitCode;

use serde::Deserialize;

/// What `parity.json` has.
#[derive(Debug, Deserialize)]
struct Table {
    sdks: Vec<Sdk>,
    capabilities: Vec<Capability>,
}

/// One SDK: where its API and its code are.
#[derive(Debug, Deserialize)]
struct Sdk {
    name: String,
    language: api::Language,
    /// The files and folders that its public types are declared in.
    api: Vec<String>,
    /// The types whose every public member is a capability, or part of one.
    types: Vec<String>,
    /// The folders of the code that is written by hand.
    code: Vec<String>,
}

/// Something that an application can do.
#[derive(Debug, Deserialize)]
struct Capability {
    group: String,
    name: String,
    /// By SDK: what of its API it is done with, or why it can't be done.
    #[serde(flatten)]
    by_sdk: BTreeMap<String, Support>,
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Support {
    Items(Vec<String>),
    Missing { reason: String },
}

fn main() -> ExitCode {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    let root = folder.ancestors().nth(2).unwrap();
    let text = std::fs::read_to_string(folder.join("parity.json")).unwrap();
    let table: Table = match serde_json::from_str(&text) {
        Ok(table) => table,
        Err(error) => {
            eprintln!("error: tests/conformance/parity.json: {error}");
            return ExitCode::FAILURE;
        }
    };
    let mut problems: Vec<String> = table.sdks.iter().flat_map(|sdk| problems(root, &table, sdk)).collect();
    let page = page::write(root, &table);
    let file = root.join("docs/parity.md");
    if std::env::args().any(|argument| argument == "--check") {
        let written = std::fs::read_to_string(&file).unwrap_or_default();
        // How much code there is changes with every change of it.
        if page::table(&written) != page::table(&page) {
            problems.push("docs/parity.md is not up to date: run `cargo xtask parity`".to_owned());
        }
    } else {
        std::fs::write(&file, &page).unwrap();
    }
    println!("{page}");
    for problem in &problems {
        eprintln!("error: {problem}");
    }
    if problems.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Where the table and an SDK's API disagree.
fn problems(root: &Path, table: &Table, sdk: &Sdk) -> Vec<String> {
    let public = api::read(root, sdk);
    let mut problems = Vec::new();
    let mut named = Vec::new();
    for capability in &table.capabilities {
        match capability.by_sdk.get(&sdk.name) {
            Some(Support::Items(items)) if !items.is_empty() => named.extend(items),
            Some(Support::Missing { reason }) if !reason.is_empty() => {}
            _ => problems.push(format!("{} says neither how to \"{}\" nor why not", sdk.name, capability.name)),
        }
    }
    let absent = named.iter().filter(|item| !public.contains(item.as_str()));
    problems.extend(absent.map(|item| format!("the API of {} has no {item}", sdk.name)));
    let unnamed = public.iter().filter(|item| !named.contains(item));
    problems.extend(unnamed.map(|item| format!("{item} of {} is part of no capability", sdk.name)));
    problems
}
