//! One case: so many topics, so many of them changed while the client was away, on this gateway or another.

use std::{collections::HashMap, net::SocketAddr, sync::Arc, time::Duration};

use outpour::{
    Acknowledgement, ConnectionState, Session, SessionBuilder, SubscribeOptions, Subscription, UpdateKind, Value,
    Version,
};
use serde::Serialize;

use super::{
    ResumeError,
    conversation::Bytes,
    relay::{Observed, Relay},
    site::Site,
    work,
};

/// No step of a measurement takes this long unless something is wrong.
pub(super) const TIMEOUT: Duration = Duration::from_secs(120);

/// Which gateway the client comes back to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Gateways {
    /// The one that it was connected to.
    Same,
    /// One that it has never spoken to, of the same log: the first is killed, and another process goes on with its data.
    Another,
}

/// One case.
#[derive(Clone, Copy, Debug, Serialize)]
pub(super) struct Scenario {
    pub(super) topics: u32,
    /// How many of these change while the client is away.
    pub(super) changed: u32,
    /// The bytes of a value.
    #[serde(rename = "value_bytes")]
    pub(super) size: usize,
    #[serde(rename = "gateway")]
    pub(super) gateways: Gateways,
}

/// What one connection took.
#[derive(Clone, Copy, Debug)]
pub(super) struct Connection {
    pub(super) up: Bytes,
    pub(super) down: Bytes,
    /// From the TCP connection being open until the application held everything.
    pub(super) caught_up: Duration,
    /// From then, and the WebSocket handshake is one of them.
    pub(super) round_trips: Option<u32>,
}

/// What one round measured.
#[derive(Clone, Copy, Debug)]
pub(super) struct Round {
    /// The session that was there before.
    pub(super) resumed: Connection,
    /// A session that begins, on the same topics at the same gateway.
    pub(super) afresh: Connection,
}

/// The version that a topic has to reach.
type Wanted = HashMap<String, Version>;

impl Scenario {
    /// Runs the case once.
    pub(super) async fn measure(self) -> Result<Round, ResumeError> {
        let mut site = Site::new()?;
        let first = site.start_gateway()?;
        let mut wanted = self.publish(first, 0..self.topics, 0).await?;
        let mut relay = Relay::start().await?;

        relay.open_to(first);
        let (session, mut subscription, observed) = self.subscribe(&mut relay).await?;
        caught_up(&mut subscription, wanted.clone(), &observed).await?;

        relay.cut();
        disconnected(&session).await?;
        let second = match self.gateways {
            Gateways::Same => first,
            Gateways::Another => site.start_gateway()?,
        };
        // Spread over all topics, as changes are.
        let step = self.topics / self.changed.max(1);
        let changes = self.publish(second, (0..self.changed).map(|change| change * step), 1).await?;
        while subscription.try_next().is_some() {}

        relay.open_to(second);
        let observed = within("to come back", async { Ok(relay.next().await?) }).await?;
        let resumed = caught_up(&mut subscription, changes.clone(), &observed).await?;
        session.close().await;

        wanted.extend(changes);
        let (session, mut subscription, observed) = self.subscribe(&mut relay).await?;
        let afresh = caught_up(&mut subscription, wanted, &observed).await?;
        session.close().await;
        Ok(Round { resumed, afresh })
    }

    /// Publishes an edition of some topics, directly.
    async fn publish(
        &self,
        gateway: SocketAddr,
        topics: impl Iterator<Item = u32>,
        edition: u32,
    ) -> Result<Wanted, ResumeError> {
        let session = outpour::connect(&format!("ws://{gateway}")).await?;
        let mut sent: Vec<(String, Acknowledgement)> = Vec::new();
        for topic in topics {
            let path = work::path(topic);
            let publish = session.set(&path, Value::json(work::value(topic, edition, self.size)));
            sent.push((path, publish.send_when_possible().await?));
        }
        let mut wanted = Wanted::new();
        for (path, acknowledgement) in sent {
            wanted.insert(path, within("to publish", async { Ok(acknowledgement.await?) }).await?);
        }
        session.close().await;
        Ok(wanted)
    }

    /// A session that begins now and subscribes to everything.
    async fn subscribe(&self, relay: &mut Relay) -> Result<(Session, Subscription, Arc<Observed>), ResumeError> {
        // While topics change the connection is held back, which must not count as a failed attempt.
        let session = SessionBuilder::new(&relay.url()).connect_timeout(TIMEOUT).start()?;
        let count = self.topics as usize * 2;
        let options =
            SubscribeOptions { mailbox_count: count, mailbox_bytes: count * self.size, ..SubscribeOptions::default() };
        let subscription = session.subscribe_with(work::SELECTOR, &options)?;
        let observed = within("to connect", async { Ok(relay.next().await?) }).await?;
        Ok((session, subscription, observed))
    }
}

/// Waits until the gateway has said that everything is told, and the application has taken what it wants.
async fn caught_up(
    subscription: &mut Subscription,
    mut wanted: Wanted,
    observed: &Observed,
) -> Result<Connection, ResumeError> {
    let mut last = Duration::ZERO;
    within("to catch up", async {
        while !wanted.is_empty() {
            let update = subscription.next().await.ok_or(ResumeError::Ended)??;
            let UpdateKind::Value { version, .. } = update.kind else { continue };
            if wanted.get(update.path.as_str()).is_some_and(|wanted| version >= *wanted) {
                wanted.remove(update.path.as_str());
                last = observed.now().age();
            }
        }
        observed.subscribed().await;
        Ok(())
    })
    .await?;
    let seen = observed.now();
    Ok(Connection {
        up: seen.up,
        down: seen.down,
        caught_up: seen.subscribed.unwrap_or_default().max(last),
        round_trips: seen.to_first_update,
    })
}

/// Waits until a session knows that its connection is lost.
async fn disconnected(session: &Session) -> Result<(), ResumeError> {
    let mut states = session.connection();
    within("to notice a lost connection", async {
        while let Some(ConnectionState::Connected) = states.next().await {}
        Ok(())
    })
    .await
}

async fn within<T>(what: &'static str, step: impl Future<Output = Result<T, ResumeError>>) -> Result<T, ResumeError> {
    tokio::time::timeout(TIMEOUT, step).await.map_err(|_| ResumeError::Stalled(what))?
}
