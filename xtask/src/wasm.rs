//! `cargo xtask wasm`: the core as WebAssembly, and around it the npm package.

use std::{fs, path::PathBuf, process::Command};

use crate::{
    Result,
    project::{Project, run, succeeds},
    tools,
};

/// Where browsers run.
const TARGET: &str = "wasm32-unknown-unknown";
/// The npm package.
pub(crate) const PACKAGE: &str = "bindings/js";

/// The standard library is compiled along, for size as well: the one that comes with the compiler is made for speed. Stable
/// compilers do so only where `RUSTC_BOOTSTRAP` is set.
const STANDARD_LIBRARY: [&str; 2] = ["-Zbuild-std=std,panic_abort", "-Zbuild-std-features=optimize_for_size"];
/// A panic traps at once. Nobody could read what it says, nor where it was.
const PANICS: &str = "-Zunstable-options -Cpanic=immediate-abort -Zlocation-detail=none -Zfmt-debug=none";

/// Builds the package into `bindings/js/dist`.
pub(crate) fn build(project: &Project) -> Result {
    install_packages(project, PACKAGE)?;
    module(project)?;
    npm(project, PACKAGE, &["run", "--silent", "build"])
}

/// Builds the module into `bindings/js/src/wasm`.
fn module(project: &Project) -> Result {
    tools::add_target(project, TARGET)?;
    tools::add_component(project, "rust-src")?;
    let build =
        ["rustc", "--profile", "wasm", "--package", "outpour-wasm", "--crate-type", "cdylib", "--target", TARGET];
    run(project.cargo(build).args(STANDARD_LIBRARY).env("RUSTFLAGS", PANICS).env("RUSTC_BOOTSTRAP", "1"))?;
    let built = project.target().join(TARGET).join("wasm/outpour_wasm.wasm");
    let folder = project.path(PACKAGE).join("src/wasm");
    let optimizer = project.path(PACKAGE).join("node_modules/.bin/wasm-opt");
    // What is inlined into its only caller, or because it is short, compresses worse than a call; so do alignments.
    let inlining = ["--one-caller-inline-max-function-size=0", "--always-inline-max-function-size=4"];
    // Nothing lies in the first KiB but the far end of the stack, so that addresses may be put into loads and stores.
    let memory = "--low-memory-unused";
    let stripping = ["--strip-debug", "--strip-producers", "--strip-target-features", "--dealign"];
    let mut optimize = project.command(optimizer);
    optimize.args(inlining).args([memory, "-Oz", "--converge"]).args(stripping);
    run(optimize.arg("--output").arg(folder.join("outpour.wasm")).arg(built))
}

/// Installs what a package's lock file names, unless that has been done.
pub(crate) fn install_packages(project: &Project, package: &str) -> Result {
    if !succeeds(Command::new("npm").arg("--version")) {
        tools::install_packages(project, &["nodejs", "npm"])?;
    }
    let folder = project.path(package);
    let lock = |path: PathBuf| fs::metadata(path).and_then(|file| file.modified()).ok();
    let wanted = lock(folder.join("package-lock.json"));
    if wanted.is_some() && lock(folder.join("node_modules/.package-lock.json")) >= wanted {
        return Ok(());
    }
    npm(project, package, &["ci", "--silent", "--no-audit", "--no-fund"])
}

/// Runs npm in a package.
pub(crate) fn npm(project: &Project, package: &str, arguments: &[&str]) -> Result {
    run(project.command("npm").args(arguments).current_dir(project.path(package)))
}
