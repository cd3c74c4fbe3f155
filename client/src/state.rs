//! What the handles of a session and its driver share.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use outpour_core::session::{Event, FetchedItem, PublishTicket, Session as Core};
use outpour_core::{ErrorCode, FetchId, SubscriptionId, Timestamp, Version};
use tokio::sync::{Notify, broadcast, oneshot, watch};

use crate::Error;
use crate::clock::Clock;
use crate::connection::{ConnectionState, Resumption};

/// How many resumptions wait for who is slow to hear of them.
const RESUMPTIONS: usize = 16;

/// A session: the core behind a lock, and who waits for what.
#[derive(Debug)]
pub(crate) struct Shared {
    state: Mutex<State>,
    /// Wakes the driver: something was asked of the core.
    pub(crate) driver: Notify,
    /// Wakes publishers that wait for room in the queue.
    pub(crate) room: Notify,
    pub(crate) connection: watch::Sender<ConnectionState>,
    /// Whether a publish for which there is no room waits for it.
    pub(crate) waits_for_room: bool,
    /// What came of each reconnect.
    pub(crate) resumptions: broadcast::Sender<Resumption>,
    /// Whether the store, if there is one, has been written for the last time.
    pub(crate) stored: watch::Receiver<bool>,
}

#[derive(Debug)]
pub(crate) struct State {
    pub(crate) core: Core,
    clock: Clock,
    readers: HashMap<SubscriptionId, Reader>,
    publishes: HashMap<PublishTicket, oneshot::Sender<Result<Version, Error>>>,
    fetches: HashMap<FetchId, oneshot::Sender<Answer>>,
}

#[derive(Debug, Default)]
struct Reader {
    /// Wakes whoever waits for updates, or for the end.
    readable: Arc<Notify>,
    /// Why the subscription has ended, to be told once.
    ended: Option<Ending>,
}

#[derive(Clone, Debug)]
pub(crate) enum Ending {
    Orderly,
    Failed(Error),
}

/// The answer to a fetch: items, and whether the limit kept more back.
pub(crate) type Answer = Result<(Vec<FetchedItem>, bool), Error>;

impl Shared {
    pub(crate) fn new(core: Core, clock: Clock, waits_for_room: bool, stored: watch::Receiver<bool>) -> Self {
        let state = State { core, clock, readers: HashMap::new(), publishes: HashMap::new(), fetches: HashMap::new() };
        Self {
            state: Mutex::new(state),
            driver: Notify::new(),
            room: Notify::new(),
            connection: watch::Sender::new(ConnectionState::Connecting),
            resumptions: broadcast::Sender::new(RESUMPTIONS),
            waits_for_room,
            stored,
        }
    }

    /// The state. A thread that panicked with the lock held was in the core, which doesn't panic,
    /// or in a map of the standard library: what it left is as good as before.
    pub(crate) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Asks the core for something, and wakes the driver to see what follows.
    pub(crate) fn ask<T>(&self, ask: impl FnOnce(&mut State, Timestamp) -> T) -> T {
        let mut state = self.lock();
        let now = state.now();
        let answer = ask(&mut state, now);
        drop(state);
        self.driver.notify_one();
        answer
    }
}

impl State {
    pub(crate) fn now(&mut self) -> Timestamp {
        self.clock.now()
    }

    pub(crate) fn open_reader(&mut self, id: SubscriptionId) {
        self.readers.insert(id, Reader::default());
    }

    pub(crate) fn close_reader(&mut self, id: SubscriptionId) {
        self.readers.remove(&id);
    }

    /// What wakes whoever waits for a subscription's updates; `None` if there is something to take, or nothing will come.
    pub(crate) fn unread(&self, id: SubscriptionId) -> Option<Arc<Notify>> {
        let reader = self.readers.get(&id)?;
        let is_ready = reader.ended.is_some() || self.core.has_update(id);
        (!is_ready).then(|| Arc::clone(&reader.readable))
    }

    /// Why a subscription is over, if it is: an error is given once.
    pub(crate) fn ending(&mut self, id: SubscriptionId) -> Option<Ending> {
        let Some(reader) = self.readers.get_mut(&id) else { return Some(Ending::Orderly) };
        reader.ended.as_mut().map(|ending| std::mem::replace(ending, Ending::Orderly))
    }

    pub(crate) fn expect_verdict(&mut self, ticket: PublishTicket) -> oneshot::Receiver<Result<Version, Error>> {
        let (sender, receiver) = oneshot::channel();
        self.publishes.insert(ticket, sender);
        receiver
    }

    pub(crate) fn expect_answer(&mut self, id: FetchId) -> oneshot::Receiver<Answer> {
        let (sender, receiver) = oneshot::channel();
        self.fetches.insert(id, sender);
        receiver
    }

    /// Tells the handles what the core has to tell. `true` if a publish was settled.
    pub(crate) fn tell(&mut self, shared: &Shared) -> bool {
        let mut settled = false;
        while let Some(event) = self.core.poll_event() {
            if let Some(state) = ConnectionState::from_event(&event) {
                tracing::debug!(?state, "the connection changed");
                shared.connection.send_replace(state);
            }
            if let Event::Resumed { away, outcome } = &event {
                // Nobody has to listen.
                let _unheard = shared.resumptions.send(Resumption { away: *away, outcome: outcome.clone() });
            }
            settled |= matches!(event, Event::PublishSettled { .. });
            self.tell_event(event);
        }
        while let Some(id) = self.core.poll_readable() {
            if let Some(reader) = self.readers.get(&id) {
                reader.readable.notify_waiters();
            }
        }
        settled
    }

    fn tell_event(&mut self, event: Event) {
        match event {
            Event::PublishSettled { ticket, verdict } => {
                if let Some(waiting) = self.publishes.remove(&ticket) {
                    let verdict = verdict.map_err(|refusal| Error::with_version(refusal.code, refusal.version));
                    // Nobody has to wait for a verdict.
                    let _dropped = waiting.send(verdict);
                }
            }
            Event::FetchEnded { id, items, more } => {
                if let Some(waiting) = self.fetches.remove(&id) {
                    let _dropped = waiting.send(Ok((items, more)));
                }
            }
            Event::FetchFailed { id, code } => {
                if let Some(waiting) = self.fetches.remove(&id) {
                    let _dropped = waiting.send(Err(Error::new(code)));
                }
            }
            Event::SubscriptionRefused { id, code } => self.end_reader(id, &Ending::Failed(Error::new(code))),
            Event::Closed { code, detail } => {
                let error = Error::with_detail(code, detail);
                let ending = if code == ErrorCode::Closed { Ending::Orderly } else { Ending::Failed(error.clone()) };
                let ids: Vec<SubscriptionId> = self.readers.keys().copied().collect();
                for id in ids {
                    self.end_reader(id, &ending);
                }
                for (_, waiting) in self.publishes.drain() {
                    let _dropped = waiting.send(Err(error.clone()));
                }
                for (_, waiting) in self.fetches.drain() {
                    let _dropped = waiting.send(Err(error.clone()));
                }
            }
            _ => {}
        }
    }

    pub(crate) fn end_reader(&mut self, id: SubscriptionId, ending: &Ending) {
        if let Some(reader) = self.readers.get_mut(&id) {
            reader.ended = Some(ending.clone());
            reader.readable.notify_waiters();
        }
    }
}
