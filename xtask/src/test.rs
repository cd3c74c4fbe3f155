//! `cargo xtask test`: every test, in order, each with its time; the first that fails ends it.

use std::time::{Duration, Instant};

use clap::Args;

use crate::{
    Result, conformance, fuzz, interop, layers, mentions, npm, page, parity,
    project::{Project, run as run_command},
    python, size, tools, wasi,
};

/// What to test.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Run these steps alone, by name
    #[arg(long, value_name = "STEP", value_parser = clap::builder::PossibleValuesParser::new(STEPS.iter().map(|step| step.name)))]
    only: Vec<String>,
}

/// How a step ended that did not fail.
pub(crate) enum Outcome {
    Passed,
    /// Not run, and why.
    Absent(String),
}

struct Step {
    name: &'static str,
    run: fn(&Project) -> Result<Outcome>,
}

/// Cheap steps first, and builds in an order in which each reuses the one before.
const STEPS: &[Step] = &[
    Step { name: "format", run: format },
    Step { name: "file-size", run: size::check },
    Step { name: "mentions", run: mentions::check },
    Step { name: "clippy", run: clippy },
    Step { name: "rustdoc", run: rustdoc },
    Step { name: "layers", run: layers::check },
    Step { name: "tests", run: tests },
    Step { name: "parity", run: parity::check },
    Step { name: "wasi", run: wasi::check },
    Step { name: "deny", run: deny },
    Step { name: "interop", run: interop::check },
    Step { name: "lint", run: npm::lint },
    Step { name: "npm", run: npm::check },
    Step { name: "browser", run: npm::check_in_browser },
    Step { name: "firefox", run: npm::check_in_firefox },
    Step { name: "conformance", run: conformance::check },
    Step { name: "packaging", run: npm::check_packaging },
    Step { name: "page", run: page::check },
    Step { name: "python", run: python::check },
    Step { name: "autobahn", run: autobahn },
    Step { name: "fuzz", run: fuzz::check },
];

/// Runs the steps and prints how long each took.
pub(crate) fn run(project: &Project, options: &Options) -> Result {
    let chosen = |step: &&Step| options.only.is_empty() || options.only.iter().any(|name| name == step.name);
    let start = Instant::now();
    let mut lines = Vec::new();
    for step in STEPS.iter().filter(chosen) {
        println!("==> {}", step.name);
        let begun = Instant::now();
        let outcome = (step.run)(project).map_err(|error| format!("step {} failed: {error}", step.name))?;
        let line = match outcome {
            Outcome::Passed => format!("{:<11} passed {:>9}", step.name, seconds(begun.elapsed())),
            Outcome::Absent(why) => format!("{:<11} NOT RUN: {why}", step.name),
        };
        println!("<== {line}");
        lines.push(line);
    }
    println!("\n{}\nAll steps are done in {}.", lines.join("\n"), seconds(start.elapsed()));
    Ok(())
}

fn seconds(duration: Duration) -> String {
    format!("{:.1} s", duration.as_secs_f64())
}

fn format(project: &Project) -> Result<Outcome> {
    run_command(&mut project.cargo(["fmt", "--all", "--check"]))
        .map_err(|error| format!("{error} Run `cargo fmt --all`."))?;
    // The fuzz targets are a workspace of their own.
    run_command(&mut project.cargo(["fmt", "--manifest-path", fuzz::MANIFEST, "--check"]))
        .map_err(|error| format!("{error} Run `cargo fmt --manifest-path {}`.", fuzz::MANIFEST))?;
    Ok(Outcome::Passed)
}

fn clippy(project: &Project) -> Result<Outcome> {
    run_command(&mut project.cargo(["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"]))?;
    Ok(Outcome::Passed)
}

fn rustdoc(project: &Project) -> Result<Outcome> {
    run_command(project.cargo(["doc", "--workspace", "--no-deps"]).env("RUSTDOCFLAGS", "-D warnings"))?;
    Ok(Outcome::Passed)
}

fn tests(project: &Project) -> Result<Outcome> {
    run_command(&mut project.cargo(["test", "--workspace"]))?;
    Ok(Outcome::Passed)
}

fn deny(project: &Project) -> Result<Outcome> {
    if !project.path("deny.toml").is_file() {
        return Ok(Outcome::Absent("there is no deny.toml".into()));
    }
    let deny = tools::DENY.locate(project)?;
    // The crates of every platform are looked at, and `--offline` downloads none.
    run_command(&mut project.cargo(["fetch"]))?;
    run_command(project.command(deny).args(["--offline", "check", "licenses", "bans", "sources"]))?;
    Ok(Outcome::Passed)
}

/// Sections 1-7 of the WebSocket test suite; the program itself says so where it can't be run.
fn autobahn(project: &Project) -> Result<Outcome> {
    if !project.path("tests/autobahn").is_dir() {
        return Ok(Outcome::Absent("there is no tests/autobahn".into()));
    }
    project.build_programs()?;
    let suite = project.binary("debug", "outpour-autobahn");
    run_command(project.command(suite).args(["--role", "both", "--cases", "1-7"]))?;
    Ok(Outcome::Passed)
}
