//! The session: what an application holds.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use outpour_core::session::{FetchedItem, Input, PublicationChange, Replica, Signal, Statistics, SubscribeOptions};
use outpour_core::wire::{HistoryStart, TopicProperties};
use outpour_core::{ErrorCode, Path, Selector, Value};

use crate::connection::{ConnectionState, ConnectionStates, Resumptions};
use crate::publish::{Publish, UpdateStream};
use crate::state::Shared;
use crate::subscription::Subscription;
use crate::{Error, SessionBuilder};

/// How long closing waits for publishes that have no verdict, unless told otherwise.
const FLUSH: Duration = Duration::from_secs(5);

/// Connects to a gateway at a `ws://` or `wss://` address.
///
/// ```no_run
/// # async fn example() -> Result<(), outpour::Error> {
/// let session = outpour::connect("ws://127.0.0.1:7400").await?;
/// let mut prices = session.subscribe("prices/**")?;
/// while let Some(update) = prices.next().await {
///     println!("{:?}", update?);
/// }
/// # Ok(()) }
/// ```
///
/// # Errors
/// If the first attempt fails; [`SessionBuilder::start`] keeps trying instead.
pub async fn connect(url: &str) -> Result<Session, Error> {
    SessionBuilder::new(url).connect().await
}

/// One client's conversation with the gateway, across any number of connections.
///
/// Cloning gives another handle to the same session; it closes when the last handle is dropped,
/// subscriptions and update streams counted. Everything here may be called at any time, connected or not.
#[derive(Clone, Debug)]
pub struct Session {
    handle: Arc<Handle>,
}

/// Closes the session when nobody holds it any more.
#[derive(Debug)]
pub(crate) struct Handle {
    pub(crate) shared: Arc<Shared>,
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.shared.ask(|state, now| state.core.close(FLUSH, now));
    }
}

impl Session {
    pub(crate) fn new(shared: Arc<Shared>) -> Self {
        Self { handle: Arc::new(Handle { shared }) }
    }

    /// Subscribes to every topic that a selector matches, those to come as well.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let gateway = outpour_server::gateway::Gateway::ephemeral()?;
    /// # let url = gateway.url();
    /// let session = outpour::connect(&url).await?;
    /// session.set("prices/eurusd", outpour::Value::json("1.0841")).await?;
    ///
    /// let mut prices = session.subscribe("prices/*")?;
    /// let update = prices.next().await.unwrap()?;
    /// assert_eq!(update.path.as_str(), "prices/eurusd");
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// [`ErrorCode::BadSelector`], [`ErrorCode::TooManySubscriptions`], or [`ErrorCode::Closed`].
    pub fn subscribe(&self, selector: &str) -> Result<Subscription, Error> {
        self.subscribe_with(selector, &SubscribeOptions::default())
    }

    /// Subscribes with options: a maximum rate, past events, the size of the mailbox.
    ///
    /// # Errors
    /// As [`subscribe`](Self::subscribe), and [`ErrorCode::BadOptions`].
    pub fn subscribe_with(&self, selector: &str, options: &SubscribeOptions) -> Result<Subscription, Error> {
        let selector = Selector::new(selector)?;
        let id = self.handle.shared.ask(|state, now| {
            let id = state.core.subscribe(&selector, options, now)?;
            state.open_reader(id);
            Ok::<_, ErrorCode>(id)
        })?;
        Ok(Subscription::new(Arc::clone(&self.handle), id))
    }

    /// Sets the value of a topic, which is created if need be.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let gateway = outpour_server::gateway::Gateway::ephemeral()?;
    /// # let url = gateway.url();
    /// let session = outpour::connect(&url).await?;
    /// let version = session.set("counters/visits", 1).await?;
    /// session.set("counters/visits", 2).if_version(version).await?;
    ///
    /// let refused = session.set("counters/visits", 7).if_version(version).await.unwrap_err();
    /// assert_eq!(refused.code(), outpour::ErrorCode::VersionMismatch);
    /// # Ok(()) }
    /// ```
    pub fn set(&self, path: &str, value: impl Into<Value>) -> Publish {
        self.publish(path, PublicationChange::Set(value.into()))
    }

    /// Appends an event to an event topic, which is created if need be.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let gateway = outpour_server::gateway::Gateway::ephemeral()?;
    /// # let url = gateway.url();
    /// let session = outpour::connect(&url).await?;
    /// session.append("orders", "7 lots").await?;
    /// session.append("orders", "3 lots").await?;
    ///
    /// let (orders, _more) = session.fetch_events("orders", outpour::HistoryStart::All, 100).await?;
    /// assert_eq!(orders.len(), 2);
    /// assert_eq!(orders[1].value.as_str(), Some("3 lots"));
    /// # Ok(()) }
    /// ```
    pub fn append(&self, path: &str, event: impl Into<Value>) -> Publish {
        self.publish(path, PublicationChange::Append(event.into()))
    }

    /// Applies an RFC 6902 JSON Patch, given as JSON text, to a JSON value.
    pub fn patch(&self, path: &str, patch: impl Into<Bytes>) -> Publish {
        self.publish(path, PublicationChange::JsonPatch(patch.into()))
    }

    /// Applies an RFC 7386 JSON Merge Patch, given as JSON text, to a JSON value.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let gateway = outpour_server::gateway::Gateway::ephemeral()?;
    /// # let url = gateway.url();
    /// let session = outpour::connect(&url).await?;
    /// session.set("lamps/hall", outpour::Value::json(r#"{"on":false,"watts":7.50}"#)).await?;
    /// session.merge_patch("lamps/hall", r#"{"on":true}"#).await?;
    ///
    /// let lamp = session.get("lamps/hall").await?.unwrap();
    /// assert_eq!(lamp.value.as_str(), Some(r#"{"on":true,"watts":7.50}"#));
    /// # Ok(()) }
    /// ```
    pub fn merge_patch(&self, path: &str, patch: impl Into<Bytes>) -> Publish {
        self.publish(path, PublicationChange::MergePatch(patch.into()))
    }

    /// Removes a topic.
    pub fn remove(&self, path: &str) -> Publish {
        self.publish(path, PublicationChange::Remove)
    }

    /// Creates a topic with a say in its properties.
    pub fn create(&self, path: &str, properties: TopicProperties) -> Publish {
        self.publish(path, PublicationChange::Create(properties))
    }

    fn publish(&self, path: &str, change: PublicationChange) -> Publish {
        Publish::new(Arc::clone(&self.handle), Path::new(path).map_err(Error::from), change)
    }

    /// Opens a stream of values for one topic, of which only what changed goes upstream.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let gateway = outpour_server::gateway::Gateway::ephemeral()?;
    /// # let url = gateway.url();
    /// let session = outpour::connect(&url).await?;
    /// let document = session.update_stream("documents/7")?;
    /// document.set("It was a dark night.").await?;
    /// document.set("It was a dark and stormy night.").await?; // sends "and stormy ", about
    ///
    /// let held = session.get("documents/7").await?.unwrap();
    /// assert_eq!(held.value.as_str(), Some("It was a dark and stormy night."));
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// [`ErrorCode::BadPath`].
    pub fn update_stream(&self, path: &str) -> Result<UpdateStream, Error> {
        let path = Path::new(path)?;
        let id = self.handle.shared.ask(|state, _| state.core.open_stream());
        Ok(UpdateStream::new(Arc::clone(&self.handle), path, id))
    }

    /// The current value of a topic: the replica if it is subscribed to and live, else the gateway's.
    /// `None` if there is no such topic or it has no value.
    ///
    /// # Errors
    /// [`ErrorCode::BadPath`], or why the session is over.
    pub async fn get(&self, path: &str) -> Result<Option<Replica>, Error> {
        let path = Path::new(path)?;
        if let Some(replica) = self.replica(path.as_str()).filter(|replica| !replica.stale) {
            return Ok(Some(replica));
        }
        let received = self.handle.shared.ask(|_, now| now);
        let (items, _) = self.ask(path.as_str(), None, 1).await?;
        Ok(items.into_iter().next().map(|item| Replica {
            path: item.path,
            value: item.value,
            version: item.version,
            received,
            stale: false,
        }))
    }

    /// The current values of all topics that a selector matches, asked for once.
    ///
    /// # Errors
    /// [`ErrorCode::BadSelector`], or why the session is over.
    pub async fn fetch(&self, selector: &str) -> Result<Vec<FetchedItem>, Error> {
        Ok(self.ask(selector, None, u64::MAX).await?.0)
    }

    /// The current values of the topics that a selector matches, at the most `limit`; and whether there are more.
    ///
    /// # Errors
    /// As [`fetch`](Self::fetch).
    pub async fn fetch_up_to(&self, selector: &str, limit: u64) -> Result<(Vec<FetchedItem>, bool), Error> {
        self.ask(selector, None, limit).await
    }

    /// Past events of the event topics that a selector matches, oldest first for each topic, at the
    /// most `limit`; and whether there are more.
    ///
    /// # Errors
    /// [`ErrorCode::BadSelector`], or why the session is over.
    pub async fn fetch_events(
        &self,
        selector: &str,
        from: HistoryStart,
        limit: u64,
    ) -> Result<(Vec<FetchedItem>, bool), Error> {
        self.ask(selector, Some(from), limit).await
    }

    async fn ask(
        &self,
        selector: &str,
        history: Option<HistoryStart>,
        limit: u64,
    ) -> Result<(Vec<FetchedItem>, bool), Error> {
        let selector = Selector::new(selector)?;
        let answer = self.handle.shared.ask(|state, now| {
            let id = state.core.fetch(&selector, history, limit, now)?;
            Ok::<_, ErrorCode>(state.expect_answer(id))
        })?;
        answer.await.unwrap_or_else(|_| Err(ErrorCode::Closed.into()))
    }

    /// The newest value or event of a topic that is subscribed to, without asking anybody.
    #[must_use]
    pub fn replica(&self, path: &str) -> Option<Replica> {
        self.handle.shared.lock().core.replica(path)
    }

    /// The replicas whose paths match a selector.
    ///
    /// # Errors
    /// [`ErrorCode::BadSelector`].
    pub fn replicas(&self, selector: &str) -> Result<Vec<Replica>, Error> {
        let selector = Selector::new(selector)?;
        Ok(self.handle.shared.lock().core.replicas(&selector).collect())
    }

    /// How long ago a replica was received, time asleep counted.
    #[must_use]
    pub fn age(&self, replica: &Replica) -> Duration {
        self.handle.shared.lock().now() - replica.received
    }

    /// Waits until the session is live, or the attempt to get there fails; it goes on trying all the same.
    ///
    /// # Errors
    /// Why the attempt failed, or why the session is over.
    pub async fn connected(&self) -> Result<(), Error> {
        let mut states = self.connection();
        while let Some(state) = states.next().await {
            match state {
                ConnectionState::Connecting | ConnectionState::Suspended => {}
                ConnectionState::Connected => return Ok(()),
                ConnectionState::Disconnected { error, .. } | ConnectionState::Closed { error } => return Err(error),
            }
        }
        Err(ErrorCode::Closed.into())
    }

    /// Where the connection stands, and how that changes.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let gateway = outpour_server::gateway::Gateway::ephemeral()?;
    /// # let url = gateway.url();
    /// let session = outpour::connect(&url).await?;
    /// let mut states = session.connection();
    /// assert_eq!(states.next().await, Some(outpour::ConnectionState::Connected));
    /// # Ok(()) }
    /// ```
    #[must_use]
    pub fn connection(&self) -> ConnectionStates {
        ConnectionStates::new(self.handle.shared.connection.subscribe())
    }

    /// Where the connection stands now.
    #[must_use]
    pub fn connection_state(&self) -> ConnectionState {
        self.handle.shared.connection.borrow().clone()
    }

    /// What has been counted since the session began.
    #[must_use]
    pub fn statistics(&self) -> Statistics {
        self.handle.shared.lock().core.statistics()
    }

    /// How long the gateway took to answer last; `None` before it was asked. The session asks along with what
    /// it says, at the most once in a heartbeat, and on [`ping`](Self::ping).
    #[must_use]
    pub fn round_trip(&self) -> Option<Duration> {
        self.handle.shared.lock().core.round_trip()
    }

    /// Asks the gateway for a sign of life, to know the [`round_trip`](Self::round_trip) as it is now. A gateway
    /// that does not answer within two heartbeats is given up. Nothing without a connection.
    pub fn ping(&self) {
        self.handle.shared.ask(|state, _| state.core.ping());
    }

    /// Closes the session in order: waits up to five seconds for the verdicts on what was
    /// published, says goodbye, and returns when the session is over.
    pub async fn close(&self) {
        self.close_within(FLUSH).await;
    }

    /// Closes the session, waiting up to `flush` for verdicts.
    pub async fn close_within(&self, flush: Duration) {
        let mut states = self.handle.shared.connection.subscribe();
        self.handle.shared.ask(|state, now| state.core.close(flush, now));
        // The driver ends only after it has said so. What is borrowed is given back, so that this may wait on any thread.
        drop(states.wait_for(ConnectionState::is_closed).await);
        let mut stored = self.handle.shared.stored.clone();
        let _written = stored.wait_for(|is_done| *is_done).await;
    }

    /// What comes of each reconnect from now on: whether anything is missing, and how long the session was away.
    ///
    /// ```no_run
    /// # async fn example(session: outpour::Session) {
    /// use outpour::ResumeOutcome;
    ///
    /// let mut resumptions = session.resumptions();
    /// while let Some(resumption) = resumptions.next().await {
    ///     if resumption.outcome != ResumeOutcome::Complete {
    ///         println!("after {:?} without a connection: {:?}", resumption.away, resumption.outcome);
    ///     }
    /// }
    /// # }
    /// ```
    #[must_use]
    pub fn resumptions(&self) -> Resumptions {
        let shared = &self.handle.shared;
        Resumptions::new(shared.resumptions.subscribe(), shared.connection.subscribe())
    }

    /// The application is about to be suspended: sends what is due, says goodbye, and sleeps without a connection
    /// and without timers until [`resume`](Self::resume).
    pub fn suspend(&self) {
        self.signal(Signal::Suspending);
    }

    /// The application runs again. A session that slept connects at once; one that was not suspended in order
    /// looks whether its connection is still there.
    pub fn resume(&self) {
        self.signal(Signal::Resumed);
    }

    /// A hint of the platform: there is a network, perhaps another one. A session without a connection tries at
    /// once, and one with a connection looks whether it still works.
    pub fn network_up(&self) {
        self.signal(Signal::NetworkUp);
    }

    /// A hint of the platform: there may be no network. A session with a connection looks whether it still works.
    pub fn network_down(&self) {
        self.signal(Signal::NetworkDown);
    }

    fn signal(&self, signal: Signal) {
        self.handle.shared.ask(|state, now| state.core.handle_input(Input::Signal(signal), now));
    }
}
