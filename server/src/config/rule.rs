//! The rules for new topics: the `[[topic]]` tables of the file.

use std::time::Duration;

use outpour_core::{Selector, TopicKind, ValueType};

use super::setting::{Written, shown};
use crate::broker::{MAX_HISTORY, TopicRule};

/// The most rules: each is held against the path of every topic that is created.
pub(super) const MAX_RULES: usize = 1_000;
const MAX_AGE: Duration = Duration::from_secs(365 * 86_400);
const MAX_BYTES: u64 = 1 << 30;

/// The keys of a rule, what they may be, and where they go.
pub(super) const KEYS: [(&str, &str); 8] = [
    ("selector", "a selector such as \"prices/**\""),
    ("kind", "\"value\" or \"event\""),
    ("type", "\"json\", \"text\", \"binary\", \"int64\" or \"double\""),
    ("history", "0 to 1000000 events or updates"),
    ("history_age", "\"0s\" (no limit) to \"365d\""),
    ("history_bytes", "0 to \"1GiB\""),
    ("retain", "true or false"),
    ("conflate", "true or false"),
];

/// A rule that says nothing yet of the topics that a selector matches.
pub(super) const fn empty(selector: Selector) -> TopicRule {
    TopicRule {
        selector,
        kind: None,
        value_type: None,
        history: None,
        history_age_ms: None,
        history_bytes: None,
        retain: None,
        conflate: None,
    }
}

/// The selector of a rule.
pub(super) fn selector(written: &Written<'_>) -> Result<Selector, String> {
    let text = written.text().ok_or_else(|| refusal("selector", written))?;
    Selector::new(text).map_err(|error| format!("{}: {error}", refusal("selector", written)))
}

/// Takes the value of another key into a rule.
pub(super) fn apply(rule: &mut TopicRule, key: &str, written: &Written<'_>) -> Result<(), String> {
    let taken = match key {
        "kind" => {
            let named = |name| [TopicKind::Value, TopicKind::Event].into_iter().find(|kind| kind.name() == name);
            put(&mut rule.kind, written.text().and_then(named))
        }
        "type" => put(&mut rule.value_type, written.text().and_then(ValueType::from_name)),
        "history" => put(&mut rule.history, written.count().filter(|count| *count <= MAX_HISTORY)),
        "history_age" => {
            let age = written.time().filter(|age| *age <= MAX_AGE);
            put(&mut rule.history_age_ms, age.map(|age| age.as_millis() as u64))
        }
        "history_bytes" => put(&mut rule.history_bytes, written.size().filter(|bytes| *bytes <= MAX_BYTES)),
        "retain" => put(&mut rule.retain, written.switch()),
        "conflate" => put(&mut rule.conflate, written.switch()),
        _ => false,
    };
    if taken { Ok(()) } else { Err(refusal(key, written)) }
}

/// What is wrong with a rule as a whole, and the key to blame.
pub(super) fn contradiction(rule: &TopicRule) -> Option<(&'static str, &'static str)> {
    if rule.kind != Some(TopicKind::Event) {
        return None;
    }
    let event_only = "has no meaning for event topics, which keep every event: leave it out, or set kind = \"value\"";
    if rule.conflate.is_some() {
        return Some(("conflate", event_only));
    }
    rule.retain.map(|_| ("retain", event_only))
}

fn refusal(key: &str, written: &Written<'_>) -> String {
    let form = KEYS.iter().find(|(name, _)| *name == key).map_or("", |(_, form)| form);
    format!("{key} can't be {}: give {form}", shown(written))
}

fn put<T>(place: &mut Option<T>, value: Option<T>) -> bool {
    *place = value;
    place.is_some()
}
