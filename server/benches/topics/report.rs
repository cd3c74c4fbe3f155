//! The figures, one a line.

use std::time::{Duration, Instant};

use crate::memory::Growth;

pub(crate) fn title(text: &str) {
    println!("\n{text}");
}

pub(crate) fn line(what: &str, figure: &str) {
    println!("  {what:<58} {figure}");
}

pub(crate) fn growth(what: &str, growth: Growth) {
    let resident = growth.resident.map_or("unknown".to_owned(), |bytes| format!("{bytes:.0} B"));
    let Growth { taken, pieces, .. } = growth;
    line(what, &format!("{taken:.0} B allocated in {pieces:.2} pieces, {resident} resident"));
}

/// The time that one of `count` calls takes in the mean.
pub(crate) fn mean(count: u32, mut call: impl FnMut(u32)) -> Duration {
    let started = Instant::now();
    for number in 0..count {
        call(number);
    }
    started.elapsed() / count
}

pub(crate) fn time(what: &str, mean: Duration) {
    let nanoseconds = mean.as_nanos();
    let figure = if nanoseconds < 10_000 { format!("{nanoseconds} ns") } else { format!("{} µs", mean.as_micros()) };
    line(what, &figure);
}

/// Numbers below `limit` in an order without locality, the same each time.
pub(crate) fn scattered(number: u32, limit: u32) -> u32 {
    (u64::from(number) * 2_654_435_761 % u64::from(limit)) as u32
}
