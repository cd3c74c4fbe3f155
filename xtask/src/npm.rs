//! The npm package: built, its types and examples checked, documented, tested in Node and Chromium against real gateways,
//! weighed, packed, and installed.

use std::{fs, path::PathBuf};

use crate::{
    Result,
    page::PAGE,
    project::{Project, run as run_command},
    test::Outcome,
    tools,
    wasm::{self, PACKAGE},
};

/// Packages of others, which the package is weighed beside.
const RIVALS: &str = "bindings/js/rivals";

/// Projects that use the package.
const PROJECTS: &str = "bindings/js/test/packaging";

/// What JavaScript is linted and documented with. Apart from the package, as it wants an older compiler.
const CHECKS: &str = "xtask/javascript";

/// Looks at the TypeScript and JavaScript of the package, the console and the examples, with the types that they have.
pub(crate) fn lint(project: &Project) -> Result<Outcome> {
    wasm::build(project)?;
    for package in [CHECKS, PAGE] {
        wasm::install_packages(project, package)?;
    }
    for script in ["format", "lint"] {
        wasm::npm(project, CHECKS, &["run", "--silent", script])?;
    }
    Ok(Outcome::Passed)
}

/// Builds the package and runs its tests.
pub(crate) fn check(project: &Project) -> Result<Outcome> {
    wasm::build(project)?;
    wasm::install_packages(project, RIVALS)?;
    document(project)?;
    project.build_programs()?;
    for script in ["check", "test", "weigh"] {
        let npm = ["run", "--silent", script];
        let program = project.binary("debug", "outpour");
        run_command(project.command("npm").args(npm).current_dir(project.path(PACKAGE)).env("OUTPOUR", program))?;
    }
    Ok(Outcome::Passed)
}

/// Makes the pages that document the package, and says where they begin. What is not documented is an error.
pub(crate) fn document(project: &Project) -> Result<PathBuf> {
    wasm::install_packages(project, CHECKS)?;
    let site = project.target().join("npm/site");
    let typedoc = ["run", "--silent", "docs", "--", "--logLevel", "Warn", "--out"];
    run_command(project.command("npm").args(typedoc).arg(&site).current_dir(project.path(CHECKS)))?;
    Ok(site.join("index.html"))
}

/// Tries the package in Chromium, against real gateways.
pub(crate) fn check_in_browser(project: &Project) -> Result<Outcome> {
    wasm::build(project)?;
    test_in_chromium(project, PACKAGE, "test:browser")?;
    Ok(Outcome::Passed)
}

/// Tries it in Firefox as well, but for what only Chromium can be made to do.
pub(crate) fn check_in_firefox(project: &Project) -> Result<Outcome> {
    wasm::build(project)?;
    let firefox = tools::firefox(project)?;
    project.build_programs()?;
    let programs = [("OUTPOUR", project.binary("debug", "outpour")), ("FIREFOX", firefox.into())];
    let npm = ["run", "--silent", "test:firefox"];
    run_command(project.command("npm").args(npm).current_dir(project.path(PACKAGE)).envs(programs))?;
    Ok(Outcome::Passed)
}

/// Makes the tarball that is published, and says where it is.
pub(crate) fn package(project: &Project) -> Result<PathBuf> {
    wasm::build(project)?;
    let folder = project.target().join("npm");
    fs::create_dir_all(&folder).map_err(|error| format!("{} can't be made: {error}", folder.display()))?;
    let pack = ["pack", "--silent", "--pack-destination"];
    run_command(project.command("npm").args(pack).arg(&folder).current_dir(project.path(PACKAGE)))?;
    let tarball = folder.join(format!("outpour-{}.tgz", env!("CARGO_PKG_VERSION")));
    if !tarball.is_file() {
        return Err(format!("{} was not made: has the package another version than the crates?", tarball.display()));
    }
    Ok(tarball)
}

/// Installs the tarball in projects as people have them.
pub(crate) fn check_packaging(project: &Project) -> Result<Outcome> {
    let tarball = package(project)?;
    wasm::install_packages(project, PROJECTS)?;
    let install = ["install", "--silent", "--no-save", "--no-package-lock"];
    run_command(project.command("npm").args(install).arg(tarball).current_dir(project.path(PROJECTS)))?;
    test_in_chromium(project, PROJECTS, "test")?;
    Ok(Outcome::Passed)
}

/// Measures the package in Chromium, against the gateway that was built as people run it.
pub(crate) fn bench_in_browser(project: &Project) -> Result {
    wasm::build(project)?;
    run_in_chromium(project, PACKAGE, "bench", "release")
}

fn test_in_chromium(project: &Project, package: &str, script: &str) -> Result {
    project.build_programs()?;
    run_in_chromium(project, package, script, "debug")
}

fn run_in_chromium(project: &Project, package: &str, script: &str, profile: &str) -> Result {
    let chromium = tools::chromium(project)?;
    let programs = [("OUTPOUR", project.binary(profile, "outpour")), ("CHROMIUM", chromium.into())];
    let npm = ["run", "--silent", script];
    run_command(project.command("npm").args(npm).current_dir(project.path(package)).envs(programs))
}
