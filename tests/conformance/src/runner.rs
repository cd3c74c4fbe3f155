//! The program that performs an SDK's part of scenarios, one line at a time.

use std::process::Stdio;

use outpour_faults::PATIENCE;
use serde::Deserialize;
use serde_json::{Map, Value};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};

use crate::scenario::folder;

/// An SDK that plays, as `runners.json` has it.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Entry {
    pub(crate) sdk: String,
    command: Vec<String>,
}

/// The SDKs that play.
pub(crate) fn load() -> Vec<Entry> {
    let text = std::fs::read_to_string(folder().join("runners.json")).unwrap();
    serde_json::from_str(&text).unwrap()
}

/// A runner, which is started when it is first asked for something.
#[derive(Debug)]
pub(crate) struct Runner {
    entry: Entry,
    process: Option<Process>,
}

#[derive(Debug)]
struct Process {
    _child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl Runner {
    pub(crate) const fn new(entry: Entry) -> Self {
        Self { entry, process: None }
    }

    /// The SDK's name.
    pub(crate) fn name(&self) -> &str {
        &self.entry.sdk
    }

    /// Has it perform a step, and gives its answer. One that does not answer is ended, and started anew for the next.
    pub(crate) async fn perform(&mut self, order: &Map<String, Value>) -> Result<Value, String> {
        if self.process.is_none() {
            self.process = Some(self.start()?);
        }
        let process = self.process.as_mut().unwrap();
        let line = format!("{}\n", Value::Object(order.clone()));
        let answered = tokio::time::timeout(PATIENCE, process.exchange(&line)).await;
        let answer = answered.unwrap_or_else(|_| Err(format!("nothing was answered within {PATIENCE:?}")));
        if answer.is_err() {
            self.process = None;
        }
        answer
    }

    fn start(&self) -> Result<Process, String> {
        let own = std::env::current_exe().unwrap();
        let programs = own.parent().unwrap().to_string_lossy().into_owned();
        let words: Vec<_> = self.entry.command.iter().map(|word| word.replace("{programs}", &programs)).collect();
        let [program, arguments @ ..] = words.as_slice() else { return Err("its command is empty".into()) };
        let mut command = Command::new(program);
        command.args(arguments).current_dir(folder()).stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true);
        let mut child = command.spawn().map_err(|error| format!("{program} can't be started: {error}"))?;
        let (input, output) = (child.stdin.take().unwrap(), BufReader::new(child.stdout.take().unwrap()));
        Ok(Process { _child: child, input, output })
    }
}

impl Process {
    async fn exchange(&mut self, line: &str) -> Result<Value, String> {
        let ended = |error: std::io::Error| format!("the runner has ended: {error}");
        self.input.write_all(line.as_bytes()).await.map_err(ended)?;
        self.input.flush().await.map_err(ended)?;
        let mut answer = String::new();
        if self.output.read_line(&mut answer).await.map_err(ended)? == 0 {
            return Err("the runner has ended".into());
        }
        serde_json::from_str(&answer).map_err(|error| format!("the runner said {answer:?}: {error}"))
    }
}
