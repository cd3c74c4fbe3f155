//! The figures, one a line.

use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

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

/// The processor's time that this thread has had: what else the machine does doesn't count.
pub(crate) fn processor_time() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec.unsigned_abs(), time.tv_nsec.unsigned_abs() as u32)
}

/// The processor's time that one of `count` calls takes in the mean.
pub(crate) fn mean(count: u32, mut call: impl FnMut(u32)) -> Duration {
    let started = processor_time();
    for number in 0..count {
        call(number);
    }
    (processor_time() - started) / count
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
