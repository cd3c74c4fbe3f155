//! Who a client is, by the credentials that its hello brings.

mod tokens;

use std::fmt;

use outpour_core::ErrorCode;
use thiserror::Error;

pub use tokens::{MAX_PRINCIPAL_BYTES, MAX_TOKENS, MIN_TOKEN_BYTES, Token, TokenDigest, TokenError, Tokens};

/// Judges credentials. Every worker asks it, once for each hello and while it serves others: it answers at once.
///
/// ```
/// use outpour_server::auth::{AuthError, Authenticator, Identity};
///
/// /// Takes everybody by their word.
/// #[derive(Debug)]
/// struct Trusting;
///
/// impl Authenticator for Trusting {
///     fn authenticate(&self, credentials: &[u8], _now_ms: u64) -> Result<Identity, AuthError> {
///         match std::str::from_utf8(credentials) {
///             Ok(name) if !name.is_empty() => Ok(Identity { principal: name.into(), expires_ms: None }),
///             _ => Err(AuthError::Missing),
///         }
///     }
/// }
/// assert_eq!(Trusting.authenticate(b"anna", 0).unwrap().principal, "anna");
/// ```
pub trait Authenticator: fmt::Debug + Send + Sync {
    /// Says who shows these credentials, which have at most 16 KiB and are empty if the client has none. `now_ms` is the
    /// wall clock's time in milliseconds since 1970.
    ///
    /// # Errors
    /// Why there is no session for them.
    fn authenticate(&self, credentials: &[u8], now_ms: u64) -> Result<Identity, AuthError>;
}

/// Who a client is, and for how long.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Identity {
    /// The name that the gateway knows the client by, at most 1,024 bytes; empty for anybody.
    pub principal: String,
    /// When the credentials expire, in milliseconds since 1970; `None` for never.
    pub expires_ms: Option<u64>,
}

/// Why credentials were not taken. The client is told this sentence.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum AuthError {
    /// There are none.
    #[error("the gateway demands credentials, and the client has shown none")]
    Missing,
    /// Nobody is known by them.
    #[error("the gateway does not know the client's credentials")]
    Unknown,
    /// They were good once.
    #[error("the client's credentials have expired")]
    Expired,
}

impl AuthError {
    /// The code that the session ends with.
    #[must_use]
    pub const fn code(self) -> ErrorCode {
        match self {
            Self::Missing | Self::Unknown => ErrorCode::Unauthenticated,
            Self::Expired => ErrorCode::CredentialsExpired,
        }
    }
}

/// Takes everybody for anybody, whatever they show.
#[derive(Clone, Copy, Debug, Default)]
pub struct Anonymous;

impl Authenticator for Anonymous {
    fn authenticate(&self, _credentials: &[u8], _now_ms: u64) -> Result<Identity, AuthError> {
        Ok(Identity::default())
    }
}
