//! A gateway without sockets: the broker and its shards, turned as the worker threads turn them.

use std::collections::BTreeMap;
use std::time::Duration;

use outpour_core::peer::Batch;
use outpour_core::{ErrorCode, Timestamp, Version};
use outpour_server::broker::{Broker, Outcome};
use outpour_server::fanout::Shard;
use outpour_server::log::Log;

use crate::engine::Engine;
use crate::limits::Limits;
use crate::log::Horizon;
use crate::model::Model;
use crate::network::Link;
use crate::random::Random;

/// A connection's name: client and transport.
pub type ConnectionId = (usize, u64);

/// How often a client hears from the gateway.
pub const HEARTBEAT: Duration = Duration::from_secs(5);
/// What clocks on the wall say when the simulation begins, in milliseconds.
pub const SOME_DAY: u64 = 1_800_000_000_000;
/// About how long messages get. Small, so that batches are split.
const MESSAGE_BYTES: usize = 2048;

/// A gateway with two shards.
#[derive(Debug)]
pub struct Gateway {
    broker: Broker,
    shards: Vec<(Shard, Vec<Outcome>)>,
    connections: BTreeMap<ConnectionId, (usize, u32)>,
    batch: Batch,
    /// What it sees of the log.
    pub horizon: Horizon,
    /// What its clock on the wall says when the simulation begins, in milliseconds.
    pub wall_ms: u64,
    /// A deliberate defect: a shard is not told of some outcomes.
    pub skips_outcomes: bool,
}

impl Gateway {
    /// A gateway with what the log holds.
    ///
    /// # Panics
    /// If the log can't be read.
    #[must_use]
    pub fn new(log: Box<dyn Log>, horizon: Horizon, limits: &Limits) -> Self {
        let broker = Broker::new(limits.broker.clone(), log).expect("a log that can be read");
        let shards = (0..2).map(|number| (Shard::new(number, limits.shard.clone()), Vec::new())).collect();
        let (connections, batch) = (BTreeMap::new(), Batch::default());
        Self { broker, shards, connections, batch, horizon, wall_ms: SOME_DAY, skips_outcomes: false }
    }

    /// A connection has opened.
    pub fn open(&mut self, id: ConnectionId, now: Timestamp) {
        let shard = id.0 % self.shards.len();
        let key = self.shards[shard].0.open(now);
        self.connections.insert(id, (shard, key));
    }

    /// A connection is gone.
    pub fn close(&mut self, id: ConnectionId) {
        if let Some((shard, key)) = self.connections.remove(&id) {
            self.shards[shard].0.close(key);
        }
    }

    /// Whether the connection is one of this gateway's.
    #[must_use]
    pub fn knows(&self, id: ConnectionId) -> bool {
        self.connections.contains_key(&id)
    }

    /// A message came.
    pub fn receive(&mut self, id: ConnectionId, message: &[u8], now: Timestamp) {
        if let Some((shard, key)) = self.connections.get(&id) {
            self.shards[*shard].0.handle_message(*key, message, now);
        }
    }

    /// A connection takes bytes again.
    pub fn wake(&mut self, id: ConnectionId) {
        if let Some((shard, key)) = self.connections.get(&id) {
            self.shards[*shard].0.wake(*key);
        }
    }

    /// Asks all sessions to go on elsewhere.
    pub fn move_away(&mut self) {
        for (shard, key) in self.connections.values() {
            let _is_asked = self.shards[*shard].0.move_away(*key, Duration::from_secs(10), || "");
        }
    }

    /// Says goodbye to a client, or to all.
    pub fn say_goodbye(&mut self, id: Option<ConnectionId>, retry_after: Duration) {
        let code = ErrorCode::ShuttingDown;
        match id.and_then(|id| self.connections.get(&id)) {
            Some((shard, key)) => self.shards[*shard].0.say_goodbye(*key, code, "simulated", retry_after),
            None => {
                for (shard, _) in &mut self.shards {
                    shard.say_goodbye_to_all(code, "simulated", retry_after);
                }
            }
        }
    }

    /// Up to where it has read the log.
    #[must_use]
    pub fn head(&self) -> Version {
        self.broker.head()
    }

    /// Who is connected.
    #[must_use]
    pub fn connections(&self) -> Vec<ConnectionId> {
        self.connections.keys().copied().collect()
    }

    /// When the gateway has to be turned at the latest.
    #[must_use]
    pub fn next_at(&self, log: &Engine, now: u64) -> Option<u64> {
        let busy =
            self.shards.iter().any(|(shard, inbox)| shard.wants_broker() || shard.has_ready() || !inbox.is_empty());
        let alarm = self.shards.iter().filter_map(|(shard, _)| shard.poll_timeout()).min();
        let news = log.next_at(self.broker.head(), &self.horizon);
        if busy { Some(now) } else { alarm.map(Timestamp::as_micros).into_iter().chain(news).min() }
    }

    /// Turns every shard once, as its worker thread would. A shard that does not need the broker may
    /// be late, as threads are.
    ///
    /// # Errors
    /// If an outcome contradicts the model.
    pub fn turn(
        &mut self,
        links: &mut BTreeMap<ConnectionId, Link>,
        model: &mut Model,
        random: &mut Random,
        now: u64,
    ) -> Result<(), String> {
        let time = Timestamp::from_micros(now);
        self.horizon.set_now(now);
        self.broker.advance().map_err(|error| error.to_string())?;
        self.share_outcomes(model)?;
        for number in 0..self.shards.len() {
            let served = self.shards[number].0.wants_broker();
            if served {
                self.shards[number].0.serve(&mut self.broker, self.wall_ms + now / 1000, time);
                self.share_outcomes(model)?;
            } else if random.once_in(4) {
                continue;
            }
            let (shard, inbox) = &mut self.shards[number];
            for outcome in inbox.drain(..) {
                if !(self.skips_outcomes && random.once_in(50)) {
                    shard.handle_outcome(&outcome);
                }
            }
            shard.handle_timeout(time);
            self.transmit(number, links, now);
        }
        Ok(())
    }

    fn share_outcomes(&mut self, model: &mut Model) -> Result<(), String> {
        let outcomes: Vec<Outcome> = self.broker.take_outcomes().collect();
        for outcome in outcomes {
            model.take(&outcome)?;
            for (_, inbox) in &mut self.shards {
                inbox.push(outcome.clone());
            }
        }
        Ok(())
    }

    fn transmit(&mut self, number: usize, links: &mut BTreeMap<ConnectionId, Link>, now: u64) {
        let shard = &mut self.shards[number].0;
        let names: BTreeMap<u32, ConnectionId> = self
            .connections
            .iter()
            .filter(|(_, (shard, _))| *shard == number)
            .map(|(id, (_, key))| (*key, *id))
            .collect();
        while let Some(key) = shard.poll_ready() {
            let Some(link) = names.get(&key).and_then(|id| links.get_mut(id)) else { continue };
            while link.takes_more()
                && shard.poll_transmit(key, &mut self.batch, MESSAGE_BYTES, Timestamp::from_micros(now))
            {
                link.send_down(now, self.batch.to_vec());
            }
            if shard.poll_close(key).is_some() && link.hung_up_at.is_none() {
                link.hung_up_at = Some(now + link.latency);
            }
        }
    }
}
