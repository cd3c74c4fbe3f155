//! The updates of the topics that a selector matches.

use crate::error::{Result, wrap};
use crate::ownership::Owned;
use crate::{packed, runtime};

/// A batch holds no more updates once it has this many bytes of values.
const BATCH_BYTES: usize = 1 << 20;

/// A subscription: any number of tasks and threads may wait for it and take from it.
#[derive(Debug, uniffi::Object)]
pub struct Subscription {
    inner: Owned<outpour::Subscription>,
}

impl Subscription {
    pub(crate) fn new(inner: outpour::Subscription) -> Self {
        Self { inner: Owned::new(inner) }
    }
}

#[uniffi::export]
impl Subscription {
    /// Waits until there is something to take, if only the end.
    pub async fn ready(&self) {
        if let Ok(inner) = self.inner.get() {
            inner.ready().await;
        }
    }

    /// Blocks until there is something to take, for so many milliseconds at the most. Whether there is.
    #[must_use]
    pub fn wait(&self, milliseconds: u64) -> bool {
        runtime::wait(milliseconds, self.ready())
    }

    /// A packed batch of updates that have arrived: at the most `max`, and about as many as 1 MiB holds. `None` when there
    /// will be none.
    ///
    /// # Errors
    /// Why the subscription has ended, once.
    pub fn take(&self, max: u32) -> Result<Option<Vec<u8>>> {
        let taken = self.inner.get()?.take(max as usize, BATCH_BYTES).map_err(wrap)?;
        Ok(taken.map(|updates| packed::updates(&updates)))
    }

    /// Ends it, and whoever waits for it.
    pub fn end(&self) {
        if let Ok(inner) = self.inner.get() {
            inner.end();
        }
    }
}
