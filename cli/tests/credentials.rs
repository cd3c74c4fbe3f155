//! Tokens on the command line, against a gateway that demands them.

#![allow(clippy::unwrap_used, reason = "a test may end in a panic")]

use std::fs;
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Output, Stdio};

const TOKEN: &str = "the token of somebody";

fn outpour(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_outpour"));
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("OUTPOUR_")) {
        command.env_remove(name);
    }
    command.args(arguments);
    command
}

struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _gone = self.0.kill();
        let _reaped = self.0.wait();
    }
}

fn told(command: &mut Command) -> (Option<i32>, String) {
    let Output { status, stdout, stderr } = command.output().unwrap();
    (status.code(), String::from_utf8([stdout, stderr].concat()).unwrap())
}

#[test]
fn commands_show_a_token() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("gateway.toml");
    let config = format!(
        "listen = '127.0.0.1:0'\nlog = 'off'\n[auth]\nrequired = true\n[[auth.token]]\ntoken = '{TOKEN}'\n\
         principal = 'somebody'\n"
    );
    fs::write(&file, config).unwrap();
    let mut command = outpour(&["serve", "--config"]);
    let mut gateway = Running(command.arg(&file).stdout(Stdio::piped()).spawn().unwrap());
    let mut line = String::new();
    BufReader::new(gateway.0.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let url = line.trim_end().strip_prefix("listening on ").unwrap();

    for wrong in [&["get", url, "a"][..], &["get", url, "a", "--token", "another token"]] {
        let (code, said) = told(&mut outpour(wrong));
        assert_eq!(code, Some(1));
        assert!(said.contains("(unauthenticated, 4116)") && !said.contains("another token"), "{said}");
    }
    let (code, said) = told(&mut outpour(&["pub", url, "a", "hello", "--token", TOKEN]));
    assert_eq!(code, Some(0), "{said}");
    let (code, said) = told(outpour(&["get", url, "a"]).env("OUTPOUR_TOKEN", TOKEN));
    assert_eq!((code, said.contains("hello")), (Some(0), true), "{said}");
    let (code, said) = told(outpour(&["sub", url, "a", "--count", "1"]).env("OUTPOUR_TOKEN", TOKEN));
    assert_eq!((code, said.contains("hello")), (Some(0), true), "{said}");
    // Help does not show what the variable holds.
    let (_, said) = told(outpour(&["get", "--help"]).env("OUTPOUR_TOKEN", TOKEN));
    assert!(said.contains("OUTPOUR_TOKEN") && !said.contains(TOKEN), "{said}");
}
