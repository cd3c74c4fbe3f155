//! The disk log measured against embedded stores: how fast records are taken, how long a start takes,
//! how much room they take.
//!
//! ```sh
//! cargo run --release --manifest-path tests/stores/Cargo.toml -- [directory]
//! ```
//!
//! The stores are given less to do than the log: they keep each topic's value, the last verdict of its
//! publisher and the position reached, in one batch or transaction for each commit, where the log keeps
//! whole records, and on a start gives back the broker with its topics, their recent updates and all
//! verdicts.

mod log;
mod stores;
mod workload;

use std::error::Error;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use std::{env, fs};

use workload::{RECORDS, TOPICS};

/// Something that keeps records.
trait Engine: Sized {
    const NAME: &str;

    /// Opens it. If `sync`, a commit returns when its records are on the disk.
    fn open(directory: &Path, sync: bool) -> Result<Self, Box<dyn Error>>;

    /// Commits these records together.
    fn commit(&mut self, records: std::ops::Range<u64>) -> Result<(), Box<dyn Error>>;

    /// Opens it, and makes in memory what a gateway needs. Returns how many topics there are.
    fn start(directory: &Path) -> Result<usize, Box<dyn Error>>;
}

fn main() -> Result<(), Box<dyn Error>> {
    let under = env::args().nth(1).map_or_else(env::temp_dir, PathBuf::from);
    println!("values of {} bytes, {TOPICS} topics at random, {RECORDS} records", workload::VALUE_BYTES);
    measure::<log::Alone>(&under)?;
    measure::<log::WithBroker>(&under)?;
    measure::<stores::Fjall>(&under)?;
    measure::<stores::Redb>(&under)
}

fn measure<E: Engine>(under: &Path) -> Result<(), Box<dyn Error>> {
    println!("\n{}", E::NAME);
    for (batch, count, sync) in [(1, 100_000, false), (1, 500, true), (100, 30_000, true)] {
        let directory = tempfile::tempdir_in(under)?;
        let mut engine = E::open(directory.path(), sync)?;
        let taken = commit_all(&mut engine, batch, count)?;
        rate(batch, count, sync, taken);
    }
    let directory = tempfile::tempdir_in(under)?;
    let mut engine = E::open(directory.path(), false)?;
    let taken = commit_all(&mut engine, 100, RECORDS)?;
    rate(100, RECORDS, false, taken);
    drop(engine);
    println!("  size on disk                       {:>9.1} MB", size(directory.path())? as f64 / 1e6);
    let mut times = Vec::new();
    for _ in 0..3 {
        let begin = Instant::now();
        assert_eq!(E::start(directory.path())?, TOPICS as usize);
        times.push(begin.elapsed());
    }
    times.sort_unstable();
    println!("  start (median of 3)                {:>9.2} s", times[1].as_secs_f64());
    Ok(())
}

fn commit_all<E: Engine>(engine: &mut E, batch: u64, count: u64) -> Result<Duration, Box<dyn Error>> {
    let begin = Instant::now();
    for first in (0..count).step_by(batch as usize) {
        engine.commit(first..first + batch)?;
    }
    Ok(begin.elapsed())
}

fn rate(batch: u64, count: u64, sync: bool, taken: Duration) {
    let synced = if sync { "fsync" } else { "no fsync" };
    println!("  batches of {batch:>3}, {synced:<8}              {:>9.0} records/s", count as f64 / taken.as_secs_f64());
}

fn size(directory: &Path) -> Result<u64, Box<dyn Error>> {
    let mut total = 0;
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        let about = entry.metadata()?;
        total += if about.is_dir() { size(&entry.path())? } else { about.len() };
    }
    Ok(total)
}
