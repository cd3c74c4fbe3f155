//! The programs that chores need beside cargo: found, or installed where they leave the project's tree alone.

use std::{
    env,
    path::{Path, PathBuf},
    process::Command,
};

use crate::{
    Result,
    project::{Project, run, succeeds},
};

/// A program of a fixed version that cargo installs, kept in a folder of its own.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Tool {
    /// The program.
    name: &'static str,
    /// The package that it is in.
    package: &'static str,
    version: &'static str,
}

/// Checks licences, banned crates and where crates come from.
pub(crate) const DENY: Tool = Tool { name: "cargo-deny", package: "cargo-deny", version: "0.20.2" };

/// Builds and runs fuzz targets.
pub(crate) const FUZZ: Tool = Tool { name: "cargo-fuzz", package: "cargo-fuzz", version: "0.13.2" };

impl Tool {
    /// Where the tool is, after it was installed if need be.
    pub(crate) fn locate(self, project: &Project) -> Result<PathBuf> {
        let root = cache()?;
        let path = root.join("bin").join(self.name).with_extension(env::consts::EXE_EXTENSION);
        if self.is_current(&path) {
            return Ok(path);
        }
        if self.is_current(Path::new(self.name)) {
            return Ok(self.name.into());
        }
        println!("{} {} is missing; it is installed into {} once", self.package, self.version, root.display());
        // Unoptimised: it runs for seconds, and is built in a third of the time.
        let install = ["install", "--debug", "--locked", "--force", self.package, "--version", self.version, "--root"];
        run(project.cargo(install).arg(&root))?;
        Ok(path)
    }

    fn is_current(self, path: &Path) -> bool {
        let output = Command::new(path).arg("--version").output();
        output.is_ok_and(|output| String::from_utf8_lossy(&output.stdout).contains(self.version))
    }
}

/// The folder for tools and what they download: outside the project's tree, so that a clean checkout stays clean.
pub(crate) fn cache() -> Result<PathBuf> {
    let of = |name| env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    of("XDG_CACHE_HOME")
        .or_else(|| of("HOME").map(|home| home.join(".cache")))
        .map(|cache| cache.join("outpour-tools"))
        .ok_or_else(|| "Neither HOME nor XDG_CACHE_HOME is set; set one, so that tools can be kept there.".into())
}

/// Whether rustup has the nightly toolchain.
pub(crate) fn has_nightly() -> bool {
    succeeds(Command::new("rustup").args(["run", "nightly", "rustc", "--version"]))
}

/// Adds a compilation target where rustup rules the toolchain; elsewhere the build itself says what is missing.
pub(crate) fn add_target(project: &Project, target: &str) -> Result {
    add(project, "target", target)
}

/// Adds a part of the toolchain, as [`add_target`] does.
pub(crate) fn add_component(project: &Project, component: &str) -> Result {
    add(project, "component", component)
}

fn add(project: &Project, kind: &str, name: &str) -> Result {
    let installed = project.command("rustup").args([kind, "list", "--installed"]).output();
    match installed {
        Ok(output) if !String::from_utf8_lossy(&output.stdout).lines().any(|line| line == name) => {
            run(project.command("rustup").args([kind, "add", name]))
        }
        _ => Ok(()),
    }
}

/// The browser that pages are tried in, which is installed if need be.
pub(crate) fn chromium(project: &Project) -> Result<&'static str> {
    browser(project, "chromium", "/usr/bin/chromium")
}

/// The other one.
pub(crate) fn firefox(project: &Project) -> Result<&'static str> {
    browser(project, "firefox-esr", "/usr/bin/firefox-esr")
}

/// Debian's package, and where it puts the program.
fn browser(project: &Project, package: &str, program: &'static str) -> Result<&'static str> {
    if !Path::new(program).is_file() {
        install_packages(project, &[package])?;
    }
    Ok(program)
}

/// Installs Debian packages, as root; anybody else is told how.
pub(crate) fn install_packages(project: &Project, packages: &[&str]) -> Result {
    let wanted = packages.join(" ");
    let is_root = project.command("id").arg("-u").output().is_ok_and(|output| output.stdout.starts_with(b"0\n"));
    if !is_root || !succeeds(Command::new("apt-get").arg("--version")) {
        return Err(format!("The tests need {wanted}; install it (`apt-get install {wanted}` as root on Debian)."));
    }
    println!("{wanted} is missing; it is installed with apt-get");
    run(project.command("apt-get").args(["-qq", "update"]))?;
    run(project
        .command("apt-get")
        .env("DEBIAN_FRONTEND", "noninteractive")
        .args(["-qq", "-y", "--no-install-recommends", "install"])
        .args(packages))
}
