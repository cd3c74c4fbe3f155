//! What it takes to tell a client that is some updates behind: the updates one by one, all as one, or the whole value.

use std::collections::HashMap;
use std::io::{self, Write};
use std::time::Instant;

use bytes::Bytes;
use outpour_core::delta::{self, DeltaError, Encoder};
use serde::Serialize;

/// By how many updates the clients are behind.
const BEHIND: [usize; 4] = [2, 4, 8, 32];

/// What was measured of the clients that are so many updates behind, in all topics: sums.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Behind {
    /// By how many updates a client is behind.
    pub(crate) updates: usize,
    /// How many times a client was.
    pub(crate) times: u64,
    /// The bytes of the updates one by one, each as a delta or whole, whichever is smaller.
    pub(crate) chain_bytes: u64,
    /// The bytes of the composed delta.
    pub(crate) merged_bytes: u64,
    /// Those of a delta made of the two values, which a gateway would have to keep.
    pub(crate) direct_bytes: u64,
    /// Those of the whole value.
    pub(crate) whole_bytes: u64,
    /// The bytes of the smallest of chain, merged delta and whole value.
    pub(crate) told_bytes: u64,
    /// The mean time to compose the delta, in microseconds.
    pub(crate) compose_us: f64,
}

/// The updates of a feed's topics, gathered until a client that is behind would be told of them.
#[derive(Default)]
pub(crate) struct Laggards {
    encoder: Encoder,
    topics: HashMap<String, [Lag; BEHIND.len()]>,
    sums: [Behind; BEHIND.len()],
}

/// A client that falls behind, is told, and falls behind again.
#[derive(Default)]
struct Lag {
    base: Bytes,
    deltas: Vec<Vec<u8>>,
    chain: usize,
}

impl Laggards {
    /// Takes in an update of a topic.
    ///
    /// # Errors
    /// If the composed deltas are refused; `None` if they make another value.
    pub(crate) fn add(&mut self, topic: &str, base: &Bytes, target: &Bytes) -> Result<(), Option<DeltaError>> {
        let mut delta = Vec::new();
        self.encoder.encode(base, target, &mut delta);
        let lags = self.topics.entry(topic.to_owned()).or_default();
        for ((lag, sum), updates) in lags.iter_mut().zip(&mut self.sums).zip(BEHIND) {
            if lag.deltas.is_empty() {
                lag.base = base.clone();
            }
            lag.chain += delta.len().min(target.len());
            lag.deltas.push(delta.clone());
            if lag.deltas.len() == updates {
                tell(&std::mem::take(lag), target, &mut self.encoder, sum)?;
            }
        }
        Ok(())
    }

    /// The figures of each number of updates that a client was behind by.
    pub(crate) fn report(self) -> Vec<Behind> {
        let mean = |sum: &Behind| (sum.compose_us / sum.times.max(1) as f64 * 1e3).round() / 1e3;
        BEHIND
            .into_iter()
            .zip(self.sums)
            .map(|(updates, sum)| Behind { updates, compose_us: mean(&sum), ..sum })
            .collect()
    }
}

fn tell(lag: &Lag, target: &Bytes, encoder: &mut Encoder, sum: &mut Behind) -> Result<(), Option<DeltaError>> {
    let deltas: Vec<&[u8]> = lag.deltas.iter().map(Vec::as_slice).collect();
    let start = Instant::now();
    let merged = compose(&deltas)?;
    sum.compose_us += start.elapsed().as_secs_f64() * 1e6;
    let mut value = Vec::new();
    delta::apply(&lag.base, &merged, target.len(), &mut value)?;
    if value != *target {
        return Err(None);
    }
    let mut direct = Vec::new();
    encoder.encode(&lag.base, target, &mut direct);
    sum.times += 1;
    sum.chain_bytes += lag.chain as u64;
    sum.merged_bytes += merged.len() as u64;
    sum.direct_bytes += direct.len() as u64;
    sum.whole_bytes += target.len() as u64;
    sum.told_bytes += lag.chain.min(merged.len()).min(target.len()) as u64;
    Ok(())
}

/// Composes deltas by halves, as a gateway does.
fn compose(deltas: &[&[u8]]) -> Result<Vec<u8>, DeltaError> {
    if let [delta] = deltas {
        return Ok(delta.to_vec());
    }
    let (earlier, later) = deltas.split_at(deltas.len() / 2);
    let mut merged = Vec::new();
    delta::compose(&compose(earlier)?, &compose(later)?, usize::MAX, &mut merged)?;
    Ok(merged)
}

/// Prints the figures of the feeds, a line for each number of updates.
pub(crate) fn write_table<'a>(
    feeds: impl Iterator<Item = (&'a str, &'a [Behind])>,
    width: usize,
    out: &mut impl Write,
) -> io::Result<()> {
    writeln!(
        out,
        "\n{:width$}  {:>6}  {:>9}  {:>9}  {:>9}  {:>9}  {:>9}  {:>10}",
        "feed", "behind", "chain B", "merged B", "direct B", "whole B", "told B", "compose µs"
    )?;
    for (name, report) in feeds {
        for behind in report.iter().filter(|behind| behind.times > 0) {
            let mean = |bytes: u64| bytes as f64 / behind.times as f64;
            writeln!(
                out,
                "{name:width$}  {:>6}  {:>9.1}  {:>9.1}  {:>9.1}  {:>9.1}  {:>9.1}  {:>10.2}",
                behind.updates,
                mean(behind.chain_bytes),
                mean(behind.merged_bytes),
                mean(behind.direct_bytes),
                mean(behind.whole_bytes),
                mean(behind.told_bytes),
                behind.compose_us,
            )?;
        }
    }
    Ok(())
}
