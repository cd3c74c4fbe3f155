//! Showing who the session is: credentials are asked for once per need, and kept across connections.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use core::time::Duration;

use super::Session;
use super::event::{Lost, Request};
use super::link::Phase;
use crate::error::ErrorCode;
use crate::time::Timestamp;
use crate::wire::MAX_CREDENTIALS_BYTES;

/// How long a provider gets to answer.
const PATIENCE: Duration = Duration::from_secs(30);

/// Pairs a [`Request::Credentials`] with its answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CredentialsId(pub u64);

/// What shows a gateway who the session is, in a form that the gateway's operator chose; at the most 16
/// KiB. Its debugging output tells only its length.
///
/// ```
/// use outpour_core::session::Credentials;
///
/// let credentials = Credentials::new(b"a secret".to_vec());
/// assert_eq!(format!("{credentials:?}"), "Credentials(8 bytes)");
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials(Vec<u8>);

impl Credentials {
    /// Credentials from their bytes.
    #[must_use]
    pub const fn new(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }

    /// Their bytes.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Credentials({} bytes)", self.0.len())
    }
}

/// The credentials of a session.
#[derive(Debug, Default)]
pub(super) struct Keyring {
    held: Option<Credentials>,
    /// A gateway has welcomed the session with those held.
    are_proven: bool,
    /// The last ones were too old.
    had_expired: bool,
    /// The question without an answer.
    asked: Option<CredentialsId>,
    last: u64,
}

/// What becomes of a session whose credentials a gateway did not take.
pub(super) enum Refused {
    /// It ends.
    Finally,
    /// New ones are asked for at once.
    AskAtOnce,
    /// New ones are asked for after a while.
    AskLater,
}

impl Keyring {
    pub(super) const fn is_empty(&self) -> bool {
        self.held.is_none()
    }

    /// What the hello shows.
    pub(super) fn bytes(&self) -> &[u8] {
        self.held.as_ref().map_or(&[], Credentials::bytes)
    }

    /// The gateway took them.
    pub(super) const fn prove(&mut self) {
        self.are_proven = true;
        self.had_expired = false;
    }

    /// A gateway did not take those held.
    fn refuse(&mut self, code: ErrorCode) -> Refused {
        let were_proven = core::mem::take(&mut self.are_proven);
        let is_expired = code == ErrorCode::CredentialsExpired;
        if !is_expired && !were_proven {
            return Refused::Finally;
        }
        self.held = None;
        self.had_expired = is_expired;
        if were_proven { Refused::AskAtOnce } else { Refused::AskLater }
    }
}

impl Session {
    /// Asks the application for credentials, to dial with them.
    pub(super) fn ask_for_credentials(&mut self, now: Timestamp) {
        self.link.phase = Phase::Asking { deadline: now + PATIENCE };
        // An answer that is still on its way serves as well.
        if self.keyring.asked.is_none() {
            self.keyring.last += 1;
            let id = CredentialsId(self.keyring.last);
            self.keyring.asked = Some(id);
            self.link.requests.push_back(Request::Credentials { id, expired: self.keyring.had_expired });
        }
    }

    pub(super) fn handle_credentials(
        &mut self,
        id: CredentialsId,
        outcome: Result<Credentials, String>,
        now: Timestamp,
    ) {
        if self.keyring.asked.take_if(|asked| *asked == id).is_none() {
            return;
        }
        let outcome = outcome.and_then(|credentials| {
            let fit = credentials.bytes().len() <= MAX_CREDENTIALS_BYTES;
            if fit { Ok(credentials) } else { Err("the credentials are longer than 16 KiB".into()) }
        });
        match outcome {
            Ok(credentials) => {
                self.keyring.held = Some(credentials);
                self.keyring.are_proven = false;
                if matches!(self.link.phase, Phase::Asking { .. }) {
                    self.dial(now);
                }
            }
            Err(detail) => self.fail_credentials(detail, now),
        }
    }

    /// The provider failed, or did not answer in time: it is asked again after a while.
    pub(super) fn fail_credentials(&mut self, detail: String, now: Timestamp) {
        if matches!(self.link.phase, Phase::Asking { .. }) {
            self.keyring.asked = None;
            let wait = self.link.backoff.next(false, Duration::ZERO);
            self.wait(Lost { code: ErrorCode::CredentialsFailed, detail }, wait, Duration::ZERO, now);
        }
    }

    /// A gateway did not take the credentials. `true` if the session goes on with new ones.
    pub(super) fn renew_credentials(&mut self, lost: &Lost, now: Timestamp) -> bool {
        let is_about_them = matches!(lost.code, ErrorCode::Unauthenticated | ErrorCode::CredentialsExpired);
        if !is_about_them || !self.config.ask_credentials {
            return false;
        }
        let wait = match self.keyring.refuse(lost.code) {
            Refused::Finally => return false,
            Refused::AskAtOnce => Duration::ZERO,
            Refused::AskLater => self.link.backoff.next(false, Duration::ZERO),
        };
        self.wait(lost.clone(), wait, Duration::ZERO, now);
        if wait.is_zero() {
            self.dial(now);
        }
        true
    }
}
