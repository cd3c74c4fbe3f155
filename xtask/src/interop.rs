//! The Python client written from `docs/protocol.md` alone, against the real gateway.

use crate::{
    Result,
    project::{Project, run, succeeds},
    test::Outcome,
    tools,
};

/// Builds the program, sets up the client's own Python environment and runs its tests.
pub(crate) fn check(project: &Project) -> Result<Outcome> {
    let tests = project.path("tests/interop");
    if !tests.join("requirements.txt").is_file() {
        return Ok(Outcome::Absent("there is no tests/interop/requirements.txt".into()));
    }
    let environment = project.target().join("interop-venv");
    let python = environment.join("bin/python");
    if !succeeds(project.command(&python).args(["-m", "pip", "--version"])) {
        if !succeeds(project.command("python3").args(["-c", "import venv, ensurepip"])) {
            tools::install_packages(project, &["python3", "python3-venv"])?;
        }
        run(project.command("python3").args(["-m", "venv", "--clear"]).arg(&environment))?;
    }
    let pip = ["-m", "pip", "--quiet", "--disable-pip-version-check", "install", "--requirement"];
    run(project.command(&python).args(pip).arg(tests.join("requirements.txt")))?;
    project.build_programs()?;
    run(project
        .command(&python)
        .args(["-m", "pytest", "-q", "-p", "no:cacheprovider", "tests/interop"])
        .env("OUTPOUR_BIN", project.binary("debug", "outpour"))
        .env("PYTHONDONTWRITEBYTECODE", "1"))?;
    Ok(Outcome::Passed)
}
