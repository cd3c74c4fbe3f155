//! `cargo xtask fuzz`: each fuzz target for a while, with coverage guidance and the address sanitizer.

use std::{env, ffi::OsString, fs, path::Path, process::Command};

use clap::Args;

use crate::{
    Result,
    project::{Project, run as run_command},
    test::Outcome,
    tools,
};

/// The package of the fuzz targets, which is no member of the workspace.
pub(crate) const MANIFEST: &str = "tests/fuzz/Cargo.toml";

/// In CI a target runs for this long: enough to go through what was found before and a little further.
const SECONDS_IN_CI: u32 = 10;

/// What to fuzz, and for how long.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// The targets to run (all of `tests/fuzz/fuzz_targets`)
    targets: Vec<String>,
    /// How long each target runs
    #[arg(long, default_value_t = 60, value_parser = clap::value_parser!(u32).range(1..))]
    seconds: u32,
}

/// Fuzzes the targets asked for.
pub(crate) fn run(project: &Project, options: &Options) -> Result {
    let all = targets(project)?;
    if let Some(unknown) = options.targets.iter().find(|target| !all.contains(target)) {
        return Err(format!("There is no fuzz target {unknown}; there are {}.", all.join(", ")));
    }
    if !tools::has_nightly() {
        return Err("Fuzzing needs a nightly compiler; install one with `rustup toolchain install nightly`.".into());
    }
    let targets = if options.targets.is_empty() { &all } else { &options.targets };
    // libFuzzer's own view of its progress.
    fuzz(project, targets, options.seconds, "-verbosity=1")
}

/// Fuzzes all targets for a short time; without a nightly compiler they are at least built and given their seeds.
pub(crate) fn check(project: &Project) -> Result<Outcome> {
    if !project.path("tests/fuzz/fuzz_targets").is_dir() {
        return Ok(Outcome::Absent("there is no tests/fuzz/fuzz_targets".into()));
    }
    let all = targets(project)?;
    if tools::has_nightly() {
        fuzz(project, &all, SECONDS_IN_CI, "-verbosity=0")?;
        return Ok(Outcome::Passed);
    }
    replay_seeds(project, &all)?;
    Ok(Outcome::Absent(
        "built and given their seeds only, because fuzzing needs a nightly compiler; install one with \
         `rustup toolchain install nightly`"
            .into(),
    ))
}

/// The names of the targets, in order.
fn targets(project: &Project) -> Result<Vec<String>> {
    let folder = project.path("tests/fuzz/fuzz_targets");
    let mut names: Vec<_> = fs::read_dir(&folder)
        .map_err(|error| format!("Can't list {}: {error}.", folder.display()))?
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.extension().is_some_and(|extension| extension == "rs"))
        .filter_map(|path| Some(path.file_stem()?.to_str()?.to_owned()))
        .collect();
    names.sort();
    Ok(names)
}

fn fuzz(project: &Project, targets: &[String], seconds: u32, verbosity: &str) -> Result {
    let tool = tools::FUZZ.locate(project)?;
    let time = format!("-max_total_time={seconds}");
    run_command(nightly(project, &tool).args(["build", "--fuzz-dir", "tests/fuzz"]))?;
    for target in targets {
        println!("--> {target}, {seconds} s");
        let mut command = nightly(project, &tool);
        command.args(["run", "--fuzz-dir", "tests/fuzz", target.as_str()]);
        // libFuzzer keeps what it finds in the first folder and only reads the others.
        let seeds = format!("tests/fuzz/seeds/{target}");
        if project.path(&seeds).is_dir() {
            let found = format!("tests/fuzz/corpus/{target}");
            fs::create_dir_all(project.path(&found)).map_err(|error| format!("Can't create {found}: {error}."))?;
            command.args([found, seeds]);
        }
        run_command(command.args(["--", &time, verbosity, "-print_final_stats=1"])).map_err(|error| {
            format!("{error} The input that did it is in tests/fuzz/artifacts/{target}; run the target on it again.")
        })?;
    }
    Ok(())
}

/// `cargo fuzz` under the nightly compiler, which need not be the default.
fn nightly(project: &Project, tool: &Path) -> Command {
    let inherited = env::var_os("PATH").unwrap_or_default();
    let path = tool.parent().map(Path::to_path_buf).into_iter().chain(env::split_paths(&inherited));
    let mut command = project.command("rustup");
    command.args(["run", "nightly", "cargo", "fuzz"]).env_remove("CARGO");
    command.env("PATH", env::join_paths(path).unwrap_or_else(|_| OsString::new()));
    command
}

/// Builds the targets with the stable compiler, without guidance, and runs each on its seeds.
fn replay_seeds(project: &Project, targets: &[String]) -> Result {
    run_command(&mut project.cargo(["build", "--manifest-path", MANIFEST]))?;
    for target in targets {
        let seeds = project.path("tests/fuzz/seeds").join(target);
        let Ok(entries) = fs::read_dir(&seeds) else { continue };
        let files = entries.filter_map(|entry| Some(entry.ok()?.path()));
        let mut command = project.cargo(["run", "--manifest-path", MANIFEST, "--bin", target, "--"]);
        run_command(command.args(files))?;
    }
    Ok(())
}
