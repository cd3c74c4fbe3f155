//! The public APIs, read from where they are declared: the members of the types that matter, as `Type::member` or
//! `Type.member`, and the functions that belong to no type.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::Sdk;

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Language {
    Rust,
    Typescript,
}

/// What an SDK makes public of the types that its entry names.
pub(crate) fn read(root: &Path, sdk: &Sdk) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for file in sdk.api.iter().flat_map(|place| files(&root.join(place))) {
        let text = std::fs::read_to_string(&file).unwrap();
        let items = match sdk.language {
            Language::Rust => rust(&text),
            Language::Typescript => typescript(&text),
        };
        found.extend(items.into_iter().filter(|(of, _)| sdk.types.contains(of)).map(|(_, item)| item));
    }
    found
}

/// The source files in a place, which may be one itself.
pub(crate) fn files(place: &Path) -> Vec<PathBuf> {
    if place.is_file() {
        return vec![place.to_owned()];
    }
    let entries = std::fs::read_dir(place).unwrap().map(|entry| entry.unwrap().path());
    let is_source = |path: &PathBuf| path.extension().is_some_and(|kind| kind == "rs" || kind == "ts");
    let mut files: Vec<_> =
        entries.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).filter(is_source).collect();
    files.sort();
    files
}

/// The name that a text begins with.
fn name(text: &str) -> &str {
    text.split(|letter: char| !(letter.is_alphanumeric() || letter == '_')).next().unwrap_or_default()
}

/// The items of a file as rustfmt writes it, each with the type it belongs to; functions belong to `fn`.
fn rust(text: &str) -> Vec<(String, String)> {
    let mut items = Vec::new();
    let mut of = String::new();
    for line in text.lines() {
        let declared = line.strip_prefix("impl ").or_else(|| line.strip_prefix("pub struct "));
        if let Some(declared) = declared.filter(|_| line.ends_with('{') && !line.contains(" for ")) {
            of = name(declared).to_owned();
        } else if line.starts_with('}') {
            of.clear();
        }
        let Some(public) = line.trim_start().strip_prefix("pub ") else { continue };
        let function = public.trim_start_matches("const ").trim_start_matches("async ").strip_prefix("fn ");
        match (function, line.starts_with("    pub "), of.is_empty()) {
            (Some(function), true, false) => items.push((of.clone(), format!("{of}::{}", name(function)))),
            (Some(function), false, true) => items.push(("fn".to_owned(), name(function).to_owned())),
            (None, true, false) => items.push((of.clone(), format!("{of}::{}", name(public)))),
            _ => {}
        }
    }
    items
}

/// The items of a file as prettier writes it, each with the type it belongs to; functions belong to `function`.
fn typescript(text: &str) -> Vec<(String, String)> {
    let mut items = Vec::new();
    let mut of = String::new();
    let mut is_internal = false;
    for line in text.lines() {
        let declared = line.strip_prefix("export class ").or_else(|| line.strip_prefix("export interface "));
        if let Some(declared) = declared {
            of = name(declared).to_owned();
        } else if line.starts_with('}') {
            of.clear();
        } else if let Some(function) = line.strip_prefix("export function ").filter(|_| !is_internal) {
            items.push(("function".to_owned(), name(function).to_owned()));
        }
        let was_internal = is_internal;
        is_internal = line.contains("@internal") || is_internal && line.trim_start().starts_with('*');
        let Some(member) = line.strip_prefix("  ").filter(|member| !of.is_empty() && !member.starts_with(' ')) else {
            continue;
        };
        let words = ["override ", "readonly ", "static ", "async ", "get "];
        let member = words.iter().fold(member, |member, word| member.strip_prefix(word).unwrap_or(member));
        let found = name(member);
        let rest = member[found.len()..].trim_start_matches('?');
        let is_member = !found.is_empty() && !["constructor", "private"].contains(&found);
        if is_member && rest.starts_with(['(', ':', '<', ' ']) && !was_internal {
            items.push((of.clone(), format!("{of}.{found}")));
        }
    }
    items
}

#[cfg(test)]
mod tests {
    use super::*;

    fn items(found: Vec<(String, String)>) -> Vec<String> {
        found.into_iter().map(|(_, item)| item).collect()
    }

    #[test]
    fn public_members_of_rust_are_found() {
        let text = "pub fn connect(url: &str) {\n}\npub(crate) fn hidden() {}\n\npub struct Options {\n    \
                    /// How many.\n    pub count: usize,\n    own: u8,\n}\n\nimpl Session {\n    \
                    pub const fn id(&self) -> u8 {\n        0\n    }\n    pub(crate) fn inner(&self) {}\n    \
                    fn own() {}\n}\n\nimpl Clone for Session {\n}\n";
        assert_eq!(items(rust(text)), ["connect", "Options::count", "Session::id"]);
    }

    #[test]
    fn public_members_of_typescript_are_found() {
        let text = "export function connect(url: string): Session {\n}\n/** @internal */\nexport function open() {\n}\n\
                    export class Session {\n  readonly ready: Promise<void>;\n  readonly #own = 1;\n  \
                    /** @internal */\n  constructor() {}\n  get state(): string {\n    return inner(1);\n  }\n  \
                    /** @internal Not for you. */\n  wake(): void {}\n  subscribe<T>(of: T): void {}\n}\n\
                    export interface Options {\n  readonly signal?: AbortSignal;\n}\n";
        let wanted = ["connect", "Session.ready", "Session.state", "Session.subscribe", "Options.signal"];
        assert_eq!(items(typescript(text)), wanted);
    }
}
