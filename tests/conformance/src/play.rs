//! One scenario, played by one SDK or by two.

use serde_json::{Map, Value, json};

use crate::expectation::{Names, compare, fill, fill_members, shown};
use crate::runner::Runner;
use crate::scenario::{Scenario, Step};
use crate::stage::Stage;

/// What came of it.
#[derive(Debug)]
pub(crate) enum Outcome {
    /// All was as expected; what each step was answered.
    Passed(Vec<Value>),
    /// Something was not.
    Failed(String),
    /// The runner does not know a step.
    Unknown(String),
    /// The scenario says that this SDK does not play it, and why.
    Excepted(String),
}

/// The answers that the network's pace has a part in: they are held to what is expected alone, and not to each other.
const UNSTEADY: [&str; 3] = ["state", "statistics", "until"];

/// Plays a scenario. The sessions that it names as being elsewhere are `there`, if that is given.
pub(crate) async fn play(
    scenario: &Scenario,
    here: &mut Runner,
    mut there: Option<&mut Runner>,
    verbose: bool,
) -> Outcome {
    let mut stage = Stage::new();
    let mut names = Names::new();
    let mut answers = Vec::new();
    let mut outcome = None;
    for (index, step) in scenario.steps.iter().enumerate() {
        let is_elsewhere = |session: &&str| scenario.elsewhere.iter().any(|name| name == session);
        let session = step.order.get("session").and_then(Value::as_str);
        let runner = match (session.filter(is_elsewhere), &mut there) {
            (Some(_), Some(there)) => &mut **there,
            _ => &mut *here,
        };
        let answered = perform(step, &mut stage, runner, &mut names).await;
        if verbose {
            println!("{} {}: {}", scenario.name, runner.name(), line(index, step));
            println!("    {}", answered.as_ref().map_or_else(Clone::clone, shown));
        }
        match answered {
            Ok(answer) if answer.get("unknown").is_some() => {
                outcome = Some(Outcome::Unknown(line(index, step)));
                break;
            }
            Ok(answer) => answers.push(if UNSTEADY.contains(&step.verb()) { Value::Null } else { answer }),
            Err(why) => {
                outcome = Some(Outcome::Failed(format!("{}: {why}", line(index, step))));
                break;
            }
        }
    }
    for runner in [Some(here), there].into_iter().flatten() {
        if let Err(why) = runner.perform(&reset()).await {
            outcome.get_or_insert(Outcome::Failed(format!("reset: {why}")));
        }
    }
    outcome.unwrap_or(Outcome::Passed(answers))
}

/// Ends everything a runner holds.
fn reset() -> Map<String, Value> {
    Map::from_iter([("do".to_owned(), json!("reset"))])
}

fn line(index: usize, step: &Step) -> String {
    format!("step {} {}", index + 1, shown(&Value::Object(step.order.clone())))
}

async fn perform(step: &Step, stage: &mut Stage, runner: &mut Runner, names: &mut Names) -> Result<Value, String> {
    let mut order = fill_members(&step.order, names)?;
    let answer = match stage.perform(&order).await {
        Some(done) => done?,
        None => {
            place(&mut order, stage)?;
            runner.perform(&order).await?
        }
    };
    if answer.get("unknown").is_some() {
        return Ok(answer);
    }
    if answer.get("error").is_some() && !step.expect.contains_key("error") {
        return Err(shown(&answer));
    }
    compare("the answer", &fill(&Value::Object(step.expect.clone()), names)?, &answer)?;
    for (name, part) in &step.save {
        let saved = answer.get(part).ok_or_else(|| format!("there is no {part} to save in {}", shown(&answer)))?;
        names.insert(name.clone(), saved.clone());
    }
    Ok(answer)
}

/// Says where the gateways and files are that a step names.
fn place(order: &mut Map<String, Value>, stage: &Stage) -> Result<(), String> {
    if let Some(Value::Array(to)) = order.get_mut("to") {
        for name in to {
            *name = json!(stage.address(name.as_str().unwrap_or_default())?);
        }
    }
    if let Some(Value::String(store)) = order.get_mut("store") {
        *store = stage.file(store);
    }
    Ok(())
}
