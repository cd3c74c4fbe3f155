//! `outpour bench delta`: how much smaller a feed's deltas are than its values, and what they cost to make and apply.

use std::collections::HashMap;
use std::io::{self, Write};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::time::Instant;

use bytes::Bytes;
use outpour_core::delta::{self, DeltaError, Encoder};
use serde::Serialize;

use super::behind::{self, Behind, Laggards};
use crate::feed::{Feed, FeedError};

/// How many bytes of values are held for one measurement.
const BATCH_BYTES: usize = 16 << 20;
/// Each batch is measured this often and the fastest counts: whatever else the machine does only makes it slower.
const PASSES: usize = 3;

/// Measures each feed and prints the figures: a table, or with `json` an array of objects.
///
/// # Errors
/// If a feed cannot be read, if a delta does not lead back to its value, or if the figures cannot be printed.
pub(crate) fn run(files: &[PathBuf], json: bool) -> Result<(), DeltaBenchError> {
    let reports = files.iter().map(|file| measure(file)).collect::<Result<Vec<_>, _>>()?;
    let mut out = io::stdout().lock();
    if json {
        serde_json::to_writer(&mut out, &reports).map_err(io::Error::from)?;
        writeln!(out)?;
    } else {
        write_table(&reports, &mut out)?;
    }
    Ok(())
}

/// Why a feed's deltas cannot be measured.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DeltaBenchError {
    #[error(transparent)]
    Feed(#[from] FeedError),
    #[error("a delta of {topic} is refused, which is a defect in Outpour: {error}")]
    Refused { topic: String, error: DeltaError },
    #[error("a delta of {topic} makes another value than the one it was made from, which is a defect in Outpour")]
    Differs { topic: String },
    #[error("cannot print the figures: {0}")]
    Print(#[from] io::Error),
}

/// What was measured of one feed. Only updates after the first value of a topic count.
#[derive(Debug, Default, Serialize)]
struct Report {
    file: String,
    topics: usize,
    updates: u64,
    /// The bytes of all their values.
    full_bytes: u64,
    /// The same, as deltas where these are smaller.
    sent_bytes: u64,
    /// The mean time to encode one update, in microseconds.
    encode_us: f64,
    /// The mean time to apply one.
    apply_us: f64,
    /// What clients are told that are some updates behind.
    behind: Vec<Behind>,
}

fn measure(file: &Path) -> Result<Report, DeltaBenchError> {
    let mut bench = Bench::default();
    let mut values: HashMap<String, Bytes> = HashMap::new();
    let mut laggards = Laggards::default();
    let mut report = Report { file: file.display().to_string(), ..Report::default() };
    for line in Feed::open(file)? {
        let line = line?;
        let target = Bytes::copy_from_slice(line.value.as_bytes());
        if let Some(value) = values.get_mut(&line.topic) {
            let base = std::mem::replace(value, target.clone());
            laggards.add(&line.topic, &base, &target).map_err(|error| match error {
                Some(error) => DeltaBenchError::Refused { topic: line.topic.clone(), error },
                None => DeltaBenchError::Differs { topic: line.topic.clone() },
            })?;
            bench.add(Update { topic: line.topic, base, target }, &mut report)?;
        } else {
            values.insert(line.topic, target);
        }
    }
    bench.measure(&mut report)?;
    report.topics = values.len();
    report.behind = laggards.report();
    for total in [&mut report.encode_us, &mut report.apply_us] {
        *total = (*total / report.updates.max(1) as f64 * 1e3).round() / 1e3;
    }
    Ok(report)
}

struct Update {
    topic: String,
    base: Bytes,
    target: Bytes,
}

/// Measures updates by the batch, as the clock is too coarse for a single one.
#[derive(Default)]
struct Bench {
    encoder: Encoder,
    batch: Vec<Update>,
    bytes: usize,
    /// The deltas of the batch, one after the other.
    deltas: Vec<u8>,
    ranges: Vec<Range<usize>>,
    target: Vec<u8>,
}

impl Bench {
    fn add(&mut self, update: Update, report: &mut Report) -> Result<(), DeltaBenchError> {
        self.bytes += update.target.len();
        self.batch.push(update);
        if self.bytes >= BATCH_BYTES { self.measure(report) } else { Ok(()) }
    }

    /// Adds the figures of the batch to the report, times as sums, and empties it.
    fn measure(&mut self, report: &mut Report) -> Result<(), DeltaBenchError> {
        if self.batch.is_empty() {
            return Ok(());
        }
        report.encode_us += fastest(|| {
            self.encode();
            Ok(())
        })?;
        report.apply_us += fastest(|| self.apply(|_, _| Ok(())))?;
        self.apply(|update, value| {
            let is_same = *value == update.target;
            is_same.then_some(()).ok_or_else(|| DeltaBenchError::Differs { topic: update.topic.clone() })
        })?;
        for (update, range) in self.batch.iter().zip(&self.ranges) {
            report.updates += 1;
            report.full_bytes += update.target.len() as u64;
            report.sent_bytes += update.target.len().min(range.len()) as u64;
        }
        self.batch.clear();
        self.bytes = 0;
        Ok(())
    }

    fn encode(&mut self) {
        self.deltas.clear();
        self.ranges.clear();
        for update in &self.batch {
            let start = self.deltas.len();
            self.encoder.encode(&update.base, &update.target, &mut self.deltas);
            self.ranges.push(start..self.deltas.len());
        }
    }

    fn apply(&mut self, check: impl Fn(&Update, &[u8]) -> Result<(), DeltaBenchError>) -> Result<(), DeltaBenchError> {
        for (update, range) in self.batch.iter().zip(&self.ranges) {
            let delta = self.deltas.get(range.clone()).unwrap_or_default();
            delta::apply(&update.base, delta, update.target.len(), &mut self.target)
                .map_err(|error| DeltaBenchError::Refused { topic: update.topic.clone(), error })?;
            check(update, &self.target)?;
        }
        Ok(())
    }
}

/// How long the fastest of some passes takes, in microseconds.
fn fastest(mut pass: impl FnMut() -> Result<(), DeltaBenchError>) -> Result<f64, DeltaBenchError> {
    let mut fastest = f64::INFINITY;
    for _ in 0..PASSES {
        let start = Instant::now();
        pass()?;
        fastest = fastest.min(start.elapsed().as_secs_f64() * 1e6);
    }
    Ok(fastest)
}

fn write_table(reports: &[Report], out: &mut impl Write) -> io::Result<()> {
    let names: Vec<&str> = reports.iter().map(|report| name(&report.file)).collect();
    let width = names.iter().map(|name| name.len()).max().unwrap_or(0).max("feed".len());
    writeln!(
        out,
        "{:width$}  {:>7}  {:>8}  {:>12}  {:>12}  {:>8}  {:>9}  {:>9}",
        "feed", "topics", "updates", "full B/upd", "sent B/upd", "ratio", "encode µs", "apply µs"
    )?;
    for (report, name) in reports.iter().zip(&names) {
        let per_update = |bytes: u64| bytes as f64 / report.updates.max(1) as f64;
        writeln!(
            out,
            "{name:width$}  {:>7}  {:>8}  {:>12.1}  {:>12.1}  {:>7.1}x  {:>9.2}  {:>9.2}",
            report.topics,
            report.updates,
            per_update(report.full_bytes),
            per_update(report.sent_bytes),
            report.full_bytes as f64 / report.sent_bytes.max(1) as f64,
            report.encode_us,
            report.apply_us,
        )?;
    }
    behind::write_table(names.iter().copied().zip(reports.iter().map(|report| &*report.behind)), width, out)
}

/// A file's name without its folder and endings.
fn name(file: &str) -> &str {
    let name = file.rsplit(['/', '\\']).next().unwrap_or(file);
    name.split_once(".jsonl").map_or(name, |(name, _)| name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_count_updates_after_the_first_value() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("prices.jsonl");
        let lines: String = (0..100)
            .map(|n| format!("{{\"topic\":\"t/{}\",\"value\":{{\"price\": {}, \"name\": \"x\"}}}}\n", n % 4, n + 100))
            .collect();
        std::fs::write(&file, lines).unwrap();

        let report = measure(&file).unwrap();
        assert_eq!((report.topics, report.updates), (4, 96));
        assert_eq!(report.full_bytes, 96 * br#"{"price": 100, "name": "x"}"#.len() as u64);
        assert!(report.sent_bytes <= 96 * 6 && report.sent_bytes >= 96 * 3, "{report:?}");

        let json = serde_json::to_value(&report).unwrap();
        let fields: Vec<&String> = json.as_object().unwrap().keys().collect();
        assert_eq!(
            fields,
            ["file", "topics", "updates", "full_bytes", "sent_bytes", "encode_us", "apply_us", "behind"]
        );
        let behind = &report.behind[2];
        // 24 updates of each topic: three times 8.
        assert_eq!((behind.updates, behind.times), (8, 12));
        assert!(behind.merged_bytes < behind.chain_bytes / 4 && behind.told_bytes == behind.merged_bytes, "{behind:?}");

        let mut table = Vec::new();
        write_table(&[report], &mut table).unwrap();
        assert!(String::from_utf8(table).unwrap().contains("\nprices        4        96 "));
    }

    #[test]
    fn a_feed_without_updates_has_zeros() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("empty.jsonl");
        std::fs::write(&file, "").unwrap();
        let report = measure(&file).unwrap();
        assert_eq!((report.topics, report.updates, report.sent_bytes), (0, 0, 0));
        assert!(report.encode_us == 0.0 && report.apply_us == 0.0, "{report:?}");
    }
}
