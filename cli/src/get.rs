//! `outpour get`: current values, once.

use std::error::Error;
use std::io::{self, BufWriter, IsTerminal, Write};

use outpour::Selector;

use crate::access::Access;
use crate::output::{self, Style};

/// Options of `outpour get`.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    access: Access,
    /// Which topics: paths in which * stands for one segment and ** for any number
    #[arg(required = true, value_name = "SELECTOR")]
    selectors: Vec<String>,
    /// Print JSON, an object a line
    #[arg(long)]
    jsonl: bool,
}

/// Prints current values. A path without a value is a failure; a selector may match nothing.
pub(crate) async fn run(arguments: &Arguments) -> Result<(), Box<dyn Error>> {
    let session = arguments.access.connect().await?;
    let style = Style { jsonl: arguments.jsonl, colours: io::stdout().is_terminal() };
    let mut out = BufWriter::new(io::stdout().lock());
    let mut missing = None;
    for selector in &arguments.selectors {
        let items = session.fetch(selector).await?;
        if items.is_empty() && Selector::new(selector).is_ok_and(|selector| selector.exact().is_some()) {
            missing = Some(selector);
        }
        for item in &items {
            output::write_fetched(&mut out, item, style)?;
        }
    }
    out.flush()?;
    session.close().await;
    match missing {
        Some(path) => Err(format!("there is no value at {path}: publish one with `outpour pub`").into()),
        None => Ok(()),
    }
}
