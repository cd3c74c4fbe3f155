//! What a session is set up with.

use alloc::string::String;
use alloc::vec::Vec;
use core::time::Duration;

use super::endpoints::Address;
use crate::error::ErrorCode;
use crate::wire::{HistoryStart, MAX_MESSAGE_BYTES, MAX_TEXT_BYTES, MIN_MESSAGE_BYTES};

/// Limits and timings of a session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionConfig {
    /// What the client is, for the gateway's logs; at the most 1,024 bytes.
    pub agent: String,
    /// Where gateways are, as `ws://` or `wss://` URLs: the first is tried first, and the others in turn when it
    /// fails; later the one that was live last comes first. May be empty if the driver knows the only one.
    pub endpoints: Vec<String>,
    /// Whether a gateway may send the session to hosts that are not among `endpoints`. From a secure
    /// connection to one that is not it may never.
    pub follow_redirects: bool,
    /// Whether the driver can answer [`Request::Credentials`](super::Request::Credentials). Otherwise the session shows none.
    pub ask_credentials: bool,
    /// Whether to connect again after a lost connection.
    pub reconnect: bool,
    /// How long connecting, the WebSocket handshake and the gateway's welcome may take together.
    pub connect_timeout: Duration,
    /// The back-off doubles from here on; each wait is drawn evenly from zero up to it.
    pub backoff_base: Duration,
    /// The longest back-off.
    pub backoff_cap: Duration,
    /// The largest message taken, in bytes: 4 KiB to 64 MiB. A gateway whose values may need more
    /// refuses the session.
    pub max_message: usize,
    /// The most publishes that may wait for their verdict, sent or not.
    pub queue_count: usize,
    /// The most bytes of values that these may hold.
    pub queue_bytes: usize,
    /// What becomes of a publish for which there is no room.
    pub queue_full: QueueFull,
    /// The most topics that the session may hold.
    pub max_topics: usize,
}

impl Default for SessionConfig {
    fn default() -> Self {
        Self {
            agent: String::from(concat!("outpour/", env!("CARGO_PKG_VERSION"))),
            endpoints: Vec::new(),
            follow_redirects: false,
            ask_credentials: false,
            reconnect: true,
            connect_timeout: Duration::from_secs(10),
            backoff_base: Duration::from_millis(250),
            backoff_cap: Duration::from_secs(20),
            max_message: 32 << 20,
            queue_count: 10_000,
            queue_bytes: 16 << 20,
            queue_full: QueueFull::Error,
            max_topics: 2_000_000,
        }
    }
}

impl SessionConfig {
    /// Whether every figure is in its range.
    ///
    /// # Errors
    /// [`ErrorCode::BadOptions`] if one is not; [`ErrorCode::BadEndpoint`] for an endpoint that is no URL.
    pub fn validate(&self) -> Result<(), ErrorCode> {
        if self.endpoints.iter().any(|text| Address::parse(text).is_none()) {
            return Err(ErrorCode::BadEndpoint);
        }
        let sound = self.agent.len() <= MAX_TEXT_BYTES
            && !self.connect_timeout.is_zero()
            && !self.backoff_base.is_zero()
            && self.backoff_base <= self.backoff_cap
            && (MIN_MESSAGE_BYTES..=MAX_MESSAGE_BYTES).contains(&self.max_message)
            && self.queue_count > 0
            && self.queue_bytes > 0
            && self.max_topics > 0;
        if sound { Ok(()) } else { Err(ErrorCode::BadOptions) }
    }
}

/// What becomes of a publish for which the queue has no room.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum QueueFull {
    /// It is refused with [`ErrorCode::QueueFull`].
    #[default]
    Error,
    /// It takes the place of the oldest ones that were not sent yet, which are settled with
    /// [`ErrorCode::QueueFull`]. Only if all were sent it is refused.
    DropOldest,
}

/// How a subscription is told of its topics.
#[derive(Clone, Debug, PartialEq)]
pub struct SubscribeOptions {
    /// The most updates per topic and second; `None` for no limit. At least one in an hour.
    pub max_rate: Option<f64>,
    /// From where event topics are told.
    pub from: HistoryStart,
    /// The most updates that wait for a slow application; past it, newer values replace older ones.
    pub mailbox_count: usize,
    /// The most bytes of values that these may hold.
    pub mailbox_bytes: usize,
}

impl Default for SubscribeOptions {
    fn default() -> Self {
        Self { max_rate: None, from: HistoryStart::Live, mailbox_count: 1024, mailbox_bytes: 4 << 20 }
    }
}

impl SubscribeOptions {
    /// The rate on the wire.
    pub(super) fn max_rate_millihertz(&self) -> Result<u64, ErrorCode> {
        match self.max_rate {
            None => Ok(0),
            Some(rate) if (1.0 / 3600.0..=1e6).contains(&rate) => Ok(((rate * 1000.0) as u64).max(1)),
            Some(_) => Err(ErrorCode::BadOptions),
        }
    }
}
