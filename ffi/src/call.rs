//! A call on its way to its answer.

use std::sync::Arc;

use futures_util::stream;
use outpour::ErrorCode;

use crate::error::{Result, refuse, wrap};
use crate::feed::Feed;
use crate::ownership::Owned;
use crate::runtime;

/// Something that was asked for. The request is made when the call is, so that requests keep their order, and not again.
#[derive(Debug, uniffi::Object)]
pub struct Call {
    answer: Owned<Feed<Answer>>,
}

/// A packed answer; each call says how.
type Answer = std::result::Result<Vec<u8>, outpour::Error>;

impl Call {
    pub(crate) fn new(answer: impl Future<Output = Answer> + Send + 'static) -> Arc<Self> {
        Arc::new(Self { answer: Owned::new(Feed::new(stream::once(answer))) })
    }
}

#[uniffi::export]
impl Call {
    /// Waits for the answer.
    pub async fn ready(&self) {
        if let Ok(answer) = self.answer.get() {
            answer.ready().await;
        }
    }

    /// Blocks until there is the answer, for so many milliseconds at the most. Whether there is.
    #[must_use]
    pub fn wait(&self, milliseconds: u64) -> bool {
        runtime::wait(milliseconds, self.ready())
    }

    /// The answer, once.
    ///
    /// # Errors
    /// That of the call; `closed` if there is no answer: not yet, not any more, or none will come as the call was
    /// ended.
    pub fn take(&self) -> Result<Vec<u8>> {
        match self.answer.get()?.take() {
            Some(answer) => answer.map_err(wrap),
            None => Err(refuse(ErrorCode::Closed)),
        }
    }

    /// Waits for the answer no more. A change that was sent may be made all the same; one that waits for room in the
    /// queue is not.
    pub fn end(&self) {
        if let Ok(answer) = self.answer.get() {
            answer.end();
        }
    }
}
