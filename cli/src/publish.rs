//! `outpour pub`: publish one value, or a feed.

use std::collections::VecDeque;
use std::error::Error;
use std::io::{IsTerminal, Read, Write};
use std::time::{Duration, Instant};

use outpour::{Acknowledgement, Publish, Session, Value, ValueType};
use tokio::sync::mpsc;

use crate::access::Access;
use crate::feed::{Feed, FeedError, FeedLine, FeedValue};

/// How many lines are read ahead.
const READ_AHEAD: usize = 256;
/// How many publishes wait for their acknowledgement at the most.
const IN_FLIGHT: usize = 4096;
/// How often progress is shown.
const PROGRESS: Duration = Duration::from_millis(500);

/// Options of `outpour pub`.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    access: Access,
    /// The topic
    #[arg(required_unless_present = "jsonl", conflicts_with = "jsonl")]
    path: Option<String>,
    /// The value; without it standard input is read
    #[arg(conflicts_with = "jsonl", allow_hyphen_values = true)]
    value: Option<String>,
    /// The type of the value; without it JSON where the value is JSON, otherwise text
    #[arg(long = "type", value_name = "TYPE", value_parser = ["json", "text", "binary", "int64", "double"], conflicts_with = "jsonl")]
    value_type: Option<String>,
    /// Publish the lines of standard input: {"topic": PATH, "value": JSON}, or "text" or "b64" in place of "value"
    #[arg(long)]
    jsonl: bool,
    /// Append to event topics in place of setting value topics
    #[arg(long)]
    events: bool,
    /// The most updates a second
    #[arg(long, value_name = "N", value_parser = rate, requires = "jsonl")]
    rate: Option<f64>,
    /// Begin again after the last line, without end
    #[arg(long = "loop", requires = "jsonl")]
    repeat: bool,
}

pub(crate) fn rate(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(rate) if rate > 0.0 && rate <= 1e9 => Ok(rate),
        _ => Err("give a number of updates a second, above 0".into()),
    }
}

/// Publishes, and returns when all is acknowledged.
pub(crate) async fn run(arguments: &Arguments) -> Result<(), Box<dyn Error>> {
    let single = match &arguments.path {
        Some(path) => Some((path, single_value(arguments)?)),
        None => None,
    };
    let session = arguments.access.connect().await?;
    let done = match single {
        Some((path, value)) => publish(&session, path, value, arguments.events).await.map(|_| ()).map_err(Into::into),
        None => publish_feed(&session, arguments).await,
    };
    session.close().await;
    done
}

fn publish(session: &Session, path: &str, value: Value, as_event: bool) -> Publish {
    if as_event { session.append(path, value) } else { session.set(path, value) }
}

fn single_value(arguments: &Arguments) -> Result<Value, Box<dyn Error>> {
    let bytes = match &arguments.value {
        Some(text) => text.clone().into_bytes(),
        None => {
            let mut bytes = Vec::new();
            std::io::stdin()
                .read_to_end(&mut bytes)
                .map_err(|error| format!("standard input can't be read: {error}"))?;
            bytes
        }
    };
    let given = arguments.value_type.as_deref().and_then(ValueType::from_name);
    let value_type = given.unwrap_or_else(|| {
        let is_json = serde_json::from_slice::<serde::de::IgnoredAny>(&bytes).is_ok();
        if is_json { ValueType::Json } else { ValueType::Text }
    });
    if value_type == ValueType::Binary {
        return Ok(Value::binary(bytes));
    }
    let text = String::from_utf8(bytes).map_err(|_| "the value is not UTF-8 text: give it --type binary")?;
    // A line that was typed or piped ends with a line break that is not meant.
    let line = text.strip_suffix('\n').map_or(text.as_str(), |line| line.strip_suffix('\r').unwrap_or(line));
    Ok(match value_type {
        ValueType::Int64 => {
            let number: i64 = line.trim().parse().map_err(|_| format!("{line:?} is not a whole number of 64 bits"))?;
            Value::from(number)
        }
        ValueType::Double => {
            let number: f64 = line.trim().parse().map_err(|_| format!("{line:?} is not a number"))?;
            Value::from(number)
        }
        ValueType::Json => Value::json(line.trim()),
        _ => Value::text(line),
    })
}

/// The value of a feed's line, its bytes exactly as they stand there.
pub(crate) fn feed_value(value: FeedValue) -> Value {
    match value {
        FeedValue::Json(json) => Value::json(json.get()),
        FeedValue::Text(text) => Value::text(text),
        FeedValue::Binary(bytes) => Value::binary(bytes),
    }
}

async fn publish_feed(session: &Session, arguments: &Arguments) -> Result<(), Box<dyn Error>> {
    let mut lines = read_lines(arguments.repeat);
    let mut pace = arguments.rate.map(Pace::new);
    let mut progress = Progress::new();
    let mut in_flight: VecDeque<(String, Acknowledgement)> = VecDeque::new();
    while let Some(line) = lines.recv().await {
        let FeedLine { topic, value } = line?;
        if let Some(pace) = &mut pace {
            pace.wait().await;
        }
        let publish = publish(session, &topic, feed_value(value), arguments.events);
        let sent = publish.send_when_possible().await.map_err(|error| format!("{topic}: {error}"))?;
        in_flight.push_back((topic, sent));
        while in_flight.len() >= IN_FLIGHT {
            settle(&mut in_flight, &mut progress).await?;
        }
    }
    while !in_flight.is_empty() {
        settle(&mut in_flight, &mut progress).await?;
    }
    progress.finish();
    Ok(())
}

/// Awaits the oldest acknowledgement.
async fn settle(
    in_flight: &mut VecDeque<(String, Acknowledgement)>,
    progress: &mut Progress,
) -> Result<(), Box<dyn Error>> {
    if let Some((topic, sent)) = in_flight.pop_front() {
        sent.await.map_err(|error| format!("{topic}: {error}"))?;
        progress.count();
    }
    Ok(())
}

/// Reads standard input on a thread of its own: a terminal or pipe may take its time.
fn read_lines(repeat: bool) -> mpsc::Receiver<Result<FeedLine, FeedError>> {
    let (sender, receiver) = mpsc::channel(READ_AHEAD);
    std::thread::spawn(move || {
        // To begin again, what comes through a pipe has to be kept.
        let mut kept = Vec::new();
        let feed = match Feed::from_reader("standard input", std::io::stdin()) {
            Ok(feed) => feed,
            Err(error) => return drop(sender.blocking_send(Err(error))),
        };
        for line in feed {
            if repeat && let Ok(line) = &line {
                kept.push(line.clone());
            }
            let failed = line.is_err();
            // The publisher may have failed first.
            if sender.blocking_send(line).is_err() || failed {
                return;
            }
        }
        while !kept.is_empty() {
            for line in &kept {
                if sender.blocking_send(Ok(line.clone())).is_err() {
                    return;
                }
            }
        }
    });
    receiver
}

/// Spreads updates evenly in time.
pub(crate) struct Pace {
    next: tokio::time::Instant,
    step: Duration,
}

impl Pace {
    pub(crate) fn new(rate: f64) -> Self {
        Self { next: tokio::time::Instant::now(), step: Duration::from_secs_f64(1.0 / rate) }
    }

    /// Waits for the next update's time. What was missed is made up for.
    pub(crate) async fn wait(&mut self) {
        tokio::time::sleep_until(self.next).await;
        self.next += self.step;
    }
}

/// How far a feed is, on standard error when that is a terminal.
struct Progress {
    start: Instant,
    shown: Instant,
    count: u64,
    is_shown: bool,
}

impl Progress {
    fn new() -> Self {
        let now = Instant::now();
        Self { start: now, shown: now, count: 0, is_shown: std::io::stderr().is_terminal() }
    }

    fn count(&mut self) {
        self.count += 1;
        if self.is_shown && self.shown.elapsed() >= PROGRESS {
            self.shown = Instant::now();
            self.show();
        }
    }

    fn show(&self) {
        let rate = self.count as f64 / self.start.elapsed().as_secs_f64().max(1e-9);
        eprint!("\r{} acknowledged, {rate:.0}/s\x1b[K", self.count);
        // Progress that can't be shown is no failure.
        let _shown = std::io::stderr().flush();
    }

    fn finish(&self) {
        if self.is_shown {
            self.show();
            eprintln!();
        }
    }
}
