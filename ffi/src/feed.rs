//! What is pulled in two steps: waiting, which may be cancelled, and taking.

use std::fmt;
use std::pin::Pin;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use futures_core::Stream;

/// A stream of which [`ready`](Self::ready) takes nothing: what it has is kept until it is [taken](Self::take). One task
/// at a time waits for it.
pub(crate) struct Feed<T> {
    state: Mutex<State<T>>,
}

struct State<T> {
    /// Where things come from; `None` when nothing will come.
    source: Option<Source<T>>,
    next: Option<T>,
    /// Of who waits.
    waker: Option<Waker>,
}

type Source<T> = Pin<Box<dyn Stream<Item = T> + Send>>;

impl<T> Feed<T> {
    /// A feed whose source is asked at once, so that what it does first is done in the order of the calls.
    pub(crate) fn new(source: impl Stream<Item = T> + Send + 'static) -> Self {
        let feed = Self { state: Mutex::new(State { source: Some(Box::pin(source)), next: None, waker: None }) };
        let _later = feed.poll(&mut Context::from_waker(Waker::noop()));
        feed
    }

    /// Waits until there is something to take, or nothing will come.
    pub(crate) async fn ready(&self) {
        std::future::poll_fn(|context| self.poll(context)).await;
    }

    /// What has come; `None` if there is nothing.
    pub(crate) fn take(&self) -> Option<T> {
        self.lock().next.take()
    }

    /// Whether nothing will come and nothing is left.
    pub(crate) fn is_over(&self) -> bool {
        let state = self.lock();
        state.source.is_none() && state.next.is_none()
    }

    /// Ends it, and the wait for it. What has come may still be taken.
    pub(crate) fn end(&self) {
        let mut state = self.lock();
        let ended = (state.source.take(), state.waker.take());
        // Neither may run with the lock held: both come back here.
        drop(state);
        if let (_, Some(waker)) = ended {
            waker.wake();
        }
    }

    fn poll(&self, context: &mut Context<'_>) -> Poll<()> {
        let mut state = self.lock();
        if state.next.is_some() {
            return Poll::Ready(());
        }
        let Some(source) = &mut state.source else { return Poll::Ready(()) };
        match source.as_mut().poll_next(context) {
            Poll::Pending => {
                state.waker = Some(context.waker().clone());
                return Poll::Pending;
            }
            Poll::Ready(None) => state.source = None,
            Poll::Ready(next) => state.next = next,
        }
        Poll::Ready(())
    }

    fn lock(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T> fmt::Debug for Feed<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Feed").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use futures_util::stream;

    use super::*;

    #[tokio::test]
    async fn a_wait_that_is_cancelled_loses_nothing() {
        let (sender, receiver) = tokio::sync::mpsc::unbounded_channel();
        let feed = Arc::new(Feed::new(stream::unfold(receiver, |mut receiver| async {
            receiver.recv().await.map(|item: u32| (item, receiver))
        })));
        for sent in 0..100 {
            let waiting = tokio::spawn({
                let feed = Arc::clone(&feed);
                async move { feed.ready().await }
            });
            tokio::task::yield_now().await;
            sender.send(sent).unwrap();
            waiting.abort();
            feed.ready().await;
            assert_eq!(feed.take(), Some(sent));
        }
        drop(sender);
        feed.ready().await;
        assert!(feed.is_over());
    }

    #[tokio::test]
    async fn ending_wakes_who_waits() {
        let feed: Arc<Feed<u32>> = Arc::new(Feed::new(stream::pending()));
        let waiting = tokio::spawn({
            let feed = Arc::clone(&feed);
            async move { feed.ready().await }
        });
        tokio::task::yield_now().await;
        feed.end();
        feed.end();
        waiting.await.unwrap();
        assert!(feed.is_over() && feed.take().is_none());
    }
}
