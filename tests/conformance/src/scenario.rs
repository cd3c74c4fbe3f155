//! Scenarios, as the files have them.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde_json::{Map, Value};

use crate::schema::Schema;

/// One scenario.
#[derive(Debug, Deserialize)]
pub(crate) struct Scenario {
    /// The name of its file.
    #[serde(skip)]
    pub(crate) name: String,
    /// The SDKs that do not play it, and why.
    #[serde(default)]
    pub(crate) except: BTreeMap<String, String>,
    /// The sessions that are another SDK's when two play together.
    #[serde(default)]
    pub(crate) elsewhere: Vec<String>,
    pub(crate) steps: Vec<Step>,
}

/// One step: what is done, what it has to give, and what of that is kept under names.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Step {
    #[serde(default)]
    pub(crate) expect: Map<String, Value>,
    #[serde(default)]
    pub(crate) save: BTreeMap<String, String>,
    /// What whoever performs it is told.
    #[serde(flatten)]
    pub(crate) order: Map<String, Value>,
}

impl Step {
    /// What is done.
    pub(crate) fn verb(&self) -> &str {
        self.order.get("do").and_then(Value::as_str).unwrap_or_default()
    }
}

/// Where this crate is.
pub(crate) fn folder() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Reads all scenarios, in the order of their names, and holds them to the schema.
pub(crate) fn load() -> Result<Vec<Scenario>, String> {
    let schema = Schema::read(&folder().join("scenario.schema.json"))?;
    let entries = std::fs::read_dir(folder().join("scenarios")).map_err(|error| error.to_string())?;
    let mut files: Vec<PathBuf> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
    files.sort();
    files.iter().map(|file| read(file, &schema).map_err(|error| format!("{}: {error}", file.display()))).collect()
}

fn read(file: &Path, schema: &Schema) -> Result<Scenario, String> {
    let text = std::fs::read_to_string(file).map_err(|error| error.to_string())?;
    let value: Value = serde_json::from_str(&text).map_err(|error| error.to_string())?;
    schema.check(&value)?;
    let mut scenario: Scenario = serde_json::from_value(value).map_err(|error| error.to_string())?;
    scenario.name = file.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    Ok(scenario)
}

#[cfg(test)]
mod tests {
    #[test]
    fn every_scenario_keeps_to_the_schema() {
        let scenarios = super::load().unwrap();
        assert!(!scenarios.is_empty());
    }
}
