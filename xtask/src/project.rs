//! Where the project's files are, and how a chore runs programs in it.

use std::{
    env,
    ffi::OsStr,
    path::{Path, PathBuf},
    process::Command,
};

use crate::Result;

/// The project's folders.
#[derive(Debug)]
pub(crate) struct Project {
    root: PathBuf,
    binaries: PathBuf,
}

impl Project {
    /// Finds the project this program was built from, and cargo's output by where this program itself lies.
    pub(crate) fn locate() -> Result<Self> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().map(Path::to_path_buf);
        let own = env::current_exe().map_err(|error| format!("Can't tell where this program lies: {error}."))?;
        let binaries = own.parent().map(Path::to_path_buf);
        match (root, binaries) {
            (Some(root), Some(binaries)) => Ok(Self { root, binaries }),
            _ => Err("Can't tell where the project lies; run this with `cargo xtask` inside it.".into()),
        }
    }

    /// A path in the project.
    pub(crate) fn path(&self, inside: &str) -> PathBuf {
        self.root.join(inside)
    }

    /// Cargo's target folder.
    pub(crate) fn target(&self) -> &Path {
        self.binaries.parent().unwrap_or(&self.binaries)
    }

    /// A program of the project, built in `profile` (`debug`, `release`).
    pub(crate) fn binary(&self, profile: &str, name: &str) -> PathBuf {
        self.target().join(profile).join(name).with_extension(env::consts::EXE_EXTENSION)
    }

    /// Builds every program as the tests have them. Built alone, a package gets fewer features, and whatever it shares
    /// with the others is compiled once more.
    pub(crate) fn build_programs(&self) -> Result {
        run(&mut self.cargo(["build", "--workspace", "--bins", "--tests"]))
    }

    /// A command in the project's root.
    pub(crate) fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new(program);
        command.current_dir(&self.root);
        command
    }

    /// The cargo that runs this chore.
    pub(crate) fn cargo<const N: usize>(&self, arguments: [&str; N]) -> Command {
        let mut command = self.command(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        command.args(arguments);
        command
    }
}

/// Runs a command to its end with this program's own input and output; anything but success is an error.
pub(crate) fn run(command: &mut Command) -> Result {
    let status = command.status().map_err(|error| format!("{} could not be started: {error}.", shown(command)))?;
    if status.success() { Ok(()) } else { Err(format!("{} failed ({status}).", shown(command))) }
}

/// Whether a command can be run and succeeds; what it prints is not shown.
pub(crate) fn succeeds(command: &mut Command) -> bool {
    command.output().is_ok_and(|output| output.status.success())
}

/// What a command prints on standard output; anything but success is an error that shows its standard error.
pub(crate) fn output(command: &mut Command) -> Result<String> {
    let output = command.output().map_err(|error| format!("{} could not be started: {error}.", shown(command)))?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Err(format!("{} failed ({}): {}", shown(command), output.status, said.trim()))
}

fn shown(command: &Command) -> String {
    let program = Path::new(command.get_program()).file_name().unwrap_or_default();
    let words = std::iter::once(program).chain(command.get_args()).map(OsStr::to_string_lossy);
    format!("`{}`", words.collect::<Vec<_>>().join(" "))
}
