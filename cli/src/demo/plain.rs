//! The demo without a terminal: a line a second.

use std::error::Error;
use std::io::Write;
use std::time::Duration;

use super::Demo;
use super::model::{bytes, share};

/// Prints a line a second until the demo is over.
pub(super) async fn show(demo: &mut Demo) -> Result<(), Box<dyn Error>> {
    let mut out = std::io::stdout();
    writeln!(out, "gateway at {}; try from another terminal: {}", demo.model.url, demo.model.invitation())?;
    writeln!(out, "open {} in a browser", demo.model.page())?;
    let end = demo.end();
    let mut draw = tokio::time::Instant::now();
    loop {
        draw += Duration::from_secs(1);
        if !demo.follow_until(draw, end).await? {
            return Ok(());
        }
        let (updates, sent, full) = demo.model.rates();
        writeln!(
            out,
            "{:>4.0} s  {:>4} topics  {updates:>6.0} updates/s  {:>9}/s sent  {:>9}/s as full values  {:>7}",
            demo.model.elapsed().as_secs_f64(),
            demo.model.topics.len(),
            bytes(sent),
            bytes(full),
            share(sent, full),
        )?;
        out.flush()?;
    }
}
