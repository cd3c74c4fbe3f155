//! The updates of the topics that a selector matches.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use futures_core::Stream;
use outpour_core::SubscriptionId;
use outpour_core::session::{Update, UpdateKind};
use tokio::sync::futures::OwnedNotified;

use crate::Error;
use crate::session::Handle;
use crate::state::Ending;

/// A stream of the updates of every topic that a selector matches.
///
/// It goes on across reconnects. Dropping it unsubscribes. An application that reads slowly misses
/// intermediate values of value topics, never the newest one; of events beyond a bound it is told
/// which ones it misses ([`UpdateKind::Gap`](crate::UpdateKind::Gap)).
///
/// The stream ends after [`Session::close`](crate::Session::close); before any other end, such as a
/// gateway that refuses the subscription, it gives the error.
pub struct Subscription {
    handle: Arc<Handle>,
    id: SubscriptionId,
    /// What [`Stream::poll_next`] waits for.
    wait: Option<Pin<Box<OwnedNotified>>>,
}

impl Subscription {
    pub(crate) fn new(handle: Arc<Handle>, id: SubscriptionId) -> Self {
        Self { handle, id, wait: None }
    }

    /// The next update; `None` when there will be none. Cancelling the wait loses nothing.
    ///
    /// # Errors
    /// Why the subscription has ended, once.
    pub async fn next(&mut self) -> Option<Result<Update, Error>> {
        std::future::poll_fn(|context| self.poll_update(context)).await
    }

    /// An update that has arrived already.
    pub fn try_next(&mut self) -> Option<Update> {
        self.handle.shared.ask(|state, _| state.core.take_update(self.id))
    }

    /// Waits until there is something to [`take`](Self::take), if only the end. It takes nothing, so that cancelling
    /// it loses nothing, and any number of tasks may wait.
    pub async fn ready(&self) {
        if let Some(wait) = self.unread() {
            wait.await;
        }
    }

    /// Takes updates that have arrived: at the most `count`, and no more once they hold `bytes` bytes of values.
    /// `None` when there will be none.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let gateway = outpour_server::gateway::Gateway::ephemeral()?;
    /// # let url = gateway.url();
    /// let session = outpour::connect(&url).await?;
    /// session.set("prices/eurusd", 1.0841).await?;
    /// let prices = session.subscribe("prices/*")?;
    /// prices.ready().await;
    /// assert_eq!(prices.take(100, 1 << 20)?.map(|updates| updates.len()), Some(1));
    /// prices.end();
    /// assert_eq!(prices.take(100, 1 << 20)?, None);
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// Why the subscription has ended, once.
    pub fn take(&self, count: usize, bytes: usize) -> Result<Option<Vec<Update>>, Error> {
        self.handle.shared.ask(|state, _| {
            let mut updates = Vec::new();
            let mut held = 0;
            while updates.len() < count
                && held < bytes
                && let Some(update) = state.core.take_update(self.id)
            {
                held += value_bytes(&update);
                updates.push(update);
            }
            if !updates.is_empty() || count == 0 || bytes == 0 {
                return Ok(Some(updates));
            }
            match state.ending(self.id) {
                None => Ok(Some(updates)),
                Some(Ending::Orderly) => Ok(None),
                Some(Ending::Failed(error)) => Err(error),
            }
        })
    }

    /// Ends the subscription, as dropping it does, and whoever waits for it: what it has not given it gives no more.
    pub fn end(&self) {
        self.handle.shared.ask(|state, now| {
            state.end_reader(self.id, &Ending::Orderly);
            state.core.unsubscribe(self.id, now);
        });
    }

    /// What is to be waited for until there is something to take; `None` if there is.
    fn unread(&self) -> Option<Pin<Box<OwnedNotified>>> {
        let state = self.handle.shared.lock();
        let mut wait = Box::pin(state.unread(self.id)?.notified_owned());
        // Before the lock is given up: what happens from now on is heard.
        wait.as_mut().enable();
        Some(wait)
    }

    fn poll_update(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Update, Error>>> {
        loop {
            if let Some(wait) = &mut self.wait {
                ready!(wait.as_mut().poll(context));
                self.wait = None;
            }
            match self.take(1, usize::MAX) {
                Ok(None) => return Poll::Ready(None),
                Err(error) => return Poll::Ready(Some(Err(error))),
                Ok(Some(mut updates)) => {
                    if let Some(update) = updates.pop() {
                        return Poll::Ready(Some(Ok(update)));
                    }
                }
            }
            self.wait = self.unread();
        }
    }
}

fn value_bytes(update: &Update) -> usize {
    match &update.kind {
        UpdateKind::Value { value, .. } | UpdateKind::Event { value, .. } => value.bytes().len(),
        _ => 0,
    }
}

impl Stream for Subscription {
    type Item = Result<Update, Error>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.get_mut().poll_update(context)
    }
}

impl fmt::Debug for Subscription {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Subscription").field("id", &self.id).finish_non_exhaustive()
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        self.handle.shared.ask(|state, now| {
            state.close_reader(self.id);
            state.core.unsubscribe(self.id, now);
        });
    }
}
