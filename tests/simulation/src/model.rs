//! The reference: what the log made of every topic, in the simplest way to say it. All gateways have to agree.

use std::collections::{BTreeMap, HashMap};

use outpour_core::peer::History;
use outpour_core::{Epoch, TopicKind, TopicNumber, Version};
use outpour_server::broker::Outcome;

/// What a topic is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Topic {
    /// Value or event topic.
    pub kind: TopicKind,
    /// The version of its value or newest event.
    pub version: Version,
    /// Its value or newest event.
    pub value: Option<Vec<u8>>,
    /// The sequence number of its newest event.
    pub sequence: u64,
    /// How much of its past is kept.
    pub history: History,
}

/// Every value and event there ever was, by the life of the log and the version.
#[derive(Debug, Default)]
pub struct Ever(HashMap<(Epoch, Version), Said>);

#[derive(Debug)]
struct Said {
    path: String,
    value: Vec<u8>,
    sequence: u64,
}

impl Ever {
    /// Whether what an application is told was ever so. A delta that was applied to a wrong base shows here even if the next
    /// value covers it up.
    ///
    /// # Errors
    /// If it was not.
    pub fn check(
        &self,
        (epoch, version): (Epoch, Version),
        path: &str,
        value: &[u8],
        sequence: Option<u64>,
    ) -> Result<(), String> {
        let said =
            self.0.get(&(epoch, version)).ok_or_else(|| format!("{path} was told version {version} of nothing"))?;
        if said.path != path || said.value != value || sequence.is_some_and(|sequence| sequence != said.sequence) {
            let value = String::from_utf8_lossy(value);
            return Err(format!(
                "{path} was told {value} as version {version}, event {sequence:?}, which was {said:?}"
            ));
        }
        Ok(())
    }
}

/// All topics, and what was applied.
#[derive(Debug, Default)]
pub struct Model {
    /// The life of the log.
    epoch: Epoch,
    /// Everything there ever was, in this life of the log and those before.
    pub ever: Ever,
    /// What followed from each record, as the first gateway that applied it said.
    said: BTreeMap<(Version, u8), String>,
    numbers: HashMap<TopicNumber, String>,
    /// The topics by path.
    pub topics: BTreeMap<String, Topic>,
    /// How often each value was applied in this epoch. The simulation publishes none twice.
    pub applied: HashMap<Vec<u8>, u32>,
}

impl Model {
    /// Begins anew, as a log does that was lost.
    pub fn begin(&mut self, epoch: Epoch) {
        *self = Self { epoch, ever: std::mem::take(&mut self.ever), ..Self::default() };
    }

    /// The life of the log.
    #[must_use]
    pub const fn epoch(&self) -> Epoch {
        self.epoch
    }

    /// The newest record that something followed from.
    #[must_use]
    pub fn head(&self) -> Version {
        self.said.last_key_value().map_or(Version(0), |((version, _), _)| *version)
    }

    /// Takes in what followed from a record.
    ///
    /// # Errors
    /// If it contradicts what came before.
    pub fn take(&mut self, outcome: &Outcome) -> Result<(), String> {
        let (place, says) = match outcome {
            Outcome::Created { topic, version } => ((*version, 0), format!("{topic:?}")),
            Outcome::Updated(update) => ((update.version, 1), format!("{update:?}")),
            Outcome::Removed { topic, version } => ((*version, 2), format!("{topic:?}")),
            _ => return Ok(()),
        };
        if let Some(before) = self.said.get(&place) {
            return if *before == says { Ok(()) } else { Err(format!("gateways differ: {before} and {says}")) };
        }
        if self.said.last_key_value().is_some_and(|(last, _)| *last > place) {
            return Err(format!("a gateway applied what another has left out: {says}"));
        }
        self.said.insert(place, says);
        match outcome {
            Outcome::Created { topic, .. } => {
                self.numbers.insert(topic.number, topic.path.as_str().to_owned());
                let new = Topic {
                    kind: topic.kind,
                    version: Version::NONE,
                    value: None,
                    sequence: 0,
                    history: topic.history,
                };
                match self.topics.insert(topic.path.as_str().to_owned(), new) {
                    None => Ok(()),
                    Some(_) => Err(format!("{} was created twice", topic.path)),
                }
            }
            Outcome::Updated(update) => {
                let path = self.numbers.get(&update.topic).ok_or("an update of no topic")?;
                let topic =
                    self.topics.get_mut(path).ok_or_else(|| format!("an update of {path}, which is removed"))?;
                if update.base != topic.version || update.version <= topic.version {
                    return Err(format!("{path} went from {} to {}", update.base, update.version));
                }
                topic.version = update.version;
                topic.value = Some(update.value.to_vec());
                topic.sequence = update.sequence;
                let said = Said { path: path.clone(), value: update.value.to_vec(), sequence: update.sequence };
                self.ever.0.insert((self.epoch, update.version), said);
                *self.applied.entry(update.value.to_vec()).or_default() += 1;
                Ok(())
            }
            Outcome::Removed { topic, .. } => {
                let path = self.numbers.remove(topic).ok_or("a removal of no topic")?;
                self.topics.remove(&path);
                Ok(())
            }
            _ => Ok(()),
        }
    }
}
