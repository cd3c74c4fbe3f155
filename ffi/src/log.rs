//! The log of the library, pulled.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::fmt::{self, Write as _};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Metadata, Subscriber};

use crate::ownership::PerProcess;
use crate::runtime;

/// The most records that wait; past it the oldest give way.
const RECORDS: usize = 1024;

/// How much a record matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, uniffi::Enum)]
pub enum LogLevel {
    /// Something was not done.
    Error,
    /// Something is not as it should be.
    Warn,
    /// Something that users may want to know.
    Info,
    /// For whoever looks for a mistake.
    Debug,
}

/// A line of the log.
#[derive(Clone, Debug, PartialEq, Eq, uniffi::Record)]
pub struct LogRecord {
    /// How much it matters.
    pub level: LogLevel,
    /// The part of the library that says it, such as `outpour::store`.
    pub target: String,
    /// What it says.
    pub message: String,
}

/// The log of the process. Records are kept from the first one that is made on, and given out once.
#[derive(Debug, uniffi::Object)]
pub struct Log {
    queue: Arc<Queue>,
    over: Mutex<bool>,
}

#[derive(Debug, Default)]
struct Queue {
    records: Mutex<VecDeque<LogRecord>>,
    changed: Notify,
}

static QUEUE: PerProcess<Arc<Queue>> = PerProcess::new();

impl Queue {
    fn of_this_process() -> Arc<Self> {
        let Ok(queue) = QUEUE.get(|| Ok::<_, Infallible>(Arc::default()));
        queue
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<LogRecord>> {
        self.records.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[uniffi::export]
impl Log {
    /// Begins to keep what the library says.
    #[uniffi::constructor]
    #[must_use]
    pub fn new() -> Self {
        // A program in Rust that has linked this library may have a subscriber already: it has the log then.
        let _taken = tracing::subscriber::set_global_default(Keeper);
        Self { queue: Queue::of_this_process(), over: Mutex::new(false) }
    }

    /// Waits until there is something to take, or it was ended.
    pub async fn ready(&self) {
        loop {
            let changed = self.queue.changed.notified();
            let mut changed = std::pin::pin!(changed);
            changed.as_mut().enable();
            if self.is_over() || !self.queue.lock().is_empty() {
                return;
            }
            changed.await;
        }
    }

    /// Blocks until then, for so many milliseconds at the most. Whether it is so.
    #[must_use]
    pub fn wait(&self, milliseconds: u64) -> bool {
        runtime::wait(milliseconds, self.ready())
    }

    /// What there is.
    #[must_use]
    pub fn take(&self) -> Vec<LogRecord> {
        self.queue.lock().drain(..).collect()
    }

    /// Whether it was ended.
    #[must_use]
    pub fn is_over(&self) -> bool {
        *self.over.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Ends the wait for it.
    pub fn end(&self) {
        *self.over.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.queue.changed.notify_waiters();
    }
}

impl Default for Log {
    fn default() -> Self {
        Self::new()
    }
}

/// Puts what the project's crates say into the queue. They make no spans.
struct Keeper;

impl Subscriber for Keeper {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.is_event() && metadata.target().starts_with("outpour") && *metadata.level() <= Level::DEBUG
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut text = Text::default();
        event.record(&mut text);
        let metadata = event.metadata();
        let level = match *metadata.level() {
            Level::ERROR => LogLevel::Error,
            Level::WARN => LogLevel::Warn,
            Level::INFO => LogLevel::Info,
            _ => LogLevel::Debug,
        };
        let record = LogRecord { level, target: metadata.target().to_owned(), message: text.message + &text.fields };
        let queue = Queue::of_this_process();
        let mut records = queue.lock();
        if records.len() == RECORDS {
            records.pop_front();
        }
        records.push_back(record);
        drop(records);
        queue.changed.notify_waiters();
    }
}

/// What an event says: its message, and its fields after that.
#[derive(Default)]
struct Text {
    message: String,
    fields: String,
}

impl Visit for Text {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        // Writing to a string can't fail.
        let _written = match field.name() {
            "message" => write!(self.message, "{value:?}"),
            name => write!(self.fields, " {name}={value:?}"),
        };
    }
}
