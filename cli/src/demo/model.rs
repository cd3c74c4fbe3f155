//! What the demo's subscriber has seen.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use outpour::{Session, Statistics, Update, UpdateKind, Value};

/// The length of the past that rates are counted over.
const WINDOW: Duration = Duration::from_secs(5);

/// The topics seen, and what was counted.
pub(super) struct Model {
    pub(super) url: String,
    session: Session,
    pub(super) topics: BTreeMap<String, Seen>,
    start: Instant,
    /// What was counted at the beginning of each of the last seconds.
    marks: Vec<(Instant, Statistics)>,
}

/// One topic as seen.
pub(super) struct Seen {
    pub(super) value: Value,
    pub(super) changed: Instant,
    pub(super) updates: u64,
    pub(super) sent_bytes: u64,
    pub(super) full_bytes: u64,
}

impl Model {
    pub(super) fn new(url: String, session: Session) -> Self {
        let now = Instant::now();
        let marks = vec![(now, session.statistics())];
        Self { url, session, topics: BTreeMap::new(), start: now, marks }
    }

    pub(super) fn take(&mut self, update: &Update) {
        let path = update.path.as_str();
        match &update.kind {
            UpdateKind::Value { value, .. } | UpdateKind::Event { value, .. } => {
                let seen = self.topics.entry(path.to_owned()).or_insert_with(|| Seen {
                    value: value.clone(),
                    changed: Instant::now(),
                    updates: 0,
                    sent_bytes: 0,
                    full_bytes: 0,
                });
                seen.value = value.clone();
                seen.changed = Instant::now();
                seen.updates += 1;
                seen.sent_bytes += update.wire_bytes as u64;
                seen.full_bytes += value.bytes().len() as u64;
            }
            UpdateKind::Removed => {
                self.topics.remove(path);
            }
            _ => {}
        }
    }

    pub(super) fn statistics(&self) -> Statistics {
        self.session.statistics()
    }

    pub(super) fn elapsed(&self) -> Duration {
        self.start.elapsed()
    }

    /// Updates, bytes sent and bytes of full values in a second, lately.
    pub(super) fn rates(&mut self) -> (f64, f64, f64) {
        let now = Instant::now();
        let counted = self.statistics();
        while self.marks.len() > 1 && self.marks.first().is_some_and(|(at, _)| now - *at > WINDOW) {
            self.marks.remove(0);
        }
        let (since, before) = self.marks.first().copied().unwrap_or((self.start, Statistics::default()));
        if self.marks.last().is_none_or(|(at, _)| now - *at >= Duration::from_millis(250)) {
            self.marks.push((now, counted));
        }
        let seconds = (now - since).as_secs_f64().max(1e-3);
        let rate = |now: u64, then: u64| now.saturating_sub(then) as f64 / seconds;
        (
            rate(counted.updates, before.updates),
            rate(counted.bytes_in, before.bytes_in),
            rate(counted.full_bytes, before.full_bytes),
        )
    }

    /// The line to try from another terminal.
    pub(super) fn invitation(&self) -> String {
        format!("outpour sub {} 'prices/**'", self.url)
    }

    /// The address to open in a browser.
    pub(super) fn page(&self) -> String {
        self.url.replacen("ws", "http", 1)
    }

    pub(super) fn summary(&self) -> String {
        let counted = self.statistics();
        format!(
            "{} updates of {} topics in {:.0} s: {} sent where full values are {} ({})",
            counted.updates,
            self.topics.len(),
            self.elapsed().as_secs_f64(),
            bytes(counted.bytes_in as f64),
            bytes(counted.full_bytes as f64),
            share(counted.bytes_in as f64, counted.full_bytes as f64),
        )
    }
}

/// An amount of bytes, to be read by people.
pub(super) fn bytes(amount: f64) -> String {
    let units = ["B", "kB", "MB", "GB"];
    let mut amount = amount;
    let mut unit = 0;
    while amount >= 1000.0 && unit + 1 < units.len() {
        amount /= 1000.0;
        unit += 1;
    }
    let digits = usize::from(unit > 0 && amount < 100.0);
    format!("{amount:.digits$} {}", units.get(unit).copied().unwrap_or_default())
}

/// A part of a whole, in per cent.
pub(super) fn share(part: f64, whole: f64) -> String {
    if whole > 0.0 { format!("{:.1} %", part / whole * 100.0) } else { "–".into() }
}
