//! The project's chores: `cargo xtask test`, `demo`, `bench`, `wasm`, `package`, `docs`, `page`, `conformance`, `parity`,
//! `simulate`, `faults` and `fuzz`.

mod bench;
mod conformance;
mod demo;
mod faults;
mod fuzz;
mod interop;
mod layers;
mod mentions;
mod npm;
mod page;
mod parity;
mod project;
mod python;
mod simulate;
mod size;
mod test;
mod tools;
mod wasi;
mod wasm;

use std::{path::PathBuf, process::ExitCode};

use clap::{Parser, Subcommand};

use crate::project::Project;

/// What a chore that fails says: one sentence for the person who ran it.
type Result<T = ()> = std::result::Result<T, String>;

/// The project's chores.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Options {
    #[command(subcommand)]
    chore: Chore,
}

#[derive(Debug, Subcommand)]
enum Chore {
    /// Set up what the tests need and run every one of them, as CI does
    Test(test::Options),
    /// Build the page that the gateway shows to browsers; the next build of the program takes it in
    Page,
    /// Build the page and the program, and run its demo
    Demo(demo::Options),
    /// Let every SDK play the same scenarios against real gateways, and print which passes which
    Conformance(conformance::Options),
    /// Write docs/parity.md, which says what each SDK can do
    Parity,
    /// Let real gateways and clients suffer everything at once, at random from a seed
    Faults(faults::Options),
    /// Run sessions, gateways, logs and networks in virtual time, each run drawn from a seed
    Simulate(simulate::Options),
    /// Fuzz each target for a while
    Fuzz(fuzz::Options),
    /// Build the npm package: the core as WebAssembly, and the API around it
    Wasm,
    /// Make what is published: the tarball of the npm package, and the wheel of the Python package
    Package,
    /// Make the pages that document the npm package and the Python package
    Docs,
    /// Run the benchmarks whose figures the README quotes
    Bench(bench::Options),
}

/// Says where the chore's files are.
fn show(files: [PathBuf; 2]) -> Result<ExitCode> {
    for file in files {
        println!("{}", file.display());
    }
    Ok(ExitCode::SUCCESS)
}

fn main() -> ExitCode {
    let options = Options::parse();
    let done = Project::locate().and_then(|project| match options.chore {
        Chore::Test(options) => test::run(&project, &options).map(|()| ExitCode::SUCCESS),
        Chore::Page => page::build(&project).map(|()| ExitCode::SUCCESS),
        Chore::Demo(options) => demo::run(&project, &options),
        Chore::Conformance(options) => conformance::run(&project, &options).map(|()| ExitCode::SUCCESS),
        Chore::Parity => parity::write(&project).map(|()| ExitCode::SUCCESS),
        Chore::Faults(options) => faults::run(&project, &options).map(|()| ExitCode::SUCCESS),
        Chore::Simulate(options) => simulate::run(&project, &options).map(|()| ExitCode::SUCCESS),
        Chore::Fuzz(options) => fuzz::run(&project, &options).map(|()| ExitCode::SUCCESS),
        Chore::Wasm => wasm::build(&project).map(|()| ExitCode::SUCCESS),
        Chore::Package => npm::package(&project).and_then(|tarball| show([tarball, python::package(&project)?])),
        Chore::Docs => {
            wasm::build(&project).and_then(|()| show([npm::document(&project)?, python::document(&project)?]))
        }
        Chore::Bench(options) => bench::run(&project, &options).map(|()| ExitCode::SUCCESS),
    });
    done.unwrap_or_else(|error| {
        eprintln!("error: {error}");
        ExitCode::FAILURE
    })
}
