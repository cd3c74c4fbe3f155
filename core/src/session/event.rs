//! What goes into a session and what comes out of it, as data.

use alloc::string::String;
use alloc::vec::Vec;
use core::time::Duration;

use super::credentials::{Credentials, CredentialsId};
use super::endpoints::Endpoint;
use crate::error::ErrorCode;
use crate::path::Path;
use crate::position::{Epoch, FetchId, SubscriptionId, Version};
use crate::time::Timestamp;
use crate::value::{TopicKind, Value};

/// One attempt at a transport, named by the session. News about any other attempt is ignored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TransportId(pub u64);

/// Pairs a publish with its verdict, within its session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PublishTicket(pub u64);

/// Names an update stream within its session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StreamId(pub u32);

/// All that can happen to a session, as data: it can be logged, replayed and fuzzed.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Input<'a> {
    /// The transport asked for by [`Request::Open`] is ready.
    Opened {
        /// The transport.
        transport: TransportId,
        /// Whether the gateway took the early message of the request.
        early_taken: bool,
    },
    /// A whole binary message came.
    Message(TransportId, &'a [u8]),
    /// A text message came, which the protocol does not know.
    TextMessage(TransportId),
    /// The transport is gone, or could not be opened.
    Lost(TransportId, Lost),
    /// The answer to a [`Request::Credentials`], or why there is none.
    Credentials(CredentialsId, Result<Credentials, String>),
    /// The platform knows something that the wire does not say yet.
    Signal(Signal),
    /// Time has passed. Early and surplus ticks are harmless.
    Tick,
}

/// Why a transport is gone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lost {
    /// The code, usually of the network's fault.
    pub code: ErrorCode,
    /// What the driver knows beyond it.
    pub detail: String,
}

/// Hints from the platform: they make a session look sooner, and prove nothing.
///
/// On any of the first three, a session that is live asks the gateway for a sign of life and
/// connects again only if there is none within three seconds. None of them resets the back-off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Signal {
    /// There is a network, perhaps another one. A session that waits for its next attempt makes it now,
    /// unless the gateway has asked it to stay away, and one that opens a transport begins anew, which may be
    /// stuck in the old network; but at the most once a second, and an attempt begun so gets three seconds.
    NetworkUp,
    /// There may be no network.
    NetworkDown,
    /// The application runs again, perhaps after it was suspended: like [`NetworkUp`](Self::NetworkUp), and a
    /// session that went to sleep connects at once.
    Resumed,
    /// The application is about to be suspended: the session sends what is due, says goodbye, and sleeps
    /// without timers until [`Resumed`](Self::Resumed).
    Suspending,
}

/// What only a driver can do.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Request {
    /// Open a transport, and say [`Input::Opened`] or [`Input::Lost`].
    Open {
        /// Its name from now on.
        transport: TransportId,
        /// Where.
        endpoint: Endpoint,
        /// The first message, to be offered in the WebSocket handshake if the platform allows it
        /// (`docs/protocol.md` §2): it saves a round trip.
        early: Option<Vec<u8>>,
    },
    /// Provide credentials, and say [`Input::Credentials`]. Asked only with
    /// [`SessionConfig::ask_credentials`](super::SessionConfig::ask_credentials), and once per need: what was provided is kept until a gateway
    /// does not take it any more.
    Credentials {
        /// Comes back with the answer.
        id: CredentialsId,
        /// Whether the last ones had expired, so that a cache must not give them out again.
        expired: bool,
    },
    /// Close a transport, after what has been transmitted. Nothing more is wanted of it.
    Close {
        /// The transport.
        transport: TransportId,
        /// The WebSocket close code.
        code: u16,
    },
}

/// What an application hears of the session as a whole.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// On the way to a gateway.
    Connecting {
        /// Counts attempts since the last connection, from 1.
        attempt: u32,
    },
    /// Live.
    Connected {
        /// The life of the log that versions belong to.
        epoch: Epoch,
    },
    /// The session is where it was before the connection was lost: every subscription is up to date again.
    /// Follows each [`Connected`](Self::Connected) but the first.
    Resumed {
        /// For how long it was away.
        away: Duration,
        /// What came of it.
        outcome: ResumeOutcome,
    },
    /// The gateway asks the session to go on elsewhere. It is still live, and told everything, while it opens
    /// another connection; then [`Moved`](Self::Moved) follows, or if there is none and the gateway
    /// ends this one [`Disconnected`](Self::Disconnected).
    Moving {
        /// For how long the gateway serves the session on.
        within: Duration,
    },
    /// Live at another gateway, without having been disconnected. [`Resumed`](Self::Resumed) follows.
    Moved {
        /// The life of the log that versions belong to.
        epoch: Epoch,
    },
    /// Asleep after [`Signal::Suspending`], without a connection and without timers, until [`Signal::Resumed`].
    /// Replicas stay readable and publishes are queued.
    Suspended,
    /// Not live. Replicas stay readable and publishes are queued.
    Disconnected {
        /// Why.
        code: ErrorCode,
        /// What is known beyond the code.
        detail: String,
        /// When the next attempt is made.
        retry_in: Option<Duration>,
    },
    /// Over for good; nothing follows.
    Closed {
        /// Why; [`ErrorCode::Closed`] if it was asked for.
        code: ErrorCode,
        /// What is known beyond the code.
        detail: String,
    },
    /// All topics that a subscription matched when it was made are known. Said again after each reconnect.
    Subscribed {
        /// The subscription.
        id: SubscriptionId,
        /// How many topics it matched.
        topics: u64,
    },
    /// The gateway does not grant a subscription, which has ended.
    SubscriptionRefused {
        /// The subscription.
        id: SubscriptionId,
        /// Why.
        code: ErrorCode,
    },
    /// The verdict on a publish: the version that it gave the topic.
    PublishSettled {
        /// The publish.
        ticket: PublishTicket,
        /// The new version, or why the change was not made.
        verdict: Result<Version, Refusal>,
    },
    /// The answer to a fetch.
    FetchEnded {
        /// The fetch.
        id: FetchId,
        /// The values or events.
        items: Vec<FetchedItem>,
        /// Whether its limit kept more back.
        more: bool,
    },
    /// The gateway does not answer a fetch.
    FetchFailed {
        /// The fetch.
        id: FetchId,
        /// Why.
        code: ErrorCode,
    },
}

/// What came of going on after a lost connection.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ResumeOutcome {
    /// Nothing is missing: everything that happened meanwhile has been told, each event of event topics and
    /// the newest value of value topics.
    Complete,
    /// Events happened meanwhile that are no longer kept. All else has been told.
    Gaps {
        /// Which, of the first 1,000 topics.
        missed: Vec<MissedEvents>,
        /// How many gaps there are beside these.
        more: u64,
    },
    /// The log began anew: what was held belongs to its former life, and everything was told from the
    /// beginning. Which events are missing is not known.
    Afresh,
}

/// Events of a topic that will not come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MissedEvents {
    /// The topic.
    pub path: Path,
    /// The sequence number of the first one missing.
    pub first: u64,
    /// That of the last one missing.
    pub last: u64,
}

/// Why a change was not made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The code.
    pub code: ErrorCode,
    /// The version that the topic had; [`Version::NONE`] if there was no topic, or none that is known.
    pub version: Version,
}

/// One value or event that a fetch asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FetchedItem {
    /// The topic.
    pub path: Path,
    /// Value or event topic.
    pub kind: TopicKind,
    /// The value or event.
    pub value: Value,
    /// Its version.
    pub version: Version,
    /// For events: the sequence number.
    pub sequence: u64,
}

/// One thing that happened to a topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Update {
    /// The topic.
    pub path: Path,
    /// What happened.
    pub kind: UpdateKind,
    /// The life of the log that it happened in: versions and sequence numbers begin anew with each.
    pub epoch: Epoch,
    /// Whether it may be out of date: it was held when the gateway could not be heard of. What has changed
    /// since follows.
    pub stale: bool,
    /// How many bytes told of it.
    pub wire_bytes: usize,
}

/// What happened to a topic.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum UpdateKind {
    /// It has this value now.
    Value {
        /// The value.
        value: Value,
        /// Its version.
        version: Version,
    },
    /// An event.
    Event {
        /// The event.
        value: Value,
        /// Its version.
        version: Version,
        /// Counts the topic's events from 1.
        sequence: u64,
    },
    /// Events are missing: no longer kept by the gateway, or too many for the subscription's mailbox.
    Gap {
        /// The sequence number of the first one missing.
        first: u64,
        /// That of the last one missing.
        last: u64,
    },
    /// The topic is no more.
    Removed,
}

/// A topic's newest value or event, as the session holds it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Replica {
    /// The topic.
    pub path: Path,
    /// The value or event.
    pub value: Value,
    /// Its version.
    pub version: Version,
    /// When it was received.
    pub received: Timestamp,
    /// Whether the gateway can't be heard of now, so that there may be a newer one.
    pub stale: bool,
}

/// Why a session wants to be woken; for logs and tests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TimerReason {
    /// To connect again.
    Redial,
    /// To give up on a connection that does not come about.
    Connect,
    /// To give up on a gateway that is not heard of.
    Silence,
    /// To leave for another gateway.
    Move,
    /// To give up on a provider of credentials.
    Credentials,
    /// To close although publishes have no verdict.
    Close,
}

/// What a session has counted since it began.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Statistics {
    /// Messages received.
    pub messages_in: u64,
    /// Bytes of these.
    pub bytes_in: u64,
    /// Bytes of messages sent.
    pub bytes_out: u64,
    /// Values and events received.
    pub updates: u64,
    /// Bytes that these would have taken whole.
    pub full_bytes: u64,
    /// Values received as deltas.
    pub deltas: u64,
    /// Values received whole.
    pub snapshots: u64,
    /// Replicas that could not be continued and were asked for anew.
    pub repairs: u64,
    /// Connections that were welcomed.
    pub connections: u64,
}
