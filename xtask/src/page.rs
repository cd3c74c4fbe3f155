//! `cargo xtask page`: builds the page that the gateway shows to browsers, for the next build of the program to take in.

use crate::{
    Result,
    project::{Project, run as run_command, succeeds},
    test::Outcome,
    tools, wasm,
};

/// The console, which is made with the npm package.
pub(crate) const PAGE: &str = "page";

/// Builds the page, and the npm package that it is made with.
pub(crate) fn build(project: &Project) -> Result {
    wasm::build(project)?;
    wasm::install_packages(project, PAGE)?;
    wasm::npm(project, PAGE, &["run", "--silent", "build"])
}

/// The page's types, its unit tests, and the page in Chromium before real gateways.
pub(crate) fn check(project: &Project) -> Result<Outcome> {
    build(project)?;
    wasm::npm(project, PAGE, &["run", "--silent", "check"])?;
    wasm::npm(project, PAGE, &["test", "--silent"])?;
    let chromium = tools::chromium(project)?;
    // The feed that is followed is compressed.
    if !succeeds(project.command("zstd").arg("--version")) {
        tools::install_packages(project, &["zstd"])?;
    }
    project.build_programs()?;
    let npm = ["run", "--silent", "test:browser"];
    let program = project.binary("debug", "outpour");
    run_command(
        project
            .command("npm")
            .args(npm)
            .current_dir(project.path(PAGE))
            .env("OUTPOUR", program)
            .env("CHROMIUM", chromium)
            .env("SCREENSHOTS", project.target().join("screenshots")),
    )?;
    Ok(Outcome::Passed)
}
