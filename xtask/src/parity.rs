//! `cargo xtask parity`: the page that says what each SDK can do.

use crate::{
    Result,
    project::{Project, run as run_command},
    test::Outcome,
};

/// The page is up to date, and no SDK lacks anything without a reason.
pub(crate) fn check(project: &Project) -> Result<Outcome> {
    project.build_programs()?;
    run_command(project.command(project.binary("debug", "outpour-parity")).arg("--check"))?;
    Ok(Outcome::Passed)
}

/// Writes the page.
pub(crate) fn write(project: &Project) -> Result {
    run_command(&mut project.cargo(["run", "--quiet", "--package", "outpour-conformance", "--bin", "outpour-parity"]))
}
