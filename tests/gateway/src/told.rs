//! What a gateway tells, in full and owned.

use outpour_core::wire::{Ack, RequestRef, Welcome};
use outpour_core::{ErrorCode, TopicKind, ValueType};

/// One thing that a client has been told.
#[expect(missing_docs, reason = "the fields are those of the frames, in words")]
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Told {
    /// The answer to hello.
    Welcome(Welcome<'static>),
    /// A topic has a number; `sequence` is that of the last event before those told.
    Announced { path: String, kind: TopicKind, value_type: ValueType, sequence: u64 },
    /// A value, put together and checked.
    Value { path: String, version: u64, value: String, whole: bool },
    /// A delta that could not be used, because the client does not hold what it starts from.
    Unusable { path: String },
    /// An event.
    Event { path: String, version: u64, sequence: u64, value: String },
    /// Events are missing, from the first to the last.
    Gap { path: String, first: u64, last: u64 },
    /// A topic is no more.
    Removed { path: String },
    /// A verdict.
    Ack(Ack),
    /// A subscription is complete.
    Subscribed { id: u32, topics: u64 },
    /// A subscription has ended.
    Unsubscribed { id: u32 },
    /// One item of a fetch.
    Fetched { id: u32, path: String, sequence: u64, value: String },
    /// The end of a fetch.
    FetchEnd { id: u32, more: bool },
    /// A request is refused.
    Refused { request: RequestRef, code: u16, reason: String },
    /// The gateway asks to go on elsewhere.
    Move { within_ms: u64, redirect: String },
    /// The gateway ends the conversation.
    Goodbye(Goodbye),
    /// The WebSocket is closed, with this code.
    Closed(Option<u16>, String),
    /// The socket is gone without a word.
    Gone,
}

/// The end of a conversation, with reason.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Goodbye {
    /// The error's number.
    pub code: u16,
    /// A sentence.
    pub reason: String,
    /// When to come back.
    pub retry_after_ms: u64,
    /// And where.
    pub redirect: String,
    /// The major versions that the gateway speaks.
    pub speaks: Vec<u64>,
}

impl Told {
    /// Of which topic.
    #[must_use]
    pub fn path(&self) -> Option<&str> {
        match self {
            Self::Announced { path, .. }
            | Self::Value { path, .. }
            | Self::Unusable { path }
            | Self::Event { path, .. }
            | Self::Gap { path, .. }
            | Self::Removed { path }
            | Self::Fetched { path, .. } => Some(path),
            _ => None,
        }
    }

    /// Whether this ends the conversation with a code, and says so in a sentence.
    #[must_use]
    pub fn is_goodbye(&self, code: ErrorCode) -> bool {
        matches!(self, Self::Goodbye(goodbye) if goodbye.code == code.number() && goodbye.reason.len() > 8)
    }
}
