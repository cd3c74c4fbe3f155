//! Which SDK passes which scenario, and what was wrong where.

use std::fmt;

use serde_json::Value;

use crate::expectation::shown;
use crate::play::Outcome;
use crate::scenario::Scenario;

/// Scenarios × SDKs.
#[derive(Debug)]
pub(crate) struct Matrix {
    corner: &'static str,
    columns: Vec<String>,
    rows: Vec<(String, Vec<Cell>)>,
}

/// What came of one scenario for one SDK: a word, and a sentence where there is something to say.
#[derive(Debug)]
pub(crate) struct Cell {
    word: &'static str,
    remark: Option<String>,
}

impl Cell {
    /// Holds what the SDKs were answered against the first that passed.
    pub(crate) fn row(scenario: &Scenario, outcomes: Vec<Outcome>) -> Vec<Self> {
        let mut first = None;
        let mut cells = Vec::new();
        for outcome in outcomes {
            cells.push(match outcome {
                Outcome::Failed(why) => Self { word: "FAILED", remark: Some(why) },
                Outcome::Unknown(step) => Self { word: "UNKNOWN", remark: Some(format!("the runner can't do {step}")) },
                Outcome::Excepted(why) => Self { word: "not run", remark: Some(why) },
                Outcome::Passed(answers) => {
                    let other: &Vec<Value> = first.get_or_insert_with(|| answers.clone());
                    let differs = |(index, (two, one)): (usize, (&Value, &Value))| {
                        let step = &scenario.steps[index];
                        (one != two)
                            .then(|| format!("step {} ({}): {} and {}", index + 1, step.verb(), shown(two), shown(one)))
                    };
                    match answers.iter().zip(other).enumerate().find_map(differs) {
                        Some(remark) => Self { word: "DIFFERS", remark: Some(remark) },
                        None => Self { word: "passed", remark: None },
                    }
                }
            });
        }
        cells
    }

    fn is_conforming(&self) -> bool {
        matches!(self.word, "passed" | "not run")
    }
}

impl Matrix {
    pub(crate) const fn new(corner: &'static str, columns: Vec<String>) -> Self {
        Self { corner, columns, rows: Vec::new() }
    }

    pub(crate) fn add(&mut self, scenario: &str, cells: Vec<Cell>) {
        self.rows.push((scenario.to_owned(), cells));
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.columns.is_empty() || self.rows.is_empty()
    }

    /// Whether every SDK passes every scenario, or has a stated reason not to.
    pub(crate) fn is_conforming(&self) -> bool {
        self.rows.iter().flat_map(|(_, cells)| cells).all(Cell::is_conforming)
    }
}

impl fmt::Display for Matrix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let width = self.rows.iter().map(|(name, _)| name.len()).chain([self.corner.len()]).max().unwrap_or_default();
        write!(f, "{:width$}", self.corner)?;
        for column in &self.columns {
            write!(f, "  {column:>7}")?;
        }
        writeln!(f)?;
        for (name, cells) in &self.rows {
            write!(f, "{name:width$}")?;
            for (column, cell) in self.columns.iter().zip(cells) {
                write!(f, "  {:>wide$}", cell.word, wide = column.len().max(7))?;
            }
            writeln!(f)?;
        }
        for (name, cells) in &self.rows {
            for (column, cell) in self.columns.iter().zip(cells) {
                if let Some(remark) = &cell.remark {
                    writeln!(f, "{name}, {column}, {}: {remark}", cell.word)?;
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn whatever_is_not_alike_does_not_conform() {
        let steps = json!({ "steps": [{ "do": "get", "session": "s", "path": "a" }] });
        let scenario: Scenario = serde_json::from_value(steps).unwrap();
        let passed = |item: &str| Outcome::Passed(vec![json!({ "item": item })]);
        let row = |outcomes| {
            let mut matrix = Matrix::new("scenario", vec!["One".to_owned(), "Other".to_owned()]);
            matrix.add("get", Cell::row(&scenario, outcomes));
            (matrix.is_conforming(), matrix.to_string().lines().skip(2).collect::<String>())
        };
        assert_eq!(row(vec![passed("x"), passed("x")]), (true, String::new()));
        let excepted = Outcome::Excepted("it can't".to_owned());
        assert_eq!(row(vec![excepted, passed("y")]), (true, "get, One, not run: it can't".to_owned()));
        let differs = r#"get, Other, DIFFERS: step 1 (get): {"item":"y"} and {"item":"x"}"#;
        assert_eq!(row(vec![passed("x"), passed("y")]), (false, differs.to_owned()));
        let unknown = Outcome::Unknown("step 1".to_owned());
        assert_eq!(
            row(vec![passed("x"), unknown]),
            (false, "get, Other, UNKNOWN: the runner can't do step 1".to_owned())
        );
        let failed = Outcome::Failed("step 1: no".to_owned());
        assert_eq!(row(vec![failed, passed("x")]), (false, "get, One, FAILED: step 1: no".to_owned()));
    }
}
