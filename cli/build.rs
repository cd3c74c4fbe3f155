//! Puts the console's page into the program, if it has been built: `cargo xtask page` makes it. No other tool than cargo is
//! needed without it.

#![allow(clippy::unwrap_used, reason = "a build script says what is wrong by a panic")]

use std::path::{Path, PathBuf};
use std::{env, fs};

/// The endings of files that are others compressed, and the name of the encoding, the smallest first.
const ENCODINGS: [(&str, &str); 2] = [(".br", "br"), (".gz", "gzip")];

fn main() {
    let built = Path::new(&env::var_os("CARGO_MANIFEST_DIR").unwrap()).join("../page/dist");
    println!("cargo::rerun-if-changed={}", built.display());
    let root = built.join("site");
    let mut files = Vec::new();
    if root.is_dir() {
        collect(&root, &mut files);
    }
    files.sort();
    let mut list = String::from("&[\n");
    for file in &files {
        let path = file.strip_prefix(&root).unwrap().to_str().unwrap().replace('\\', "/");
        if ENCODINGS.iter().any(|(ending, _)| path.ends_with(ending)) {
            continue;
        }
        let mut encoded = String::new();
        for (ending, encoding) in ENCODINGS {
            let variant = PathBuf::from(format!("{}{ending}", file.display()));
            if variant.is_file() {
                encoded.push_str(&format!("({encoding:?}, include_bytes!({variant:?})), "));
            }
        }
        list.push_str(&format!(
            "    Embedded {{ path: {path:?}, body: include_bytes!({file:?}), encoded: &[{encoded}] }},\n"
        ));
    }
    list.push(']');
    fs::write(Path::new(&env::var_os("OUT_DIR").unwrap()).join("console.rs"), list).unwrap();
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { collect(&path, files) } else { files.push(path) }
    }
}
