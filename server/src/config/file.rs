//! The TOML file.

use std::borrow::Cow;
use std::fs::File;
use std::io::{self, Read};
use std::ops::Range;
use std::path::Path;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::loader::{Loader, named};
use super::setting::{SETTINGS, Written};
use super::{ConfigError, MAX_FILE, Origin, credentials, rule};
use crate::auth::{Token, Tokens};
use crate::broker::TopicRule;

/// The tables that hold settings.
const TABLES: [&str; 3] = ["auth", "drain", "limits"];

/// The text of a file.
pub(super) fn read(path: &Path) -> Result<String, ConfigError> {
    let mut text = String::new();
    let within = File::open(path).and_then(|file| file.take(MAX_FILE + 1).read_to_string(&mut text));
    let read = match within {
        Ok(length) if length as u64 > MAX_FILE => {
            Err(io::Error::new(io::ErrorKind::FileTooLarge, format!("it has more than {MAX_FILE} bytes")))
        }
        other => other,
    };
    match read {
        Ok(_) => Ok(text),
        Err(error) => Err(ConfigError::Unreadable { path: path.to_owned(), error }),
    }
}

/// Takes every setting of a file.
pub(super) fn apply(loader: &mut Loader, name: &str, text: &str) -> Result<(), ConfigError> {
    let source = Source { name, text };
    let table = source.parse()?;
    for (key, value) in in_order(table.get_ref()) {
        match (key.get_ref().as_ref(), value.get_ref()) {
            (table, DeValue::Table(settings)) if TABLES.contains(&table) => {
                for (key, value) in in_order(settings) {
                    match (table, key.get_ref().as_ref(), value.get_ref()) {
                        ("auth", "token", DeValue::Array(tokens)) => {
                            read_tokens(&mut loader.config.credentials.tokens, source, tokens)?;
                        }
                        ("auth", "token", _) => {
                            return Err(source.refuse(&value.span(), "auth.token is a list: write [[auth.token]]"));
                        }
                        (_, name, _) => apply_setting(loader, source, &format!("{table}.{name}"), key, value)?,
                    }
                }
            }
            ("topic", DeValue::Array(rules)) => apply_rules(loader, source, rules, value.span())?,
            (table, _) if TABLES.contains(&table) => {
                return Err(source.refuse(&value.span(), format!("{table} is a table: write [{table}]")));
            }
            ("topic", _) => {
                return Err(source.refuse(&value.span(), "topic is a list of rules: write [[topic]] for each"));
            }
            (name, _) => apply_setting(loader, source, name, key, value)?,
        }
    }
    Ok(())
}

/// A file's text, and the name to call it by.
#[derive(Clone, Copy)]
struct Source<'a> {
    name: &'a str,
    text: &'a str,
}

impl<'a> Source<'a> {
    fn parse(self) -> Result<Spanned<DeTable<'a>>, ConfigError> {
        DeTable::parse(self.text).map_err(|error| {
            let problem = error.message().trim().replace('\n', ", ");
            self.refuse(&error.span().unwrap_or(0..0), problem)
        })
    }

    fn origin(self, span: &Range<usize>) -> Origin {
        let before = self.text.get(..span.start).unwrap_or(self.text);
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        Origin::File {
            file: self.name.to_owned(),
            line: before.matches('\n').count() + 1,
            column: before.get(line_start..).unwrap_or_default().chars().count() + 1,
        }
    }

    fn refuse(self, span: &Range<usize>, problem: impl Into<String>) -> ConfigError {
        ConfigError::Refused { origin: self.origin(span), problem: problem.into() }
    }
}

type Key<'i> = Spanned<Cow<'i, str>>;
type Value<'i> = Spanned<DeValue<'i>>;

/// The entries of a table as they stand in the file, so that its first error is the one that is reported.
fn in_order<'t, 'i>(table: &'t DeTable<'i>) -> Vec<(&'t Key<'i>, &'t Value<'i>)> {
    let mut entries: Vec<_> = table.iter().collect();
    entries.sort_by_key(|(key, _)| key.span().start);
    entries
}

fn apply_setting(
    loader: &mut Loader,
    source: Source<'_>,
    name: &str,
    key: &Key<'_>,
    value: &Value<'_>,
) -> Result<(), ConfigError> {
    let Some(setting) = named(name) else {
        let known = SETTINGS.iter().map(super::Setting::name).chain(TABLES).chain(["topic"]);
        return Err(source.refuse(&key.span(), unknown("setting", name, known)));
    };
    loader.apply(setting, &written(value), source.origin(&value.span()))
}

fn apply_rules(
    loader: &mut Loader,
    source: Source<'_>,
    rules: &[Value<'_>],
    span: Range<usize>,
) -> Result<(), ConfigError> {
    if rules.len() > rule::MAX_RULES {
        let problem = format!("there are {} topic rules: give at most {}", rules.len(), rule::MAX_RULES);
        return Err(source.refuse(&span, problem));
    }
    for table in rules {
        let DeValue::Table(keys) = table.get_ref() else {
            return Err(source.refuse(&table.span(), "a topic rule is a table: write [[topic]]"));
        };
        let rule = read_rule(source, table.span(), keys)?;
        let known = &mut loader.config.gateway.broker.rules;
        if known.iter().any(|other| other.selector == rule.selector) {
            let problem = format!(
                "an earlier rule has the selector {:?} too, and the first that matches holds: make them one",
                rule.selector.as_str(),
            );
            return Err(source.refuse(&table.span(), problem));
        }
        known.push(rule);
    }
    Ok(())
}

fn read_rule(source: Source<'_>, span: Range<usize>, keys: &DeTable<'_>) -> Result<TopicRule, ConfigError> {
    let Some(selector) = keys.get("selector") else {
        return Err(source.refuse(&span, "this rule has no selector: say which topics it is for"));
    };
    let refuse = |span: Range<usize>| move |problem: String| source.refuse(&span, problem);
    let mut rule = rule::empty(rule::selector(&written(selector)).map_err(refuse(selector.span()))?);
    for (key, value) in in_order(keys) {
        let name = key.get_ref().as_ref();
        if rule::KEYS.iter().all(|(known, _)| *known != name) {
            return Err(source.refuse(&key.span(), unknown("key of a rule", name, rule::KEYS.iter().map(|key| key.0))));
        }
        if name != "selector" {
            rule::apply(&mut rule, name, &written(value)).map_err(refuse(value.span()))?;
        }
    }
    match rule::contradiction(&rule) {
        Some((key, problem)) => {
            let span = keys.get(key).map_or(span, Spanned::span);
            Err(source.refuse(&span, format!("{key} {problem}")))
        }
        None => Ok(rule),
    }
}

/// Takes the tokens of a file that has nothing else.
pub(super) fn apply_tokens(tokens: &mut Tokens, name: &str, text: &str) -> Result<(), ConfigError> {
    let source = Source { name, text };
    let table = source.parse()?;
    for (key, value) in in_order(table.get_ref()) {
        match (key.get_ref().as_ref(), value.get_ref()) {
            ("token", DeValue::Array(entries)) => read_tokens(tokens, source, entries)?,
            _ => return Err(source.refuse(&key.span(), "a file of tokens has [[token]] entries and nothing else")),
        }
    }
    Ok(())
}

fn read_tokens(tokens: &mut Tokens, source: Source<'_>, entries: &[Value<'_>]) -> Result<(), ConfigError> {
    for entry in entries {
        let token = read_token(source, entry)?;
        tokens.add(token).map_err(|error| source.refuse(&entry.span(), error.to_string()))?;
    }
    Ok(())
}

fn read_token(source: Source<'_>, table: &Value<'_>) -> Result<Token, ConfigError> {
    let DeValue::Table(keys) = table.get_ref() else {
        return Err(source.refuse(&table.span(), "a token is a table: write [[auth.token]]"));
    };
    let mut entry = credentials::Entry::default();
    for (key, value) in in_order(keys) {
        let name = key.get_ref().as_ref();
        if credentials::KEYS.iter().all(|(known, _)| *known != name) {
            let known = credentials::KEYS.iter().map(|key| key.0);
            return Err(source.refuse(&key.span(), unknown("key of a token", name, known)));
        }
        let date = match value.get_ref() {
            DeValue::Datetime(date) => Some(date),
            _ => None,
        };
        entry.apply(name, &written(value), date).map_err(|problem| source.refuse(&value.span(), problem))?;
    }
    entry.finish().map_err(|problem| source.refuse(&table.span(), problem))
}

fn written<'t>(value: &'t Value<'_>) -> Written<'t> {
    match value.get_ref() {
        DeValue::String(text) => Written::Text(text),
        DeValue::Integer(integer) => Written::Integer(u64::from_str_radix(integer.as_str(), integer.radix()).ok()),
        DeValue::Boolean(on) => Written::Boolean(*on),
        DeValue::Array(list) => {
            let texts: Option<Vec<&str>> = list.iter().map(|entry| entry.get_ref().as_str()).collect();
            texts.map_or(Written::Other("a list of other things than texts"), Written::List)
        }
        DeValue::Float(_) => Written::Other("a number with a point"),
        DeValue::Datetime(_) => Written::Other("a date"),
        DeValue::Table(_) => Written::Other("a table"),
    }
}

/// Says that there is no such name, and which one may have been meant.
fn unknown(what: &str, name: &str, known: impl Iterator<Item = &'static str>) -> String {
    let last = |name: &'static str| name.rsplit('.').next().unwrap_or(name);
    let near = known.map(|known| (distance(name, known).min(1 + distance(name, last(known))), known)).min();
    match near {
        Some((distance, known)) if distance <= name.len() / 3 => {
            format!("there is no {what} {name:?}: did you mean {known}?")
        }
        _ => format!("there is no {what} {name:?}; docs/configuration.md lists them"),
    }
}

/// How many characters have to be put in, taken out or replaced to make one name of the other.
fn distance(left: &str, right: &str) -> usize {
    let mut row: Vec<usize> = (0..=right.chars().count()).collect();
    for (index, from) in left.chars().take(64).enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], index + 1);
        for (column, to) in right.chars().enumerate() {
            let replaced = diagonal + usize::from(from != to);
            diagonal = row[column + 1];
            row[column + 1] = replaced.min(diagonal + 1).min(row[column] + 1);
        }
    }
    row[right.chars().count()]
}
