//! The core's own tests compiled to WebAssembly: what browsers run has other number sizes and another CRC.

use std::process::Command;

use crate::{
    Result,
    project::{Project, run, succeeds},
    test::Outcome,
    tools,
};

/// WebAssembly with standard output and files, which a test harness needs.
const TARGET: &str = "wasm32-wasip1";

/// Runs the tests of `outpour-core` in Node.
pub(crate) fn check(project: &Project) -> Result<Outcome> {
    tools::add_target(project, TARGET)?;
    if !succeeds(Command::new("node").arg("--version")) {
        tools::install_packages(project, &["nodejs"])?;
    }
    let script = project.path("tests/wasi/run.mjs");
    let runner = format!("target.{TARGET}.runner=['node', '--no-warnings', '{}']", script.display());
    let test = ["test", "--package", "outpour-core", "--target", TARGET, "--tests", "--config"];
    run(project.cargo(test).arg(runner))?;
    Ok(Outcome::Passed)
}
