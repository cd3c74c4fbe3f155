//! Errors as other languages have them.

use std::fmt;
use std::sync::Arc;

use outpour::{ErrorCode, Fault, Version};

/// What went wrong. `docs/errors.md` has a page for each code.
#[derive(Debug, uniffi::Object)]
pub struct OutpourError(outpour::Error);

/// The result of whatever can fail.
pub(crate) type Result<T> = std::result::Result<T, Arc<OutpourError>>;

/// Who has to act for an error to go away.
#[derive(Clone, Copy, Debug, PartialEq, Eq, uniffi::Enum)]
pub enum ErrorFault {
    /// Nobody: an orderly end.
    Nobody,
    /// The application that made the call.
    Caller,
    /// The other side of the conversation broke the protocol.
    Peer,
    /// Something between the two.
    Network,
    /// The gateway, or a limit that its operator set.
    Gateway,
}

/// All that is known of an error.
#[derive(Clone, Debug, PartialEq, Eq, uniffi::Record)]
pub struct ErrorInfo {
    /// The stable code.
    pub code: u16,
    /// The code's name, such as `version-mismatch`.
    pub reason: String,
    /// Who has to act.
    pub fault: ErrorFault,
    /// Whether the same call can succeed later without anything being changed.
    pub retryable: bool,
    /// What the code says, in a sentence.
    pub message: String,
    /// What is known beyond the code; may be empty.
    pub detail: String,
    /// For a change that was refused: the version that the topic has.
    pub version: Option<u64>,
}

#[uniffi::export]
impl OutpourError {
    /// All that is known of it.
    #[must_use]
    pub fn info(&self) -> ErrorInfo {
        ErrorInfo::of(&self.0)
    }
}

impl ErrorInfo {
    pub(crate) fn of(error: &outpour::Error) -> Self {
        let code = error.code();
        Self {
            code: code.number(),
            reason: code.name().to_owned(),
            fault: match code.fault() {
                Fault::Nobody => ErrorFault::Nobody,
                Fault::Caller => ErrorFault::Caller,
                Fault::Peer => ErrorFault::Peer,
                Fault::Network => ErrorFault::Network,
                _ => ErrorFault::Gateway,
            },
            retryable: error.is_retryable(),
            message: code.message().to_owned(),
            detail: error.detail().to_owned(),
            version: error.current_version().map(|Version(version)| version),
        }
    }
}

impl fmt::Display for OutpourError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl std::error::Error for OutpourError {}

impl From<outpour::Error> for OutpourError {
    fn from(error: outpour::Error) -> Self {
        Self(error)
    }
}

/// The error with a code.
pub(crate) fn refuse(code: ErrorCode) -> Arc<OutpourError> {
    wrap(code.into())
}

pub(crate) fn wrap(error: outpour::Error) -> Arc<OutpourError> {
    Arc::new(OutpourError(error))
}
