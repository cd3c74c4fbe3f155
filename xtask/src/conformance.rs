//! `cargo xtask conformance`: every SDK plays the same scenarios against real gateways.

use clap::Args;

use crate::{
    Result,
    project::{Project, run as run_command},
    test::Outcome,
    tools, wasm,
};

/// Who plays, and what.
#[derive(Debug, Default, Args)]
pub(crate) struct Options {
    /// Play the scenarios whose names contain this alone
    #[arg(long, default_value = "")]
    scenario: String,
    /// Let the SDKs whose names contain this play alone
    #[arg(long, default_value = "")]
    sdk: String,
    /// Print every step, and what was answered
    #[arg(long)]
    verbose: bool,
}

/// Every scenario by every SDK.
pub(crate) fn check(project: &Project) -> Result<Outcome> {
    run(project, &Options::default())?;
    Ok(Outcome::Passed)
}

/// Builds the SDKs and what they play against, lets them play, and prints the matrix.
pub(crate) fn run(project: &Project, options: &Options) -> Result {
    wasm::build(project)?;
    let chromium = tools::chromium(project)?;
    project.build_programs()?;
    let mut command = project.command(project.binary("debug", "outpour-conformance"));
    command.args(["--scenario", &options.scenario, "--sdk", &options.sdk]);
    if options.verbose {
        command.arg("--verbose");
    }
    run_command(command.env("OUTPOUR_PROGRAM", project.binary("debug", "outpour")).env("CHROMIUM", chromium))
}
