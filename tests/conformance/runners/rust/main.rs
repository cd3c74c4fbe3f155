//! Performs the steps of scenarios with the Rust SDK: a step a line on standard input, an answer a line on standard output.

#![allow(clippy::unwrap_used, reason = "a harness may end in a panic: that is how its tests fail")]

mod answer;
mod performer;
mod step;

use std::io::Write as _;

use serde_json::json;
use tokio::io::{AsyncBufReadExt as _, BufReader};

use crate::performer::Performer;
use crate::step::Step;

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() {
    let mut performer = Performer::default();
    let mut lines = BufReader::new(tokio::io::stdin()).lines();
    while let Some(line) = lines.next_line().await.unwrap() {
        let answer = match serde_json::from_str::<Step>(&line) {
            Ok(step) => performer.perform(step).await.unwrap_or_else(|error| answer::error(&error)),
            Err(error) => json!({ "unknown": error.to_string() }),
        };
        let mut output = std::io::stdout().lock();
        writeln!(output, "{answer}").unwrap();
        output.flush().unwrap();
    }
}
