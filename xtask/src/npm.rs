//! The npm package: built, its types checked, tested in Node against real gateways, and weighed.

use std::path::Path;

use crate::{
    Result,
    project::{Project, run as run_command},
    test::Outcome,
    tools,
    wasm::{self, PACKAGE},
};

/// Where Debian puts the browser.
const CHROMIUM: &str = "/usr/bin/chromium";

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

/// Tries the package in Chromium, against real gateways.
pub(crate) fn check_in_browser(project: &Project) -> Result<Outcome> {
    wasm::build(project)?;
    project.build_programs()?;
    if !Path::new(CHROMIUM).is_file() {
        tools::install_packages(project, &["chromium"])?;
    }
    let program = project.binary("debug", "outpour");
    let npm = ["run", "--silent", "test:browser"];
    let folder = project.path(PACKAGE);
    run_command(
        project
            .command("npm")
            .args(npm)
            .current_dir(folder)
            .envs([("OUTPOUR", program.as_path()), ("CHROMIUM", Path::new(CHROMIUM))]),
    )?;
    Ok(Outcome::Passed)
}
