//! Where a session stands, and what came of going on after a lost connection.

use futures_util::stream;
use outpour::ResumeOutcome;

use crate::error::ErrorInfo;
use crate::feed::Feed;
use crate::ownership::Owned;
use crate::runtime;

/// Where a session stands.
#[derive(Clone, Debug, PartialEq, Eq, uniffi::Enum)]
pub enum ConnectionState {
    /// On its way to a gateway.
    Connecting,
    /// Live.
    Connected,
    /// Not live. Replicas stay readable and publishes are queued.
    Disconnected {
        /// Why.
        error: ErrorInfo,
        /// In how many milliseconds the next attempt is made; none while it waits for a network.
        retry_in_ms: Option<u64>,
    },
    /// Asleep, as it was asked to be.
    Suspended,
    /// Over for good.
    Closed {
        /// Why; `closed` if it was asked for.
        error: ErrorInfo,
    },
}

impl From<outpour::ConnectionState> for ConnectionState {
    fn from(state: outpour::ConnectionState) -> Self {
        use outpour::ConnectionState as State;
        match state {
            State::Connected => Self::Connected,
            State::Disconnected { error, retry_in } => Self::Disconnected {
                error: ErrorInfo::of(&error),
                retry_in_ms: retry_in.map(|wait| wait.as_millis() as u64),
            },
            State::Suspended => Self::Suspended,
            State::Closed { error } => Self::Closed { error: ErrorInfo::of(&error) },
            _ => Self::Connecting,
        }
    }
}

/// A session is where it was before its connection was lost.
#[derive(Clone, Debug, PartialEq, Eq, uniffi::Record)]
pub struct Resumption {
    /// For how many milliseconds it was away.
    pub away_ms: u64,
    /// Whether anything is missing.
    pub outcome: ResumptionOutcome,
    /// The gaps, of the first 1,000 topics.
    pub missed: Vec<MissedEvents>,
    /// How many gaps there are beside these.
    pub more: u64,
}

/// Whether anything is missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, uniffi::Enum)]
pub enum ResumptionOutcome {
    /// Nothing is.
    Complete,
    /// Events are, that are no longer kept.
    Gaps,
    /// The log began anew: everything was told from the beginning.
    Afresh,
}

/// Events of a topic that will not come.
#[derive(Clone, Debug, PartialEq, Eq, uniffi::Record)]
pub struct MissedEvents {
    /// The topic.
    pub path: String,
    /// The sequence number of the first one missing.
    pub first: u64,
    /// That of the last one missing.
    pub last: u64,
}

impl From<outpour::Resumption> for Resumption {
    fn from(resumption: outpour::Resumption) -> Self {
        let (outcome, missed, more) = match resumption.outcome {
            ResumeOutcome::Complete => (ResumptionOutcome::Complete, Vec::new(), 0),
            ResumeOutcome::Gaps { missed, more } => (ResumptionOutcome::Gaps, missed, more),
            _ => (ResumptionOutcome::Afresh, Vec::new(), 0),
        };
        let missed = missed.into_iter().map(|missed| MissedEvents {
            path: missed.path.as_str().to_owned(),
            first: missed.first,
            last: missed.last,
        });
        Self { away_ms: resumption.away.as_millis() as u64, outcome, missed: missed.collect(), more }
    }
}

/// The states of a session as they change, beginning with the current one. States that come and go while nobody looks are
/// skipped. It ends after the last one.
#[derive(Debug, uniffi::Object)]
pub struct ConnectionStates {
    feed: Owned<Feed<ConnectionState>>,
}

/// What came of each reconnect.
#[derive(Debug, uniffi::Object)]
pub struct Resumptions {
    feed: Owned<Feed<Resumption>>,
}

impl ConnectionStates {
    pub(crate) fn new(states: outpour::ConnectionStates) -> Self {
        let states = stream::unfold(states, |mut states| async { Some((states.next().await?.into(), states)) });
        Self { feed: Owned::new(Feed::new(states)) }
    }
}

impl Resumptions {
    pub(crate) fn new(resumptions: outpour::Resumptions) -> Self {
        let resumptions = stream::unfold(resumptions, |mut next| async { Some((next.next().await?.into(), next)) });
        Self { feed: Owned::new(Feed::new(resumptions)) }
    }
}

#[uniffi::export]
impl ConnectionStates {
    /// Waits until there is something to take, or it is over.
    pub async fn ready(&self) {
        if let Ok(feed) = self.feed.get() {
            feed.ready().await;
        }
    }

    /// Blocks until then, for so many milliseconds at the most. Whether it is so.
    #[must_use]
    pub fn wait(&self, milliseconds: u64) -> bool {
        runtime::wait(milliseconds, self.ready())
    }

    /// The next state, if there is one.
    #[must_use]
    pub fn take(&self) -> Option<ConnectionState> {
        self.feed.get().ok()?.take()
    }

    /// Whether nothing will come.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.feed.get().map_or(true, Feed::is_over)
    }

    /// Ends it, and whoever waits for it.
    pub fn end(&self) {
        if let Ok(feed) = self.feed.get() {
            feed.end();
        }
    }
}

#[uniffi::export]
impl Resumptions {
    /// Waits until there is something to take, or it is over.
    pub async fn ready(&self) {
        if let Ok(feed) = self.feed.get() {
            feed.ready().await;
        }
    }

    /// Blocks until then, for so many milliseconds at the most. Whether it is so.
    #[must_use]
    pub fn wait(&self, milliseconds: u64) -> bool {
        runtime::wait(milliseconds, self.ready())
    }

    /// The next one, if there is one.
    #[must_use]
    pub fn take(&self) -> Option<Resumption> {
        self.feed.get().ok()?.take()
    }

    /// Whether nothing will come.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.feed.get().map_or(true, Feed::is_over)
    }

    /// Ends it, and whoever waits for it.
    pub fn end(&self) {
        if let Ok(feed) = self.feed.get() {
            feed.end();
        }
    }
}
