//! Runs the Autobahn test suite, the reference for WebSocket implementations, against Outpour's two ends:
//!
//! - `--role server`: Autobahn's client talks to an echo server built on `outpour_server::websocket`;
//! - `--role client`: an echo client with the SDK's transport talks to Autobahn's server.
//!
//! ```text
//! cargo run -p outpour-autobahn -- --role server
//! cargo run -p outpour-autobahn -- --role client --cases 1-7
//! cargo run -p outpour-autobahn -- --role server --cases 6.4.*,9.3.1
//! ```
//!
//! The suite runs under Python 2.7 only. Where there is none, the program says so in one line that begins with
//! `NOT RUN:` and ends with success, so that a machine without it can still run the other checks.

mod client;
mod report;
mod server;
mod suite;

use std::{error::Error, process::ExitCode};

use clap::{Parser, ValueEnum};

use crate::suite::Suite;

type Result<T> = std::result::Result<T, Box<dyn Error + Send + Sync>>;

/// Run the Autobahn test suite against Outpour's WebSocket.
#[derive(Debug, Parser)]
struct Options {
    /// Which end of Outpour is tested
    #[arg(long, value_enum, default_value_t = Role::Both)]
    role: Role,
    /// Sections (`1-7`, `9`), cases (`6.4.*`) or a list of either; `all` stands for 1-7,9,10. Sections 12 and 13 test
    /// permessage-deflate, which Outpour doesn't negotiate
    #[arg(long, default_value = "all")]
    cases: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Role {
    Server,
    Client,
    Both,
}

fn main() -> ExitCode {
    match run(&Options::parse()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("The Autobahn suite could not be run: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Whether all cases passed, or could not be run here.
fn run(options: &Options) -> Result<bool> {
    let cases = patterns(&options.cases)?;
    let Some(suite) = Suite::install()? else {
        println!(
            "NOT RUN: the Autobahn suite needs Python 2.7, which is neither on the PATH (python2.7) nor in \
             ~/.pyenv/versions; install it (pyenv install 2.7.18) to run these cases."
        );
        return Ok(true);
    };
    let mut passed = true;
    if options.role != Role::Client {
        passed &= suite.test_server(&cases)?.print("server");
    }
    if options.role != Role::Server {
        passed &= suite.test_client(&cases)?.print("client");
    }
    Ok(passed)
}

/// Autobahn's patterns for `--cases`.
fn patterns(cases: &str) -> Result<Vec<String>> {
    let cases = if cases == "all" { "1-7,9,10" } else { cases };
    let mut patterns = Vec::new();
    for part in cases.split(',') {
        if let Some((first, last)) = part.split_once('-') {
            let wrong = |_| format!("{part:?} is not a range of sections such as 1-7");
            let (first, last) = (first.parse::<u32>().map_err(wrong)?, last.parse::<u32>().map_err(wrong)?);
            patterns.extend((first..=last).map(|section| format!("{section}.*")));
        } else if part.contains('.') {
            patterns.push(part.into());
        } else {
            patterns.push(format!("{part}.*"));
        }
    }
    Ok(patterns)
}

#[cfg(test)]
mod tests {
    use super::patterns;

    #[test]
    fn cases_become_patterns() {
        let of = |cases: &str| patterns(cases).map_err(|error| error.to_string());
        assert_eq!(of("6-7,9,6.4.*,1.1.1"), Ok(["6.*", "7.*", "9.*", "6.4.*", "1.1.1"].map(String::from).to_vec()));
        assert_eq!(of("all").map(|all| all.len()), Ok(9));
        assert!(of("a-b").is_err());
    }
}
