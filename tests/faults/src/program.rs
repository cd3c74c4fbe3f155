//! The `outpour` program that is tested.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::time::SystemTime;

/// The folders whose code is in the program.
const SOURCES: [&str; 4] = ["core", "client", "server", "cli"];

/// The program, built anew if it is older than its code. `OUTPOUR_PROGRAM` names another one.
pub(crate) fn program() -> &'static Path {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    PROGRAM.get_or_init(|| {
        if let Some(path) = std::env::var_os("OUTPOUR_PROGRAM") {
            return path.into();
        }
        let own = std::env::current_exe().unwrap();
        let folder = own.ancestors().skip(1).find(|folder| !folder.ends_with("deps")).unwrap();
        let path = folder.join("outpour").with_extension(std::env::consts::EXE_EXTENSION);
        if !is_current(&path) {
            build(folder);
        }
        path
    })
}

/// The project's folder.
fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).unwrap()
}

fn is_current(program: &Path) -> bool {
    let Ok(built) = program.metadata().and_then(|metadata| metadata.modified()) else { return false };
    SOURCES.iter().all(|source| newest(&root().join(source).join("src")) <= built)
}

fn newest(folder: &Path) -> SystemTime {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap());
    let times = entries.map(|entry| match entry.file_type().unwrap().is_dir() {
        true => newest(&entry.path()),
        false => entry.metadata().and_then(|metadata| metadata.modified()).unwrap(),
    });
    times.max().unwrap_or(SystemTime::UNIX_EPOCH)
}

fn build(folder: &Path) {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command.current_dir(root()).args(["build", "--package", "outpour-cli"]);
    if folder.ends_with("release") {
        command.arg("--release");
    }
    assert!(command.status().unwrap().success(), "the program that is tested can't be built");
}
