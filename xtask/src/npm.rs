//! The npm package: built, its types checked, tested in Node against real gateways, and weighed.

use crate::{
    Result,
    project::{Project, run as run_command},
    test::Outcome,
    wasm::{self, PACKAGE},
};

/// Builds the package and runs its tests.
pub(crate) fn check(project: &Project) -> Result<Outcome> {
    wasm::build(project)?;
    project.build_programs()?;
    for script in ["check", "test", "weigh"] {
        let npm = ["run", "--silent", script];
        let program = project.binary("debug", "outpour");
        run_command(project.command("npm").args(npm).current_dir(project.path(PACKAGE)).env("OUTPOUR", program))?;
    }
    Ok(Outcome::Passed)
}
