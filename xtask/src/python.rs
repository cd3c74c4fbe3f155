//! The Python package: its wheel built and installed as people install it, tested against real gateways, its types and style
//! checked, and documented.

use std::{
    fs,
    path::{Path, PathBuf},
};

use crate::{
    Result,
    project::{Project, output, run},
    test::Outcome,
    tools,
};

/// The package.
const PACKAGE: &str = "bindings/python";

/// Programs that use it.
const EXAMPLES: &str = "examples/python";

/// Whether this Python is one that the package is for, and can make environments.
const SUITS: &str = "import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 10))";

/// Builds the wheel, installs it in an environment of its own, and runs everything there.
pub(crate) fn check(project: &Project) -> Result<Outcome> {
    let python = Environment::set_up(project)?;
    let wheel = python.build_wheel("dev")?;
    python.install(&wheel)?;
    python.check_style()?;
    python.check_types(&wheel)?;
    project.build_programs()?;
    let pytest = ["-m", "pytest", "-p", "no:cacheprovider", "--config-file"];
    let config = python.path("pyproject.toml");
    // In a folder of its own: what is imported is what was installed.
    run(python
        .command(&pytest)
        .args([config, python.path("tests")])
        .current_dir(&python.folder)
        .env("OUTPOUR", project.binary("debug", "outpour"))
        .env("PYTHONDONTWRITEBYTECODE", "1"))?;
    python.document()?;
    Ok(Outcome::Passed)
}

/// Makes the wheel that is published, and says where it is.
pub(crate) fn package(project: &Project) -> Result<PathBuf> {
    Environment::set_up(project)?.build_wheel("release")
}

/// Makes the pages that document the package, and says where they begin.
pub(crate) fn document(project: &Project) -> Result<PathBuf> {
    let python = Environment::set_up(project)?;
    let wheel = python.build_wheel("dev")?;
    python.install(&wheel)?;
    python.document()
}

/// A Python with the package's tools, apart from the one of the system.
struct Environment<'a> {
    project: &'a Project,
    /// Everything that is made goes here.
    folder: PathBuf,
}

impl<'a> Environment<'a> {
    fn set_up(project: &'a Project) -> Result<Self> {
        let environment = Self { project, folder: project.target().join("python") };
        let suits = |python: &Path| {
            let tried = project.command(python).args(["-c", SUITS]).output();
            tried.is_ok_and(|tried| tried.status.success())
        };
        if !suits(&environment.program()) {
            if !suits(Path::new("python3")) {
                tools::install_packages(project, &["python3", "python3-venv"])?;
            }
            if !suits(Path::new("python3")) {
                return Err("The Python package needs Python 3.10 or later: install one as `python3`.".into());
            }
            let venv = ["-m", "venv", "--clear"];
            run(project.command("python3").args(venv).arg(environment.folder.join("venv")))?;
        }
        run(environment.pip(&["install", "--requirement"]).arg(environment.path("requirements.txt")))?;
        Ok(environment)
    }

    fn program(&self) -> PathBuf {
        self.folder.join("venv/bin/python")
    }

    fn path(&self, inside: &str) -> PathBuf {
        self.project.path(PACKAGE).join(inside)
    }

    fn command(&self, arguments: &[&str]) -> std::process::Command {
        let mut command = self.project.command(self.program());
        command.args(arguments);
        command
    }

    fn pip(&self, arguments: &[&str]) -> std::process::Command {
        let mut pip = self.command(&["-m", "pip", "--quiet", "--disable-pip-version-check"]);
        pip.args(arguments);
        pip
    }

    /// The wheel, with the library built in `profile`. One that was there before is none of this build's.
    fn build_wheel(&self, profile: &str) -> Result<PathBuf> {
        let wheels = self.folder.join(profile);
        if wheels.exists() {
            fs::remove_dir_all(&wheels).map_err(|error| format!("{} can't be emptied: {error}.", wheels.display()))?;
        }
        let build = ["-m", "maturin", "build", "--quiet", "--profile", profile, "--out"];
        // maturin would build somewhere else, from the beginning.
        let target = ("CARGO_TARGET_DIR", self.project.target());
        run(self.command(&build).arg(&wheels).current_dir(self.path("")).envs([target]))?;
        let found = fs::read_dir(&wheels).ok().and_then(|files| files.flatten().map(|file| file.path()).next());
        found.ok_or_else(|| format!("maturin made no wheel in {}.", wheels.display()))
    }

    fn install(&self, wheel: &Path) -> Result {
        run(self.pip(&["install", "--force-reinstall", "--no-deps"]).arg(wheel))
    }

    fn check_style(&self) -> Result {
        let places = [self.path(""), self.project.path(EXAMPLES)];
        let config = self.path("pyproject.toml");
        for what in [&["format", "--check"][..], &["check"]] {
            let mut ruff = self.command(&["-m", "ruff"]);
            ruff.args(what).args(["--quiet", "--no-cache", "--config"]).arg(&config).args(&places);
            run(&mut ruff).map_err(|error| format!("{error} `ruff {}` with that configuration mends it.", what[0]))?;
        }
        Ok(())
    }

    /// Checks the types of the package as it is in the wheel, and of what uses it.
    fn check_types(&self, wheel: &Path) -> Result {
        let unpacked = self.folder.join("unpacked");
        run(self.command(&["-m", "zipfile", "--extract"]).args([wheel, &unpacked]))?;
        let config = self.path("pyproject.toml");
        let mypy = |search: &[&Path], what: &[PathBuf]| {
            let search = std::env::join_paths(search).map_err(|error| error.to_string())?;
            let mut command = self.command(&["-m", "mypy", "--no-error-summary", "--config-file"]);
            run(command.arg(&config).args(what).current_dir(&self.folder).env("MYPYPATH", search))
        };
        let tests = self.path("tests");
        mypy(&[&unpacked, &tests], &[unpacked.join("outpour"), tests.clone()])?;
        // Programs, each of its own.
        for example in output(self.project.command("git").args(["ls-files", "--", EXAMPLES]))?.lines() {
            if example.ends_with(".py") {
                mypy(&[&unpacked], &[self.project.path(example)])?;
            }
        }
        Ok(())
    }

    fn document(&self) -> Result<PathBuf> {
        let site = self.folder.join("site");
        let pdoc = ["-m", "pdoc", "--docformat", "markdown", "outpour", "--output-directory"];
        run(self.command(&pdoc).arg(&site).current_dir(&self.folder))?;
        Ok(site.join("index.html"))
    }
}
