//! What one subscriber was told, and what it must never be told.

use std::collections::BTreeMap;

use outpour::{Update, UpdateKind};

/// One thing that a subscriber was told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Observation {
    /// The topic.
    pub topic: String,
    /// What it was told of it.
    pub what: What,
}

/// What a subscriber was told of a topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum What {
    /// A value, with its version.
    Value(u64, String),
    /// An event, with its version and sequence number.
    Event(u64, u64, String),
    /// The first and the last of the events that are missing.
    Gap(u64, u64),
    /// The topic is no more.
    Removed,
}

impl Observation {
    /// From a line of `outpour sub --jsonl`.
    #[must_use]
    pub fn from_line(line: &str) -> Self {
        let fields: serde_json::Value = serde_json::from_str(line).unwrap_or_else(|error| panic!("{line}: {error}"));
        let number = |name: &str| fields[name].as_u64();
        let what = if let Some(version) = number("version") {
            let value = fields["value"].to_string();
            match number("sequence") {
                Some(sequence) => What::Event(version, sequence, value),
                None => What::Value(version, value),
            }
        } else if let Some(missing) = fields["gap"].as_array() {
            What::Gap(missing[0].as_u64().unwrap(), missing[1].as_u64().unwrap())
        } else {
            assert_eq!(fields["removed"], true, "{line}");
            What::Removed
        };
        Self { topic: fields["topic"].as_str().unwrap().to_owned(), what }
    }
}

impl From<&Update> for Observation {
    fn from(update: &Update) -> Self {
        let text = |value: &outpour::Value| value.to_string();
        let what = match &update.kind {
            UpdateKind::Value { value, version } => What::Value(version.0, text(value)),
            UpdateKind::Event { value, version, sequence } => What::Event(version.0, *sequence, text(value)),
            UpdateKind::Gap { first, last } => What::Gap(*first, *last),
            UpdateKind::Removed => What::Removed,
            other => panic!("a kind of update that the witness does not know: {other:?}"),
        };
        Self { topic: update.path.as_str().to_owned(), what }
    }
}

/// Writes down what one subscriber was told and panics at the first thing that must never happen:
/// a version that goes back or comes twice, an event that comes twice, out of order or is missing
/// without a gap, a gap over events that were told.
///
/// Where a gateway loses its log, a new life begins and versions start over. Values then say to
/// which life they belong: `{"life":2,"n":17}`.
#[derive(Clone, Debug, Default)]
pub struct Witness {
    name: String,
    topics: BTreeMap<String, Told>,
    observed: u64,
    missing: u64,
}

#[derive(Clone, Debug, Default)]
struct Told {
    life: u64,
    version: u64,
    /// Of the last event, or the end of the last gap.
    sequence: Option<u64>,
    value: Option<String>,
}

impl Witness {
    /// A witness beside the subscriber of this name.
    #[must_use]
    pub fn new(name: impl Into<String>) -> Self {
        Self { name: name.into(), ..Self::default() }
    }

    /// Whom it stands beside.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Takes down what the subscriber was told.
    ///
    /// # Panics
    /// If that must not happen.
    #[track_caller]
    pub fn observe(&mut self, observation: impl Into<Observation>) {
        let Observation { topic, what } = observation.into();
        self.observed += 1;
        let told = self.topics.entry(topic.clone()).or_default();
        let before = told.clone();
        match what.clone() {
            What::Value(version, value) => told.take(version, &value),
            What::Event(version, sequence, value) => told
                .take(version, &value)
                .and_then(|()| told.follow(sequence, sequence, before.life == told.life))
                .map_err(|error| format!("{error} (event {sequence})")),
            What::Gap(first, last) => {
                self.missing += last.saturating_sub(first) + 1;
                told.follow(first, last, true)
            }
            What::Removed => {
                (told.value, told.sequence) = (None, None);
                Ok(())
            }
        }
        .unwrap_or_else(|error| panic!("{}: {topic}: {error}: told {what:?} after {before:?}", self.name));
    }

    /// What the subscriber holds: the newest value or event of each topic.
    #[must_use]
    pub fn held(&self) -> BTreeMap<String, String> {
        let held = |(topic, told): (&String, &Told)| Some((topic.clone(), told.value.clone()?));
        self.topics.iter().filter_map(held).collect()
    }

    /// The newest value or event of a topic.
    #[must_use]
    pub fn value(&self, topic: &str) -> Option<&str> {
        self.topics.get(topic)?.value.as_deref()
    }

    /// The sequence number of the last event of a topic that was told or declared missing.
    #[must_use]
    pub fn sequence(&self, topic: &str) -> u64 {
        self.topics.get(topic).and_then(|told| told.sequence).unwrap_or_default()
    }

    /// How many things were told.
    #[must_use]
    pub const fn observed(&self) -> u64 {
        self.observed
    }

    /// How many events were declared missing.
    #[must_use]
    pub const fn missing(&self) -> u64 {
        self.missing
    }
}

impl Told {
    fn take(&mut self, version: u64, value: &str) -> Result<(), String> {
        let life = life(value);
        if life < self.life {
            return Err(format!("a value of life {life} in life {}", self.life));
        }
        if life == self.life && version <= self.version {
            let wrong = if version == self.version { "a version comes twice" } else { "a version goes back" };
            return Err(wrong.into());
        }
        (self.life, self.version, self.value) = (life, version, Some(value.to_owned()));
        Ok(())
    }

    /// Events `first` to `last` come next.
    fn follow(&mut self, first: u64, last: u64, same_life: bool) -> Result<(), String> {
        if let Some(before) = self.sequence.filter(|_| same_life) {
            if first <= before {
                return Err("an event comes twice, or late".into());
            }
            if first > before + 1 {
                return Err(format!("events {} to {} are missing without a gap", before + 1, first - 1));
            }
        }
        self.sequence = Some(last);
        Ok(())
    }
}

/// The life that a value says it belongs to; 0 if it says nothing.
fn life(value: &str) -> u64 {
    let said = value.split_once("\"life\":").map(|(_, rest)| rest.trim_start());
    let digits = said.map(|said| said.split(|character: char| !character.is_ascii_digit()).next().unwrap_or_default());
    digits.and_then(|digits| digits.parse().ok()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(lines: &[&str]) -> Witness {
        let mut witness = Witness::new("a subscriber");
        for line in lines {
            witness.observe(Observation::from_line(line));
        }
        witness
    }

    #[test]
    fn what_is_in_order_is_taken_down() {
        let witness = told(&[
            r#"{"topic":"v","version":7,"value":{"n":1}}"#,
            r#"{"topic":"v","version":9,"value":{"n":2}}"#,
            r#"{"topic":"e","version":10,"sequence":4,"value":1}"#,
            r#"{"topic":"e","gap":[5,8]}"#,
            r#"{"topic":"e","version":15,"sequence":9,"value":2}"#,
            r#"{"topic":"v","version":1,"value":{"life":1,"n":3}}"#,
            r#"{"topic":"v","removed":true}"#,
        ]);
        assert_eq!((witness.observed(), witness.missing(), witness.sequence("e")), (7, 4, 9));
        assert_eq!(witness.held(), BTreeMap::from([("e".to_owned(), "2".to_owned())]));
    }

    #[test]
    #[should_panic(expected = "a version comes twice")]
    fn a_duplicate_is_objected_to() {
        told(&[r#"{"topic":"v","version":7,"value":1}"#, r#"{"topic":"v","version":7,"value":1}"#]);
    }

    #[test]
    #[should_panic(expected = "a version goes back")]
    fn an_older_version_is_objected_to() {
        told(&[r#"{"topic":"v","version":7,"value":1}"#, r#"{"topic":"v","version":6,"value":1}"#]);
    }

    #[test]
    #[should_panic(expected = "events 5 to 6 are missing without a gap")]
    fn a_silent_loss_is_objected_to() {
        told(&[
            r#"{"topic":"e","version":1,"sequence":4,"value":1}"#,
            r#"{"topic":"e","version":2,"sequence":7,"value":1}"#,
        ]);
    }

    #[test]
    #[should_panic(expected = "an event comes twice")]
    fn a_gap_over_what_was_told_is_objected_to() {
        told(&[r#"{"topic":"e","version":1,"sequence":4,"value":1}"#, r#"{"topic":"e","gap":[4,6]}"#]);
    }
}
