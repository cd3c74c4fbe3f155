//! `cargo xtask demo`: builds the page and the program as people run it, and starts its demo.

use std::{ffi::OsString, process::ExitCode};

use clap::Args;

use crate::{
    Result, page,
    project::{Project, run as run_command},
};

/// What the demo is given.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Passed on to `outpour demo`
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    arguments: Vec<OsString>,
}

/// Runs the demo and ends as it does.
pub(crate) fn run(project: &Project, options: &Options) -> Result<ExitCode> {
    // The demo goes without its page rather than not at all.
    if let Err(error) = page::build(project) {
        println!("The page is not built, so the demo goes without the newest: {error}");
    }
    run_command(&mut project.cargo(["build", "--release", "--package", "outpour-cli"]))?;
    let program = project.binary("release", "outpour");
    let status = project
        .command(&program)
        .arg("demo")
        .args(&options.arguments)
        .status()
        .map_err(|error| format!("{} could not be started: {error}.", program.display()))?;
    // A demo ended by a signal has no code.
    Ok(status.code().and_then(|code| u8::try_from(code).ok()).map_or(ExitCode::FAILURE, ExitCode::from))
}
