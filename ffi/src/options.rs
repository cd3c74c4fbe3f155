//! What goes in, as other languages write it. All of it stands in for a type of the Rust SDK, where it is described at length.

use std::time::Duration;

use outpour::{ErrorCode, QueuePolicy, SessionBuilder, Version};

use crate::error::{Result, refuse};

/// How a session is set up; what is left out is as in the Rust SDK.
#[derive(Clone, Debug, uniffi::Record)]
pub struct Options {
    /// Addresses of gateways of the same data: `ws://` or `wss://`. At least one.
    pub urls: Vec<String>,
    /// What the client is, for the gateway's logs.
    #[uniffi(default = None)]
    pub agent: Option<String>,
    /// Credentials that do not expire.
    #[uniffi(default = None)]
    pub credentials: Option<Vec<u8>>,
    /// Whether to ask for credentials instead: [`CredentialsQuestions`](crate::CredentialsQuestions).
    #[uniffi(default = false)]
    pub asks_credentials: bool,
    /// Whether to connect again after a lost connection.
    #[uniffi(default = true)]
    pub reconnect: bool,
    /// How long one attempt may take.
    #[uniffi(default = None)]
    pub connect_timeout_ms: Option<u64>,
    /// The limit of the first wait between attempts; it doubles.
    #[uniffi(default = None)]
    pub backoff_base_ms: Option<u64>,
    /// The limit of all waits between attempts.
    #[uniffi(default = None)]
    pub backoff_cap_ms: Option<u64>,
    /// The largest message taken, in bytes.
    #[uniffi(default = None)]
    pub max_message: Option<u64>,
    /// How many publishes may wait for their verdict.
    #[uniffi(default = None)]
    pub queue_count: Option<u64>,
    /// How many bytes of their values.
    #[uniffi(default = None)]
    pub queue_bytes: Option<u64>,
    /// What becomes of a publish for which there is no room.
    #[uniffi(default = None)]
    pub when_full: Option<WhenFull>,
    /// Whether gateways may send the session to other hosts.
    #[uniffi(default = false)]
    pub follow_redirects: bool,
    /// The file for a warm start.
    #[uniffi(default = None)]
    pub store: Option<String>,
    /// The most bytes that it may take.
    #[uniffi(default = None)]
    pub store_bytes: Option<u64>,
    /// More certificate authorities to trust, in DER form.
    #[uniffi(default = [])]
    pub root_certificates: Vec<Vec<u8>>,
}

/// What becomes of a publish for which the queue has no room.
#[derive(Clone, Copy, Debug, uniffi::Enum)]
pub enum WhenFull {
    /// It waits until there is.
    Wait,
    /// The oldest that has not been sent gives way.
    DropOldest,
    /// It fails.
    Error,
}

impl Options {
    /// The Rust SDK's own options.
    pub(crate) fn builder(self) -> Result<SessionBuilder> {
        let Some((first, others)) = self.urls.split_first() else { return Err(refuse(ErrorCode::BadEndpoint)) };
        let mut builder = others.iter().fold(SessionBuilder::new(first), |builder, url| builder.or_at(url));
        builder = builder.reconnect(self.reconnect).follow_redirects(self.follow_redirects);
        if let Some(agent) = self.agent {
            builder = builder.agent(agent);
        }
        if let Some(credentials) = self.credentials {
            builder = builder.credentials(credentials);
        }
        if let Some(timeout) = self.connect_timeout_ms {
            builder = builder.connect_timeout(Duration::from_millis(timeout));
        }
        if self.backoff_base_ms.is_some() || self.backoff_cap_ms.is_some() {
            let base = self.backoff_base_ms.unwrap_or(250);
            let cap = self.backoff_cap_ms.unwrap_or_else(|| base.max(20_000));
            builder = builder.backoff(Duration::from_millis(base), Duration::from_millis(cap));
        }
        if let Some(bytes) = self.max_message {
            builder = builder.max_message(size(bytes));
        }
        if self.queue_count.is_some() || self.queue_bytes.is_some() {
            let count = self.queue_count.map_or(10_000, size);
            builder = builder.queue(count, self.queue_bytes.map_or(16 << 20, size));
        }
        if let Some(policy) = self.when_full {
            builder = builder.when_full(match policy {
                WhenFull::Wait => QueuePolicy::Wait,
                WhenFull::DropOldest => QueuePolicy::DropOldest,
                WhenFull::Error => QueuePolicy::Error,
            });
        }
        if let Some(path) = self.store {
            builder = builder.with_store(path);
        }
        if let Some(bytes) = self.store_bytes {
            builder = builder.store_bytes(size(bytes));
        }
        Ok(self.root_certificates.into_iter().fold(builder, SessionBuilder::root_certificate))
    }
}

fn size(number: u64) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}

/// From which past event on an event topic is told.
#[derive(Clone, Copy, Debug, uniffi::Enum)]
pub enum HistoryStart {
    /// Only events yet to come.
    Live,
    /// The newest so many.
    Last {
        /// How many.
        count: u64,
    },
    /// All that the gateway keeps.
    All,
    /// Those after the one with this version.
    After {
        /// The version.
        version: u64,
    },
}

impl From<HistoryStart> for outpour::HistoryStart {
    fn from(start: HistoryStart) -> Self {
        match start {
            HistoryStart::Live => Self::Live,
            HistoryStart::Last { count } => Self::Last(count),
            HistoryStart::All => Self::All,
            HistoryStart::After { version } => Self::After(Version(version)),
        }
    }
}

/// How a subscription is told of its topics; what is left out is as in the Rust SDK.
#[derive(Clone, Copy, Debug, uniffi::Record)]
pub struct SubscribeOptions {
    /// The most updates per topic and second.
    #[uniffi(default = None)]
    pub max_rate: Option<f64>,
    /// From where event topics are told.
    #[uniffi(default = None)]
    pub from: Option<HistoryStart>,
    /// The most updates that wait for a slow application.
    #[uniffi(default = None)]
    pub mailbox_count: Option<u64>,
    /// The most bytes of values that these may hold.
    #[uniffi(default = None)]
    pub mailbox_bytes: Option<u64>,
}

impl From<SubscribeOptions> for outpour::SubscribeOptions {
    fn from(options: SubscribeOptions) -> Self {
        let mut settled = Self { max_rate: options.max_rate, ..Self::default() };
        if let Some(start) = options.from {
            settled.from = start.into();
        }
        if let Some(count) = options.mailbox_count {
            settled.mailbox_count = size(count);
        }
        if let Some(bytes) = options.mailbox_bytes {
            settled.mailbox_bytes = size(bytes);
        }
        settled
    }
}

/// What the bytes of a value mean.
#[derive(Clone, Copy, Debug, uniffi::Enum)]
pub enum ValueType {
    /// UTF-8 JSON text.
    Json,
    /// UTF-8 text.
    Text,
    /// Any bytes.
    Binary,
    /// A signed 64-bit integer: 8 bytes, least significant first.
    Int64,
    /// An IEEE 754 double: 8 bytes, least significant first.
    Double,
}

impl From<ValueType> for outpour::ValueType {
    fn from(value_type: ValueType) -> Self {
        match value_type {
            ValueType::Json => Self::Json,
            ValueType::Text => Self::Text,
            ValueType::Binary => Self::Binary,
            ValueType::Int64 => Self::Int64,
            ValueType::Double => Self::Double,
        }
    }
}

/// What is done to a topic.
#[derive(Clone, Copy, Debug, uniffi::Enum)]
pub enum Change {
    /// Its value is set.
    Set,
    /// An event is appended.
    Append,
    /// A JSON merge patch (RFC 7386) is applied.
    MergePatch,
    /// A JSON Patch (RFC 6902) is applied.
    JsonPatch,
    /// It is removed.
    Remove,
}

/// A change to a topic.
#[derive(Clone, Debug, uniffi::Record)]
pub struct Publication {
    /// The topic.
    pub path: String,
    /// What is done to it.
    pub change: Change,
    /// The type of `value`.
    #[uniffi(default = None)]
    pub value_type: Option<ValueType>,
    /// The value, event or patch.
    #[uniffi(default = None)]
    pub value: Option<Vec<u8>>,
    /// When it may be done.
    #[uniffi(default = None)]
    pub condition: Option<Condition>,
}

/// When a change may be made.
#[derive(Clone, Copy, Debug, uniffi::Enum)]
pub enum Condition {
    /// If the topic's version is still this one.
    IfVersion {
        /// The version.
        version: u64,
    },
    /// If there is no such topic.
    IfAbsent,
}

/// Whether a topic has one current value or an ordered list of events.
#[derive(Clone, Copy, Debug, uniffi::Enum)]
pub enum TopicKind {
    /// One current value.
    Value,
    /// An ordered list of events.
    Event,
}

/// A topic's properties, where they are not what the gateway's rules say.
#[derive(Clone, Copy, Debug, uniffi::Record)]
pub struct TopicProperties {
    /// Value or event topic.
    pub kind: TopicKind,
    /// The type of its values or events.
    pub value_type: ValueType,
    /// Whether someone who subscribes later is told the current value.
    pub retain: bool,
    /// Whether a slow subscriber may be told fewer, newer values.
    pub conflate: bool,
    /// How many past events are kept at the most.
    pub history: u64,
    /// How long they are kept at the most, in milliseconds; 0 for no limit.
    pub history_age_ms: u64,
}

impl From<TopicProperties> for outpour::TopicProperties {
    fn from(properties: TopicProperties) -> Self {
        Self {
            kind: match properties.kind {
                TopicKind::Value => outpour::TopicKind::Value,
                TopicKind::Event => outpour::TopicKind::Event,
            },
            value_type: properties.value_type.into(),
            retain: properties.retain,
            conflate: properties.conflate,
            history: properties.history,
            history_age_ms: properties.history_age_ms,
        }
    }
}
