//! What can go wrong, and whose fault it is.

use std::fmt;

use outpour_core::{ErrorCode, Fault, Version};

/// An error with a stable code. `docs/errors.md` has a page for each.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error {
    code: ErrorCode,
    detail: Option<String>,
    version: Option<Version>,
}

impl Error {
    pub(crate) const fn new(code: ErrorCode) -> Self {
        Self { code, detail: None, version: None }
    }

    pub(crate) fn with_detail(code: ErrorCode, detail: impl Into<String>) -> Self {
        Self { code, detail: Some(detail.into()).filter(|detail| !detail.is_empty()), version: None }
    }

    /// [`Version::NONE`] is no version of a topic.
    pub(crate) fn with_version(code: ErrorCode, version: Version) -> Self {
        Self { code, detail: None, version: Some(version).filter(|version| *version != Version::NONE) }
    }

    /// The stable code.
    #[must_use]
    pub const fn code(&self) -> ErrorCode {
        self.code
    }

    /// What is known beyond the code; may be empty.
    #[must_use]
    pub fn detail(&self) -> &str {
        self.detail.as_deref().unwrap_or_default()
    }

    /// Who has to act: the caller, the peer, the network or the gateway.
    #[must_use]
    pub const fn fault(&self) -> Fault {
        self.code.fault()
    }

    /// Whether the same call can succeed later without anything being changed.
    #[must_use]
    pub const fn is_retryable(&self) -> bool {
        self.code.is_retryable()
    }

    /// For a publish that was refused: the version that the topic has; `None` if there is no topic, or none that is known.
    #[must_use]
    pub const fn current_version(&self) -> Option<Version> {
        self.version
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.code)?;
        match &self.detail {
            Some(detail) => write!(f, ": {detail}"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for Error {}

impl From<ErrorCode> for Error {
    fn from(code: ErrorCode) -> Self {
        Self::new(code)
    }
}

impl From<outpour_core::PathError> for Error {
    fn from(error: outpour_core::PathError) -> Self {
        Self::with_detail(ErrorCode::BadPath, error.to_string())
    }
}

impl From<outpour_core::SelectorError> for Error {
    fn from(error: outpour_core::SelectorError) -> Self {
        Self::with_detail(ErrorCode::BadSelector, error.to_string())
    }
}
