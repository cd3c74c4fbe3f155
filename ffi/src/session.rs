//! The session.

use std::sync::Arc;
use std::time::Duration;

use outpour::{ErrorCode, Publish, Value, Version};

use crate::call::Call;
use crate::connection::{ConnectionState, ConnectionStates, Resumptions};
use crate::credentials::CredentialsQuestions;
use crate::error::{Result, refuse, wrap};
use crate::options::{Change, Condition, HistoryStart, Options, Publication, SubscribeOptions, TopicProperties};
use crate::ownership::Owned;
use crate::subscription::Subscription;
use crate::update_stream::UpdateStream;
use crate::{packed, runtime};

/// One client's conversation with the gateway, across any number of connections. Everything may be called from any
/// thread.
#[derive(Debug, uniffi::Object)]
pub struct Session {
    inner: Owned<outpour::Session>,
    questions: Option<Arc<CredentialsQuestions>>,
}

/// What has been counted since a session began.
#[derive(Clone, Copy, Debug, PartialEq, Eq, uniffi::Record)]
pub struct Statistics {
    /// Messages received.
    pub messages_received: u64,
    /// Bytes of these.
    pub bytes_received: u64,
    /// Bytes of messages sent.
    pub bytes_sent: u64,
    /// Values and events received.
    pub updates: u64,
    /// Bytes that these would have taken whole.
    pub full_value_bytes: u64,
    /// Values received as deltas.
    pub deltas: u64,
    /// Values received whole.
    pub snapshots: u64,
    /// Replicas that could not be continued and were asked for anew.
    pub repairs: u64,
    /// Connections that were made.
    pub connections: u64,
    /// How many microseconds the gateway took to answer last; none before it was asked.
    pub round_trip_us: Option<u64>,
}

#[uniffi::export]
impl Session {
    /// Makes a session, which connects when there is a gateway.
    ///
    /// # Errors
    /// `bad-options`, `bad-endpoint`.
    #[uniffi::constructor]
    pub fn start(options: Options) -> Result<Self> {
        let asks = options.asks_credentials;
        let builder = options.builder()?;
        let (builder, questions) = if asks {
            let (builder, questions) = CredentialsQuestions::of(builder);
            (builder, Some(Arc::new(questions)))
        } else {
            (builder, None)
        };
        let _entered = runtime::runtime()?.enter();
        Ok(Self { inner: Owned::new(builder.start().map_err(wrap)?), questions })
    }

    /// Answered, with nothing, when the session is live; fails with the attempt that is under way.
    ///
    /// # Errors
    /// `forked`.
    pub fn connected(&self) -> Result<Arc<Call>> {
        let session = self.inner.get()?.clone();
        Ok(Call::new(async move { session.connected().await.map(|()| Vec::new()) }))
    }

    /// What the session asks, if it was told to ask for credentials.
    #[must_use]
    pub fn credentials_questions(&self) -> Option<Arc<CredentialsQuestions>> {
        self.questions.clone()
    }

    /// Subscribes to the topics that a selector matches.
    ///
    /// # Errors
    /// `bad-selector`, `too-many-subscriptions`, `bad-options`, or why the session is over.
    pub fn subscribe(&self, selector: &str, options: SubscribeOptions) -> Result<Subscription> {
        self.inner.get()?.subscribe_with(selector, &options.into()).map(Subscription::new).map_err(wrap)
    }

    /// Changes a topic. The answer is its new version, a u64.
    ///
    /// # Errors
    /// `bad-value`, `bad-options`.
    pub fn publish(&self, publication: Publication) -> Result<Arc<Call>> {
        let session = self.inner.get()?;
        let Publication { path, change, value_type, value, condition } = publication;
        let bytes = value.unwrap_or_default();
        let value = |bytes| {
            let value_type = value_type.ok_or_else(|| refuse(ErrorCode::BadOptions))?;
            Value::from_bytes(value_type.into(), bytes).map_err(refuse)
        };
        let publishes = match change {
            Change::Set => session.set(&path, value(bytes)?),
            Change::Append => session.append(&path, value(bytes)?),
            Change::MergePatch => session.merge_patch(&path, bytes),
            Change::JsonPatch => session.patch(&path, bytes),
            Change::Remove => session.remove(&path),
        };
        Ok(publish(publishes, condition))
    }

    /// Creates a topic with properties of its own. The answer is its version, a u64.
    ///
    /// # Errors
    /// `forked`.
    pub fn create(&self, path: &str, properties: TopicProperties, condition: Option<Condition>) -> Result<Arc<Call>> {
        Ok(publish(self.inner.get()?.create(path, properties.into()), condition))
    }

    /// Opens a stream of values for one topic.
    ///
    /// # Errors
    /// `bad-path`.
    pub fn update_stream(&self, path: &str) -> Result<UpdateStream> {
        self.inner.get()?.update_stream(path).map(UpdateStream::new).map_err(wrap)
    }

    /// The current value of a topic: the replica if it is live, else the gateway's. The answer is packed replicas, at
    /// the most one.
    ///
    /// # Errors
    /// `forked`.
    pub fn get(&self, path: String) -> Result<Arc<Call>> {
        let session = self.inner.get()?.clone();
        Ok(Call::new(async move {
            let replica = session.get(&path).await?;
            Ok(packed::replicas(replica.map(|replica| aged(&session, replica))))
        }))
    }

    /// The current values of the topics that a selector matches, or past events of them; at the most `limit`. The answer
    /// is packed.
    ///
    /// # Errors
    /// `forked`.
    pub fn fetch(&self, selector: String, history: Option<HistoryStart>, limit: u64) -> Result<Arc<Call>> {
        let session = self.inner.get()?.clone();
        Ok(Call::new(async move {
            let (items, more) = match history {
                Some(from) => session.fetch_events(&selector, from.into(), limit).await?,
                None => session.fetch_up_to(&selector, limit).await?,
            };
            Ok(packed::items(&items, more))
        }))
    }

    /// The newest value of a topic that is subscribed to: packed replicas, at the most one.
    ///
    /// # Errors
    /// `forked`.
    pub fn replica(&self, path: &str) -> Result<Vec<u8>> {
        let session = self.inner.get()?;
        Ok(packed::replicas(session.replica(path).map(|replica| aged(session, replica))))
    }

    /// The packed replicas that a selector matches.
    ///
    /// # Errors
    /// `bad-selector`.
    pub fn replicas(&self, selector: &str) -> Result<Vec<u8>> {
        let session = self.inner.get()?;
        let replicas = session.replicas(selector).map_err(wrap)?;
        Ok(packed::replicas(replicas.into_iter().map(|replica| aged(session, replica))))
    }

    /// Where the connection stands.
    ///
    /// # Errors
    /// `forked`.
    pub fn connection(&self) -> Result<ConnectionState> {
        Ok(self.inner.get()?.connection_state().into())
    }

    /// How that changes.
    ///
    /// # Errors
    /// `forked`.
    pub fn connection_states(&self) -> Result<ConnectionStates> {
        Ok(ConnectionStates::new(self.inner.get()?.connection()))
    }

    /// What comes of each reconnect from now on.
    ///
    /// # Errors
    /// `forked`.
    pub fn resumptions(&self) -> Result<Resumptions> {
        Ok(Resumptions::new(self.inner.get()?.resumptions()))
    }

    /// What has been counted.
    ///
    /// # Errors
    /// `forked`.
    pub fn statistics(&self) -> Result<Statistics> {
        let session = self.inner.get()?;
        let counted = session.statistics();
        Ok(Statistics {
            messages_received: counted.messages_in,
            bytes_received: counted.bytes_in,
            bytes_sent: counted.bytes_out,
            updates: counted.updates,
            full_value_bytes: counted.full_bytes,
            deltas: counted.deltas,
            snapshots: counted.snapshots,
            repairs: counted.repairs,
            connections: counted.connections,
            round_trip_us: session.round_trip().map(|time| time.as_micros() as u64),
        })
    }

    /// Asks the gateway for a sign of life.
    ///
    /// # Errors
    /// `forked`.
    pub fn ping(&self) -> Result<()> {
        self.inner.get().map(outpour::Session::ping)
    }

    /// The application is about to be suspended.
    ///
    /// # Errors
    /// `forked`.
    pub fn suspend(&self) -> Result<()> {
        self.inner.get().map(outpour::Session::suspend)
    }

    /// The application runs again.
    ///
    /// # Errors
    /// `forked`.
    pub fn resume(&self) -> Result<()> {
        self.inner.get().map(outpour::Session::resume)
    }

    /// There is a network, perhaps another one.
    ///
    /// # Errors
    /// `forked`.
    pub fn network_up(&self) -> Result<()> {
        self.inner.get().map(outpour::Session::network_up)
    }

    /// There may be no network.
    ///
    /// # Errors
    /// `forked`.
    pub fn network_down(&self) -> Result<()> {
        self.inner.get().map(outpour::Session::network_down)
    }

    /// Closes the session in order, waiting up to so many milliseconds for verdicts. Answered, with nothing, when it is
    /// over; it is closed whether or not anybody waits.
    ///
    /// # Errors
    /// `forked`.
    pub fn disconnect(&self, flush_ms: u64) -> Result<Arc<Call>> {
        let session = self.inner.get()?.clone();
        Ok(Call::new(async move {
            session.close_within(Duration::from_millis(flush_ms)).await;
            Ok(Vec::new())
        }))
    }
}

fn aged(session: &outpour::Session, replica: outpour::Replica) -> (outpour::Replica, Duration) {
    let age = session.age(&replica);
    (replica, age)
}

/// Publishes at once, in the order of the calls.
pub(crate) fn publish(mut publish: Publish, condition: Option<Condition>) -> Arc<Call> {
    publish = match condition {
        None => publish,
        Some(Condition::IfVersion { version }) => publish.if_version(Version(version)),
        Some(Condition::IfAbsent) => publish.if_absent(),
    };
    Call::new(async move { publish.await.map(|Version(version)| version.to_le_bytes().to_vec()) })
}
