//! What a run allows: now and then little enough that it is reached.

use std::sync::Arc;

use outpour_core::peer::PeerConfig;
use outpour_core::session::{QueueFull, SessionConfig};
use outpour_core::{Selector, TopicKind};
use outpour_server::broker::{BrokerConfig, TopicRule};
use outpour_server::fanout::ShardConfig;

use crate::gateway::HEARTBEAT;
use crate::random::Random;

/// The limits of a run. All gateways have the same.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Of the topics and their values.
    pub broker: BrokerConfig,
    /// Of the sessions, on the gateway's side.
    pub shard: ShardConfig,
    /// How many publishes of a client may wait for their verdict.
    pub queue_count: usize,
    /// What becomes of one more.
    pub queue_full: QueueFull,
}

impl Limits {
    /// Draws the limits of a run.
    pub fn draw(random: &mut Random) -> Self {
        let mut broker = BrokerConfig::default();
        let mut peer = PeerConfig { heartbeat: HEARTBEAT, max_in_flight: 8, ..PeerConfig::default() };
        let mut shard = ShardConfig::default();
        if random.once_in(4) {
            broker.max_topics = 6;
        }
        if random.once_in(4) {
            broker.max_value = 150;
            peer.max_value = 150;
        }
        if random.once_in(3) {
            peer.max_subscriptions = 2;
            peer.max_fetches = 1;
        }
        if random.once_in(4) {
            peer.max_in_flight = 1;
        }
        if random.once_in(4) {
            shard.max_topics_per_session = 5;
        }
        if random.once_in(2) {
            broker.rules = vec![short_history("e/a", 1, 0), short_history("e/b", 3, 0)];
        } else if random.once_in(2) {
            broker.rules = vec![short_history("**", 1_000, 2_000)];
        }
        if random.once_in(3) {
            broker.rules.push(TopicRule { conflate: Some(false), ..short_history("v/a/*", 5, 0) });
        }
        shard.peer = Arc::new(peer);
        Self {
            broker,
            shard,
            queue_count: if random.once_in(4) { 5 } else { 64 },
            queue_full: if random.once_in(3) { QueueFull::DropOldest } else { QueueFull::Error },
        }
    }

    /// How a client of so many gateways is set up.
    #[must_use]
    pub fn session(&self, gateways: usize) -> SessionConfig {
        let endpoints = (0..gateways).map(|gateway| format!("ws://gateway-{gateway}")).collect();
        let (queue_count, queue_full) = (self.queue_count, self.queue_full);
        SessionConfig { queue_count, queue_full, endpoints, ..SessionConfig::default() }
    }
}

/// Topics that a selector matches keep so many past updates, for so many milliseconds if that is not 0.
fn short_history(selector: &str, count: u64, age_ms: u64) -> TopicRule {
    TopicRule {
        selector: Selector::new(selector).expect("a selector"),
        kind: None::<TopicKind>,
        value_type: None,
        history: Some(count),
        history_age_ms: Some(age_ms),
        history_bytes: None,
        retain: None,
        conflate: None,
    }
}
