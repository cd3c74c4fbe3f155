//! The rules on what may depend on what: the core on nothing that does IO, and every layer on those below it alone.

use crate::{
    Result,
    project::{Project, output, run},
    test::Outcome,
    tools,
};

/// The crates that the core is made of. One more has to need no standard library, and a reason.
const CORE: [&str; 4] = ["outpour-core", "bytes", "cfg-if", "crc32fast"];

/// The project's crates that a layer may know, itself among them.
const LAYERS: [(&str, &[&str]); 4] = [
    ("outpour", &["outpour", "outpour-core"]),
    ("outpour-server", &["outpour-server", "outpour-core"]),
    ("outpour-wasm", &["outpour-wasm", "outpour-core"]),
    ("outpour-ffi", &["outpour-ffi", "outpour", "outpour-core"]),
];

/// Where browsers run, and a machine that has no standard library at all: what compiles there needs no clock,
/// randomness or threads of an operating system.
const TARGETS: [&str; 2] = ["wasm32-unknown-unknown", "wasm32v1-none"];

/// The core builds where there is no operating system, and the layers know only what they may.
pub(crate) fn check(project: &Project) -> Result<Outcome> {
    for target in TARGETS {
        tools::add_target(project, target)?;
        run(&mut project.cargo(["build", "--package", "outpour-core", "--target", target]))?;
    }
    for name in dependencies(project, "outpour-core")? {
        if !CORE.contains(&name.as_str()) {
            return Err(format!(
                "outpour-core depends on {name}; take it out, or add it to the list in xtask/src/layers.rs and say why."
            ));
        }
    }
    for (layer, known) in LAYERS {
        let names = dependencies(project, layer)?;
        let stranger = names.iter().find(|name| name.starts_with("outpour") && !known.contains(&name.as_str()));
        if let Some(stranger) = stranger {
            return Err(format!("{layer} depends on {stranger}, which is not below it; see ARCHITECTURE.md."));
        }
    }
    let loaded = direct_dependencies(project, "outpour-wasm")?;
    // What browsers load is made of the core alone: its size is decided by what is depended on.
    if let Some(other) = loaded.iter().find(|name| !CORE.contains(&name.as_str())) {
        return Err(format!("outpour-wasm depends on {other}; take it out."));
    }
    let exported = direct_dependencies(project, "outpour-ffi")?;
    // Other languages get what Rust gets: the rules of the protocol are out of reach there.
    if exported.iter().any(|name| name == "outpour-core") {
        return Err("outpour-ffi depends on outpour-core; export what the Rust SDK has.".into());
    }
    Ok(Outcome::Passed)
}

/// What a package names as its dependencies.
fn direct_dependencies(project: &Project, package: &str) -> Result<Vec<String>> {
    let what = ["tree", "--package", package, "--edges", "normal", "--depth", "1"];
    let tree = output(project.cargo(what).args(["--prefix", "none", "--format", "{p}"]))?;
    Ok(tree.lines().skip(1).filter_map(|line| Some(line.split(' ').next()?.to_owned())).collect())
}

/// A package and everything it is built with, on whatever system.
fn dependencies(project: &Project, package: &str) -> Result<Vec<String>> {
    let what = ["tree", "--package", package, "--edges", "normal", "--all-features", "--target", "all"];
    let tree = output(project.cargo(what).args(["--prefix", "none", "--format", "{p}"]))?;
    let mut names: Vec<_> = tree.lines().filter_map(|line| Some(line.split(' ').next()?.to_owned())).collect();
    names.sort();
    names.dedup();
    Ok(names)
}
