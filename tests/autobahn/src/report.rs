//! What the suite found.

use std::{collections::BTreeMap, fs, path::Path};

use serde::Deserialize;

use crate::Result;

/// The verdict on one case.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Verdict {
    behavior: String,
    behavior_close: String,
    reportfile: String,
}

impl Verdict {
    fn passed(&self) -> bool {
        let fine = |behavior: &str| matches!(behavior, "OK" | "INFORMATIONAL" | "NON-STRICT");
        fine(&self.behavior) && fine(&self.behavior_close)
    }
}

/// The verdicts by case.
#[derive(Debug)]
pub(crate) struct Report(BTreeMap<String, Verdict>);

impl Report {
    /// Reads what `wstest` left in `directory` about `agent`.
    pub(crate) fn read(directory: &Path, agent: &str) -> Result<Self> {
        let path = directory.join("index.json");
        let text = fs::read_to_string(&path).map_err(|error| format!("no report in {}: {error}", path.display()))?;
        let mut agents: BTreeMap<String, BTreeMap<String, Verdict>> = serde_json::from_str(&text)?;
        match agents.remove(agent) {
            Some(cases) if !cases.is_empty() => Ok(Self(cases)),
            _ => Err(format!("{} says nothing about {agent}", path.display()).into()),
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// Prints the counts, and each case that isn't simply right; says whether all passed.
    pub(crate) fn print(&self, role: &str) -> bool {
        let mut counts = BTreeMap::<&str, usize>::new();
        let mut closes = BTreeMap::<&str, usize>::new();
        for verdict in self.0.values() {
            *counts.entry(&verdict.behavior).or_default() += 1;
            *closes.entry(&verdict.behavior_close).or_default() += 1;
        }
        let list = |counts: BTreeMap<&str, usize>| {
            let counts: Vec<_> = counts.into_iter().map(|(behavior, count)| format!("{count} {behavior}")).collect();
            counts.join(", ")
        };
        println!("{role}: {} cases: {}; closing: {}", self.0.len(), list(counts), list(closes));

        for (case, verdict) in &self.0 {
            if verdict.behavior != "OK" || !verdict.passed() {
                let mark = if verdict.passed() { " " } else { "!" };
                println!(
                    "{mark} {case} {}, closing {} ({})",
                    verdict.behavior, verdict.behavior_close, verdict.reportfile
                );
            }
        }
        self.0.values().all(Verdict::passed)
    }
}
