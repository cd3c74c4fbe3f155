//! The updates of the topics that a selector matches.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures_core::Stream;
use outpour_core::SubscriptionId;
use outpour_core::session::Update;

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
#[derive(Debug)]
pub struct Subscription {
    handle: Arc<Handle>,
    id: SubscriptionId,
    over: bool,
}

impl Subscription {
    pub(crate) fn new(handle: Arc<Handle>, id: SubscriptionId) -> Self {
        Self { handle, id, over: false }
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

    fn poll_update(&mut self, context: &Context<'_>) -> Poll<Option<Result<Update, Error>>> {
        if self.over {
            return Poll::Ready(None);
        }
        let mut state = self.handle.shared.lock();
        if let Some(update) = state.core.take_update(self.id) {
            return Poll::Ready(Some(Ok(update)));
        }
        match state.wait(self.id, context.waker()) {
            None => Poll::Pending,
            Some(ending) => {
                drop(state);
                self.over = true;
                match ending {
                    Ending::Orderly => Poll::Ready(None),
                    Ending::Failed(error) => Poll::Ready(Some(Err(error))),
                }
            }
        }
    }
}

impl Stream for Subscription {
    type Item = Result<Update, Error>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.get_mut().poll_update(context)
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
