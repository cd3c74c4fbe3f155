//! What the threads of a gateway share: the broker behind a lock, and an inbox for each worker.

use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use mio::net::TcpStream;
use mio::{Poll, Token, Waker};
use outpour_core::Timestamp;

use super::drain::Drain;
use super::{GatewayConfig, Statistics};
use crate::broker::{Broker, Outcome};

/// The token that a thread's waker has among its events.
pub(super) const WAKE: Token = Token(usize::MAX);

#[derive(Debug)]
pub(super) struct Shared {
    broker: Mutex<Broker>,
    inboxes: Vec<Inbox>,
    listener: Waker,
    start: Instant,
    pub(super) connections: AtomicUsize,
    /// Connections that there was no room for, and that are being told so.
    pub(super) refused: AtomicUsize,
    drain: OnceLock<Drain>,
    /// Somebody has left a gateway that is drained.
    departure: (Mutex<()>, Condvar),
    stopping: AtomicBool,
    /// How many microseconds the end may take for goodbyes; 0 for none.
    grace: AtomicU64,
    messages: AtomicU64,
    bytes: AtomicU64,
    own_bytes: AtomicU64,
}

/// What other threads have for a worker.
#[derive(Debug)]
struct Inbox {
    post: Mutex<Post>,
    waker: Waker,
    connections: AtomicUsize,
}

/// A connection on its way to a worker.
#[derive(Debug)]
pub(super) struct NewConnection {
    pub(super) socket: TcpStream,
    pub(super) address: SocketAddr,
    /// Whether there is no room for it.
    pub(super) refused: bool,
}

#[derive(Debug, Default)]
pub(super) struct Post {
    pub(super) outcomes: Vec<Outcome>,
    pub(super) connections: Vec<NewConnection>,
}

/// The polls of the listener and of each worker.
pub(super) type Polls = (Poll, Vec<Poll>);

impl Shared {
    pub(super) fn new(broker: Broker, config: &GatewayConfig) -> io::Result<(Self, Polls)> {
        let mut polls = Vec::new();
        let mut inboxes = Vec::new();
        for _ in 0..config.workers.max(1) {
            let poll = Poll::new()?;
            let waker = Waker::new(poll.registry(), WAKE)?;
            inboxes.push(Inbox { post: Mutex::default(), waker, connections: AtomicUsize::new(0) });
            polls.push(poll);
        }
        let poll = Poll::new()?;
        let listener = Waker::new(poll.registry(), WAKE)?;
        let shared = Self {
            broker: Mutex::new(broker),
            inboxes,
            listener,
            start: Instant::now(),
            connections: AtomicUsize::new(0),
            refused: AtomicUsize::new(0),
            stopping: AtomicBool::new(false),
            grace: AtomicU64::new(0),
            drain: OnceLock::new(),
            departure: (Mutex::new(()), Condvar::new()),
            messages: AtomicU64::new(0),
            bytes: AtomicU64::new(0),
            own_bytes: AtomicU64::new(0),
        };
        Ok((shared, (poll, polls)))
    }

    pub(super) fn now(&self) -> Timestamp {
        Timestamp::from_micros(self.start.elapsed().as_micros() as u64)
    }

    /// The time that records carry, in milliseconds.
    pub(super) fn wall_ms() -> u64 {
        SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |elapsed| elapsed.as_millis() as u64)
    }

    /// Lends the broker to a worker, and gives every worker what followed, in order, before anyone
    /// else has it. The one that asked is not woken: it looks at its post next.
    pub(super) fn with_broker(&self, worker: usize, act: impl FnOnce(&mut Broker)) {
        let mut broker = lock(&self.broker);
        act(&mut broker);
        if !broker.has_outcomes() {
            return;
        }
        let outcomes: Vec<Outcome> = broker.take_outcomes().collect();
        for (number, inbox) in self.inboxes.iter().enumerate() {
            let mut post = lock(&inbox.post);
            let had_post = !post.outcomes.is_empty();
            post.outcomes.extend(outcomes.iter().filter(|outcome| concerns(outcome, number)).cloned());
            if !had_post && !post.outcomes.is_empty() && number != worker {
                wake(&inbox.waker);
            }
        }
    }

    /// Has the log keep what there is, at the end.
    pub(super) fn settle(&self) {
        lock(&self.broker).settle();
    }

    /// Gives a connection to the worker that has the fewest.
    pub(super) fn hand_over(&self, socket: TcpStream, address: SocketAddr, refused: bool) {
        let fewest = self.inboxes.iter().min_by_key(|inbox| inbox.connections.load(Ordering::Relaxed));
        if let Some(inbox) = fewest {
            inbox.connections.fetch_add(1, Ordering::Relaxed);
            self.count_of(refused).fetch_add(1, Ordering::Relaxed);
            lock(&inbox.post).connections.push(NewConnection { socket, address, refused });
            wake(&inbox.waker);
        }
    }

    /// A worker's connection is gone.
    pub(super) fn gone(&self, worker: usize, refused: bool) {
        self.count_of(refused).fetch_sub(1, Ordering::Relaxed);
        if let Some(inbox) = self.inboxes.get(worker) {
            inbox.connections.fetch_sub(1, Ordering::Relaxed);
        }
        if self.drain.get().is_some() {
            drop(lock(&self.departure.0));
            self.departure.1.notify_all();
        }
    }

    const fn count_of(&self, refused: bool) -> &AtomicUsize {
        if refused { &self.refused } else { &self.connections }
    }

    /// Takes a worker's post; `post` is left for the next.
    pub(super) fn take_post(&self, worker: usize, post: &mut Post) {
        post.outcomes.clear();
        post.connections.clear();
        if let Some(inbox) = self.inboxes.get(worker) {
            std::mem::swap(&mut *lock(&inbox.post), post);
        }
    }

    pub(super) fn count(&self, messages: u64, bytes: u64, own_bytes: u64) {
        self.messages.fetch_add(messages, Ordering::Relaxed);
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
        self.own_bytes.fetch_add(own_bytes, Ordering::Relaxed);
    }

    pub(super) fn statistics(&self) -> Statistics {
        let broker = lock(&self.broker);
        Statistics {
            broker: broker.statistics(),
            topics: broker.topics(),
            connections: self.connections.load(Ordering::Relaxed),
            messages: self.messages.load(Ordering::Relaxed),
            bytes: self.bytes.load(Ordering::Relaxed),
            own_bytes: self.own_bytes.load(Ordering::Relaxed),
        }
    }

    pub(super) fn begin_drain(&self, within: Duration, redirects: &[String]) {
        self.drain.get_or_init(|| Drain::new(within, redirects, self.now()));
        self.wake_all();
    }

    /// The drain that is under way.
    pub(super) fn drain(&self) -> Option<&Drain> {
        self.drain.get()
    }

    /// Waits until all have left, but not longer than this. Returns how many have not.
    pub(super) fn wait_for_departures(&self, within: Duration) -> usize {
        let some_left = |(): &mut ()| self.connections.load(Ordering::Relaxed) > 0;
        let guard = lock(&self.departure.0);
        drop(self.departure.1.wait_timeout_while(guard, within, some_left));
        self.connections.load(Ordering::Relaxed)
    }

    /// Has the threads end: with goodbyes, if there is time for them.
    pub(super) fn stop(&self, grace: Option<Duration>) {
        // Who is in order has a moment at least, in which the kernel takes the goodbyes.
        let micros = grace.map_or(0, |grace| (grace.as_micros() as u64).max(1));
        self.grace.store(micros, Ordering::SeqCst);
        self.stopping.store(true, Ordering::SeqCst);
        self.wake_all();
    }

    fn wake_all(&self) {
        wake(&self.listener);
        for inbox in &self.inboxes {
            wake(&inbox.waker);
        }
    }

    pub(super) fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::SeqCst)
    }

    /// How long sessions have to take their leave; `None` to end at once.
    pub(super) fn grace(&self) -> Option<Duration> {
        Some(self.grace.load(Ordering::SeqCst)).filter(|micros| *micros > 0).map(Duration::from_micros)
    }
}

fn concerns(outcome: &Outcome, worker: usize) -> bool {
    match outcome {
        Outcome::Acknowledged { session, .. } => session.shard as usize == worker,
        _ => true,
    }
}

fn wake(waker: &Waker) {
    if let Err(error) = waker.wake() {
        tracing::error!(%error, "a thread can't be woken");
    }
}

/// A thread that panicked while it held the lock has left the state as whole as it found it: every
/// change of the broker is finished before the next call that could fail.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
