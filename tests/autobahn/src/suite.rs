//! The suite itself: a virtual environment under `target/autobahn` that is made once, and its two modes.

use std::{
    env,
    ffi::OsStr,
    fs::{self, File},
    net::{TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use serde_json::json;

use crate::{Result, client, report::Report, server};

const VIRTUALENV: &str = "virtualenv==20.15.1";
const SUITE: &str = "autobahntestsuite==25.10.1";

/// The name that the reports use for Outpour.
const AGENT: &str = "outpour";

pub(crate) struct Suite {
    directory: PathBuf,
}

impl Suite {
    /// Finds the suite or installs it; `None` if there is no Python 2.7.
    pub(crate) fn install() -> Result<Option<Self>> {
        let target = env::var_os("CARGO_TARGET_DIR")
            .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target"), PathBuf::from);
        let directory = target.join("autobahn");
        fs::create_dir_all(&directory)?;
        let directory = directory.canonicalize()?;
        let suite = Self { directory };

        // Written last, so that an installation that was interrupted is begun again.
        let installed = suite.directory.join("venv/installed");
        if fs::read_to_string(&installed).is_ok_and(|version| version == SUITE) {
            return Ok(Some(suite));
        }
        let Some(python) = python() else {
            return Ok(None);
        };
        eprintln!("Installing {SUITE} (once, about a minute).");
        let tool = suite.directory.join("virtualenv");
        let quiet = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check"];
        succeed(Command::new(&python).args(quiet).arg("--upgrade").arg("--target").arg(&tool).arg(VIRTUALENV))?;
        let venv = suite.directory.join("venv");
        let data = suite.directory.join("virtualenv-data");
        succeed(
            Command::new(&python)
                .env("PYTHONPATH", &tool)
                .args(["-m", "virtualenv", "--quiet", "--clear", "--app-data"])
                .args([&data, &venv]),
        )?;
        succeed(Command::new(venv.join("bin/python")).args(quiet).arg(SUITE))?;
        fs::write(installed, SUITE)?;
        Ok(Some(suite))
    }

    /// Lets Autobahn's client loose on the echo server.
    pub(crate) fn test_server(&self, cases: &[String]) -> Result<Report> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let url = format!("ws://{}", listener.local_addr()?);
        thread::spawn(move || server::serve(&listener));
        let reports = self.reports("server")?;
        let spec = json!({
            "servers": [{ "agent": AGENT, "url": url }],
            "outdir": reports,
            "cases": cases,
            "exclude-cases": [],
            "exclude-agent-cases": {},
        });
        succeed(&mut self.wstest("fuzzingclient", &reports, &spec)?)?;
        Report::read(&reports, AGENT)
    }

    /// Lets the echo client loose on Autobahn's server.
    pub(crate) fn test_client(&self, cases: &[String]) -> Result<Report> {
        // Autobahn can't report a port that the system chose, so one that was free a moment ago has to do.
        let address = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
        let url = format!("ws://{address}");
        let reports = self.reports("client")?;
        let spec = json!({
            "url": url,
            "outdir": reports,
            "cases": cases,
            "exclude-cases": [],
            "exclude-agent-cases": {},
        });
        let mut process = Running(self.wstest("fuzzingserver", &reports, &spec)?.args(["--webport", "0"]).spawn()?);
        let deadline = Instant::now() + Duration::from_secs(60);
        while TcpStream::connect(address).is_err() {
            if let Some(status) = process.0.try_wait()? {
                return Err(format!("wstest ended ({status}); see {}", reports.join("wstest.log").display()).into());
            }
            if Instant::now() > deadline {
                return Err("wstest did not open its port within a minute".into());
            }
            thread::sleep(Duration::from_millis(50));
        }
        let count = client::run(&url, AGENT)?;
        let report = Report::read(&reports, AGENT)?;
        if report.len() != count {
            return Err(format!("{count} cases were run, but {} are in the report", report.len()).into());
        }
        Ok(report)
    }

    /// An empty directory for the reports of `role`.
    fn reports(&self, role: &str) -> Result<PathBuf> {
        let reports = self.directory.join("reports").join(role);
        if reports.exists() {
            fs::remove_dir_all(&reports)?;
        }
        fs::create_dir_all(&reports)?;
        Ok(reports)
    }

    fn wstest(&self, mode: &str, reports: &Path, spec: &serde_json::Value) -> Result<Command> {
        let path = reports.join("spec.json");
        fs::write(&path, spec.to_string())?;
        let log = File::create(reports.join("wstest.log"))?;
        let mut command = Command::new(self.directory.join("venv/bin/wstest"));
        command.args(["--mode", mode, "--spec"]).arg(path).current_dir(reports);
        command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
        Ok(command)
    }
}

/// A process that ends with its owner.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        // Both fail only if it has ended already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A Python 2.7 that starts: `python2.7` may be a stub of pyenv's for a version that isn't selected.
fn python() -> Option<PathBuf> {
    let versions = env::home_dir().and_then(|home| fs::read_dir(home.join(".pyenv/versions")).ok());
    let in_pyenv = versions.into_iter().flatten().flatten().map(|version| version.path().join("bin/python2.7"));
    [PathBuf::from("python2.7")].into_iter().chain(in_pyenv).find(|python| {
        let mut probe = Command::new(python);
        probe.args(["-c", "import sys; sys.exit(sys.version_info[:2] != (2, 7))"]);
        probe.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        probe.status().is_ok_and(|status| status.success())
    })
}

fn succeed(command: &mut Command) -> Result<()> {
    // pip would mourn Python 2.7 at length.
    command.env("PIP_NO_PYTHON_VERSION_WARNING", "1");
    let status = command.status()?;
    if !status.success() {
        let words = [command.get_program()].into_iter().chain(command.get_args());
        let line: Vec<_> = words.map(OsStr::to_string_lossy).collect();
        return Err(format!("`{}` ended with {status}", line.join(" ")).into());
    }
    Ok(())
}
