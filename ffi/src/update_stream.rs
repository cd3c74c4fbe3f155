//! Values for one topic, of which only what changed goes upstream.

use std::sync::{Arc, Mutex, PoisonError};

use outpour::{ErrorCode, Value};

use crate::call::Call;
use crate::error::{Result, refuse};
use crate::options::{Condition, ValueType};
use crate::ownership::Owned;
use crate::session::publish;

/// A stream of values for one topic.
#[derive(Debug, uniffi::Object)]
pub struct UpdateStream {
    /// `None` when it has been ended.
    inner: Owned<Mutex<Option<outpour::UpdateStream>>>,
}

impl UpdateStream {
    pub(crate) fn new(inner: outpour::UpdateStream) -> Self {
        Self { inner: Owned::new(Mutex::new(Some(inner))) }
    }
}

#[uniffi::export]
impl UpdateStream {
    /// Sets the topic. The answer is its new version, a u64.
    ///
    /// # Errors
    /// `bad-value`, or `closed` after [`end`](Self::end).
    pub fn set(&self, value_type: ValueType, value: Vec<u8>, condition: Option<Condition>) -> Result<Arc<Call>> {
        let value = Value::from_bytes(value_type.into(), value).map_err(refuse)?;
        let inner = self.inner.get()?.lock().unwrap_or_else(PoisonError::into_inner);
        let stream = inner.as_ref().ok_or_else(|| refuse(ErrorCode::Closed))?;
        Ok(publish(stream.set(value), condition))
    }

    /// Ends the stream. What is on its way is still settled.
    pub fn end(&self) {
        if let Ok(inner) = self.inner.get() {
            drop(inner.lock().unwrap_or_else(PoisonError::into_inner).take());
        }
    }
}
