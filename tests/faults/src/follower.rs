//! Sessions of the Rust SDK in this process, where a test needs a finer hold than a program gives.

use std::collections::BTreeMap;
use std::time::Duration;

use outpour::{
    ConnectionState, Session, SessionBuilder, SubscribeOptions, Subscription, TopicKind, TopicProperties, ValueType,
};

use crate::{Witness, soon};

/// The longest wait between attempts: tests cut often, and a session that is cut often waits long.
const BACKOFF: Duration = Duration::from_millis(100);

/// A session that connects again quickly.
#[must_use = "a session is made by connect() or start()"]
pub fn eager(url: &str) -> SessionBuilder {
    SessionBuilder::new(url).backoff(Duration::from_millis(10), BACKOFF).connect_timeout(Duration::from_secs(3))
}

/// An event topic of JSON that keeps so many past events.
#[must_use]
pub const fn event_topic(history: u64) -> TopicProperties {
    TopicProperties {
        kind: TopicKind::Event,
        value_type: ValueType::Json,
        retain: true,
        conflate: true,
        history,
        history_age_ms: 0,
    }
}

/// A session that follows a selector, and a witness of what it is told.
#[derive(Debug)]
pub struct Follower {
    /// The session.
    pub session: Session,
    /// What it was told.
    pub witness: Witness,
    subscription: Subscription,
}

impl Follower {
    /// Follows a selector at a gateway, which need not be there yet.
    #[must_use]
    pub fn start(name: &str, url: &str, selector: &str) -> Self {
        Self::over(name, eager(url).start().unwrap(), selector)
    }

    /// Follows a selector over a session.
    #[must_use]
    pub fn over(name: &str, session: Session, selector: &str) -> Self {
        Self::with(name, session, selector, &SubscribeOptions::default())
    }

    /// Follows a selector over a session, with options; nothing is merged for want of room.
    #[must_use]
    pub fn with(name: &str, session: Session, selector: &str, options: &SubscribeOptions) -> Self {
        let options = SubscribeOptions { mailbox_count: 100_000, ..options.clone() };
        let subscription = session.subscribe_with(selector, &options).unwrap();
        Self { session, witness: Witness::new(name), subscription }
    }

    /// Takes the next update.
    pub async fn step(&mut self) {
        let update = self.subscription.next().await.expect("the session is open").expect("the subscription goes on");
        self.witness.observe(&update);
    }

    /// Takes updates until what was told is as wished.
    pub async fn until(&mut self, mut wished: impl FnMut(&Witness) -> bool) {
        let name = self.witness.name().to_owned();
        soon(&format!("what {name} waits for"), async {
            while !wished(&self.witness) {
                self.step().await;
            }
        })
        .await;
    }

    /// Takes updates until the subscriber holds exactly this.
    pub async fn until_holding(&mut self, wanted: &BTreeMap<String, String>) {
        let held = |witness: &Witness| witness.held() == *wanted;
        let waiting = tokio::time::timeout(crate::PATIENCE, async {
            while !held(&self.witness) {
                self.step().await;
            }
        });
        if waiting.await.is_err() {
            let Self { witness, session, .. } = self;
            let (name, held, statistics) = (witness.name(), witness.held(), session.statistics());
            panic!("{name} holds {held:?} instead of {wanted:?} after {:?}: {statistics:?}", crate::PATIENCE);
        }
    }

    /// Takes what has arrived already.
    pub fn drain(&mut self) {
        while let Some(update) = self.subscription.try_next() {
            self.witness.observe(&update);
        }
    }

    /// Waits until the session is connected.
    pub async fn until_connected(&self) {
        let mut states = self.session.connection();
        soon("a connection", async {
            while states.next().await.expect("the session is open") != ConnectionState::Connected {}
        })
        .await;
    }

    /// Waits until the session has noticed that its connection is gone, and gives the code.
    pub async fn until_disconnected(&self) -> outpour::ErrorCode {
        let mut states = self.session.connection();
        soon("the loss of a connection", async {
            loop {
                if let ConnectionState::Disconnected { error, .. } = states.next().await.expect("the session is open") {
                    return error.code();
                }
            }
        })
        .await
    }
}
