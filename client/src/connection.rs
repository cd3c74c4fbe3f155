//! Whether a session is connected, and the stream of changes to that.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use futures_core::Stream;
use outpour_core::session::{Event, ResumeOutcome};
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::{broadcast, watch};

use crate::Error;

/// Where a session stands.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ConnectionState {
    /// On its way to a gateway.
    Connecting,
    /// Live: what is subscribed to is being told.
    Connected,
    /// Not live. Replicas stay readable and publishes are queued.
    Disconnected {
        /// Why.
        error: Error,
        /// When the next attempt is made; `None` while waiting for a network.
        retry_in: Option<Duration>,
    },
    /// Asleep, as [`Session::suspend`](crate::Session::suspend) asked: there is no connection, and no attempt is made.
    Suspended,
    /// Over for good, with [`ErrorCode::Closed`](crate::ErrorCode::Closed) if it was asked for.
    Closed {
        /// Why.
        error: Error,
    },
}

impl ConnectionState {
    pub(crate) fn from_event(event: &Event) -> Option<Self> {
        match event {
            Event::Connecting { .. } => Some(Self::Connecting),
            Event::Connected { .. } | Event::Moved { .. } => Some(Self::Connected),
            Event::Disconnected { code, detail, retry_in } => {
                Some(Self::Disconnected { error: Error::with_detail(*code, detail.clone()), retry_in: *retry_in })
            }
            Event::Suspended => Some(Self::Suspended),
            Event::Closed { code, detail } => Some(Self::Closed { error: Error::with_detail(*code, detail.clone()) }),
            _ => None,
        }
    }

    /// Whether the session is over for good.
    #[must_use]
    pub const fn is_closed(&self) -> bool {
        matches!(self, Self::Closed { .. })
    }
}

/// A session is where it was before its connection was lost: every subscription is up to date again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resumption {
    /// For how long it was away; zero after a warm start, of which that is not known.
    pub away: Duration,
    /// Whether anything is missing.
    pub outcome: ResumeOutcome,
}

/// What came of each reconnect, as it happens. Who is slow to listen misses the oldest.
#[derive(Debug)]
pub struct Resumptions {
    receiver: broadcast::Receiver<Resumption>,
    states: watch::Receiver<ConnectionState>,
}

impl Resumptions {
    pub(crate) const fn new(
        receiver: broadcast::Receiver<Resumption>,
        states: watch::Receiver<ConnectionState>,
    ) -> Self {
        Self { receiver, states }
    }

    /// The next one; `None` when the session is over.
    pub async fn next(&mut self) -> Option<Resumption> {
        loop {
            // What was told before the end is told first.
            let next = tokio::select! {
                biased;
                next = self.receiver.recv() => next,
                _over = self.states.wait_for(ConnectionState::is_closed) => return None,
            };
            match next {
                Ok(resumption) => return Some(resumption),
                Err(RecvError::Lagged(_)) => {}
                Err(RecvError::Closed) => return None,
            }
        }
    }
}

/// The next state, unless there is none, and where to wait for the one after it.
type NextState = (Option<ConnectionState>, watch::Receiver<ConnectionState>);

/// The states of a session as they change, beginning with the current one. States that come and go
/// while nobody looks are skipped. The stream ends after [`ConnectionState::Closed`].
pub struct ConnectionStates {
    next: Pin<Box<dyn Future<Output = NextState> + Send>>,
    over: bool,
}

impl ConnectionStates {
    pub(crate) fn new(mut receiver: watch::Receiver<ConnectionState>) -> Self {
        receiver.mark_changed();
        Self { next: Box::pin(change(receiver)), over: false }
    }

    /// The next state; `None` after the last one.
    pub async fn next(&mut self) -> Option<ConnectionState> {
        std::future::poll_fn(|context| Pin::new(&mut *self).poll_next(context)).await
    }
}

async fn change(
    mut receiver: watch::Receiver<ConnectionState>,
) -> (Option<ConnectionState>, watch::Receiver<ConnectionState>) {
    let state = receiver.changed().await.ok().map(|()| receiver.borrow_and_update().clone());
    (state, receiver)
}

impl Stream for ConnectionStates {
    type Item = ConnectionState;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<ConnectionState>> {
        if self.over {
            return Poll::Ready(None);
        }
        let Poll::Ready((state, receiver)) = self.next.as_mut().poll(context) else { return Poll::Pending };
        self.next = Box::pin(change(receiver));
        self.over = state.as_ref().is_none_or(ConnectionState::is_closed);
        Poll::Ready(state)
    }
}

impl std::fmt::Debug for ConnectionStates {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ConnectionStates").finish_non_exhaustive()
    }
}
