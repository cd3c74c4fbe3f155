//! Credentials, asked for without calling back.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures_util::stream;
use outpour::SessionBuilder;
use tokio::sync::{mpsc, oneshot};

use crate::feed::Feed;
use crate::ownership::Owned;
use crate::runtime;

/// A session needs credentials.
#[derive(Clone, Copy, Debug, PartialEq, Eq, uniffi::Record)]
pub struct CredentialsQuestion {
    /// Comes back with the answer.
    pub id: u64,
    /// Whether the last ones had expired, so that a cache must not give them out again.
    pub expired: bool,
}

/// The questions of one session.
#[derive(Debug, uniffi::Object)]
pub struct CredentialsQuestions {
    feed: Owned<Feed<CredentialsQuestion>>,
    open: Arc<Open>,
}

/// Questions that have no answer yet.
#[derive(Debug, Default)]
struct Open(Mutex<(u64, HashMap<u64, oneshot::Sender<Answer>>)>);

type Answer = Result<Vec<u8>, String>;

impl Open {
    fn lock(&self) -> MutexGuard<'_, (u64, HashMap<u64, oneshot::Sender<Answer>>)> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn ask(&self, sender: oneshot::Sender<Answer>) -> u64 {
        let (last, open) = &mut *self.lock();
        // A question that the session has given up has nobody to hear its answer.
        open.retain(|_, sender| !sender.is_closed());
        *last += 1;
        open.insert(*last, sender);
        *last
    }

    fn answer(&self, id: u64, answer: Answer) {
        let sender = self.lock().1.remove(&id);
        if let Some(sender) = sender {
            let _unheard = sender.send(answer);
        }
    }
}

impl CredentialsQuestions {
    /// A session that asks, and what it asks.
    pub(crate) fn of(builder: SessionBuilder) -> (SessionBuilder, Self) {
        let (asked, questions) = mpsc::unbounded_channel();
        let open = Arc::new(Open::default());
        let asks = Arc::clone(&open);
        let builder = builder.credentials_from(move |expired| {
            let (sender, answer) = oneshot::channel();
            let id = asks.ask(sender);
            let is_heard = asked.send(CredentialsQuestion { id, expired }).is_ok();
            async move {
                let nobody = || "nobody provides them any more".to_owned();
                if !is_heard {
                    return Err(nobody());
                }
                answer.await.unwrap_or_else(|_| Err(nobody()))
            }
        });
        let feed = stream::unfold(questions, |mut next| async { Some((next.recv().await?, next)) });
        (builder, Self { feed: Owned::new(Feed::new(feed)), open })
    }
}

#[uniffi::export]
impl CredentialsQuestions {
    /// Waits until there is something to take, or it is over.
    pub async fn ready(&self) {
        if let Ok(feed) = self.feed.get() {
            feed.ready().await;
        }
    }

    /// Blocks until then, for so many milliseconds at the most. Whether it is so.
    #[must_use]
    pub fn wait(&self, milliseconds: u64) -> bool {
        runtime::wait(milliseconds, self.ready())
    }

    /// The next question, if there is one.
    #[must_use]
    pub fn take(&self) -> Option<CredentialsQuestion> {
        self.feed.get().ok()?.take()
    }

    /// Whether nothing will be asked any more, as the session is over.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.feed.get().map_or(true, Feed::is_over)
    }

    /// The answer to a question. One that comes too late, or twice, is ignored.
    pub fn provide(&self, id: u64, credentials: Vec<u8>) {
        self.answer(id, Ok(credentials));
    }

    /// There is no answer to a question, and why. It is asked again after a while.
    pub fn refuse(&self, id: u64, reason: String) {
        self.answer(id, Err(reason));
    }

    /// Nobody answers any more.
    pub fn end(&self) {
        if let Ok(feed) = self.feed.get() {
            feed.end();
        }
    }
}

impl CredentialsQuestions {
    fn answer(&self, id: u64, answer: Answer) {
        if self.feed.get().is_ok() {
            self.open.answer(id, answer);
        }
    }
}
