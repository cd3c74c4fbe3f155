//! Everything that is simulated, on one clock.

use std::collections::BTreeMap;
use std::collections::hash_map::DefaultHasher;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::time::Duration;

use outpour_core::session::{Endpoint, Input, Lost, Request, Signal, TransportId};
use outpour_core::{ErrorCode, Timestamp, TopicKind, Version};

use crate::client::{Client, Opening, Settled};
use crate::gateway::{ConnectionId, Gateway};
use crate::log::{Horizon, SharedLog};
use crate::model::Model;
use crate::network::Link;
use crate::random::Random;
use crate::sabotage::Sabotage;

/// Turns without rest that mean that something never goes idle.
const STEP_LIMIT: u32 = 200_000;
/// How long everybody has to get straight after the network is healed, in microseconds.
const SETTLING: u64 = 200_000_000;

/// A promise that was broken.
#[derive(Debug)]
pub struct Failure {
    /// The seed that gives the same run again.
    pub seed: u64,
    /// What was broken.
    pub what: String,
    /// What happened before, newest last.
    pub trace: Vec<String>,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for line in self.trace.iter().rev().take(60).rev() {
            writeln!(f, "{line}")?;
        }
        write!(f, "seed {}: {}", self.seed, self.what)
    }
}

impl std::error::Error for Failure {}

/// Some gateways that share a log, some clients, and the network between them.
#[derive(Debug)]
pub struct World {
    seed: u64,
    pub(crate) sabotage: Sabotage,
    /// Microseconds.
    pub(crate) now: u64,
    pub(crate) random: Random,
    log: SharedLog,
    pub(crate) gateways: Vec<Gateway>,
    /// Until when a gateway is down.
    down_until: Vec<u64>,
    /// Which gateway each connection leads to.
    homes: BTreeMap<ConnectionId, usize>,
    pub(crate) clients: Vec<Client>,
    links: BTreeMap<ConnectionId, Link>,
    latency: Vec<u64>,
    /// Whether a client can send its first message along with the request for an upgrade.
    sends_early: Vec<bool>,
    model: Model,
    epoch: u64,
    lives: u64,
    /// What each client has stored, if anything.
    stores: Vec<Vec<u8>>,
    /// Until when the machine of a client sleeps; 0 if it is awake.
    asleep_until: Vec<u64>,
    pub(crate) last_value: u64,
    steps: u32,
    trace: Vec<String>,
}

impl World {
    /// A few gateways and a few clients.
    #[must_use]
    pub fn new(seed: u64, sabotage: Sabotage) -> Self {
        let mut random = Random::new(seed);
        let count = 2 + random.below(4) as usize;
        let gateways = 1 + random.below(3) as usize;
        let mut clients: Vec<Client> =
            (0..count).map(|number| Client::new(number, 0, random.number(), gateways, Timestamp::ZERO)).collect();
        clients.iter_mut().for_each(|client| client.session.connect(Timestamp::ZERO));
        if sabotage == Sabotage::DropUpdates {
            clients.iter_mut().for_each(|client| client.loses_every = Some(30));
        }
        let log = SharedLog::new(1);
        let mut model = Model::default();
        model.begin(log.epoch());
        let start = |_| {
            let horizon = Horizon::default();
            let mut gateway = Gateway::new(Box::new(log.reader(horizon.clone())), horizon);
            gateway.skips_outcomes = sabotage == Sabotage::SkipOutcomes;
            gateway
        };
        Self {
            seed,
            sabotage,
            now: 0,
            gateways: (0..gateways).map(start).collect(),
            down_until: vec![0; gateways],
            homes: BTreeMap::new(),
            log,
            clients,
            links: BTreeMap::new(),
            latency: (0..count).map(|_| 100 + random.below(80_000)).collect(),
            sends_early: (0..count).map(|_| random.once_in(2)).collect(),
            random,
            model,
            epoch: 1,
            lives: 0,
            stores: vec![Vec::new(); count],
            asleep_until: vec![0; count],
            last_value: 0,
            steps: 0,
            trace: Vec::new(),
        }
    }

    /// Says the same of every run with the same seed.
    #[must_use]
    pub fn fingerprint(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        self.trace.hash(&mut hasher);
        self.now.hash(&mut hasher);
        for (path, topic) in &self.model.topics {
            (path, topic.version.0, &topic.value).hash(&mut hasher);
        }
        hasher.finish()
    }

    pub(crate) fn note(&mut self, what: &str) {
        self.trace.push(format!("{:>12.6} s  {what}", self.now as f64 / 1e6));
    }

    fn fail(&self, what: impl Into<String>) -> Failure {
        Failure { seed: self.seed, what: what.into(), trace: self.trace.clone() }
    }

    /// Lets time pass, and everything due happen.
    ///
    /// # Errors
    /// If a promise is broken.
    pub(crate) fn advance(&mut self, until: u64) -> Result<(), Failure> {
        self.steps = 0;
        loop {
            self.step()?;
            let next = self.next_at();
            if next > until {
                self.now = self.now.max(until);
                return Ok(());
            }
            self.now = self.now.max(next);
            self.steps += 1;
            if self.steps > STEP_LIMIT {
                return Err(self.fail("it never goes idle"));
            }
        }
    }

    fn next_at(&self) -> u64 {
        let links = self.links.values().filter_map(Link::next_at);
        let awake = self.clients.iter().zip(&self.asleep_until).filter(|(_, asleep)| **asleep == 0);
        let openings = awake.filter_map(|(client, _)| client.opening.as_ref());
        let openings = openings.map(|opening| opening.arrives_at.unwrap_or(opening.opens_at));
        let timers = self.clients.iter().zip(&self.asleep_until).filter_map(|(client, asleep)| match asleep {
            0 => client.session.poll_timeout().map(|(at, _)| at.as_micros()),
            until => Some(*until),
        });
        let gateways = self.up().filter_map(|gateway| self.gateways[gateway].next_at(&self.log, self.now));
        links.chain(openings).chain(timers).chain(gateways).min().unwrap_or(u64::MAX)
    }

    /// The gateways that run.
    fn up(&self) -> impl Iterator<Item = usize> {
        (0..self.gateways.len()).filter(|gateway| self.down_until[*gateway] <= self.now)
    }

    /// Has everything happen that is due now.
    fn step(&mut self) -> Result<(), Failure> {
        for number in 0..self.clients.len() {
            self.step_client(number).map_err(|what| self.fail(format!("client {number}: {what}")))?;
        }
        let ids: Vec<ConnectionId> = self.links.keys().copied().collect();
        for id in ids {
            self.step_link(id);
        }
        for number in self.up().collect::<Vec<_>>() {
            let Self { gateways, links, model, random, now, .. } = self;
            gateways[number].turn(links, model, random, *now).map_err(|what| self.fail(what))?;
        }
        for number in 0..self.clients.len() {
            self.pump(number).map_err(|what| self.fail(format!("client {number}: {what}")))?;
        }
        Ok(())
    }

    fn step_client(&mut self, number: usize) -> Result<(), String> {
        if self.asleep_until[number] > self.now {
            return Ok(());
        }
        if self.asleep_until[number] > 0 {
            self.wake_up(number);
        }
        let now = Timestamp::from_micros(self.now);
        let latency = self.latency[number];
        let is_up = |gateway: usize| self.down_until[gateway] <= self.now;
        let client = &mut self.clients[number];
        if let Some(opening) = &mut client.opening
            && opening.arrives_at.take_if(|at| *at <= self.now).is_some()
            && is_up(opening.gateway)
        {
            let id = (number, opening.transport);
            self.homes.insert(id, opening.gateway);
            self.links.insert(id, Link::new(latency));
            self.gateways[opening.gateway].open(id, now);
            if let Some(early) = opening.early.clone() {
                let gateway = &mut self.gateways[opening.gateway];
                gateway.receive(id, &self.sabotage.change_up(early, id.1, gateway.head()), now);
            }
        }
        if let Some(opening) = client.opening.take_if(|opening| opening.opens_at <= self.now) {
            let transport = TransportId(opening.transport);
            if self.links.contains_key(&(number, opening.transport)) {
                client.transport = Some(opening.transport);
                let early_taken = opening.early.is_some();
                client.session.handle_input(Input::Opened { transport, early_taken }, now);
            } else {
                let lost = Lost { code: ErrorCode::ConnectFailed, detail: String::new() };
                client.session.handle_input(Input::Lost(transport, lost), now);
            }
        }
        if client.session.poll_timeout().is_some_and(|(at, _)| at <= now) {
            client.session.handle_input(Input::Tick, now);
        }
        self.pump(number)
    }

    fn step_link(&mut self, id: ConnectionId) {
        let now = Timestamp::from_micros(self.now);
        let sabotaged = self.sabotage == Sabotage::LoseMessages && self.random.once_in(200);
        let Some(link) = self.links.get_mut(&id) else { return };
        if sabotaged {
            link.lose_one();
        }
        let gateway = &mut self.gateways[self.homes[&id]];
        while let Some(message) = link.receive_up(self.now) {
            gateway.receive(id, &self.sabotage.change_up(message, id.1, gateway.head()), now);
        }
        let client = &mut self.clients[id.0];
        let mut has_read = false;
        while let Some(message) = link.receive_down(self.now) {
            has_read = true;
            let message = self.sabotage.change_down(message, &mut self.random);
            client.session.handle_input(Input::Message(TransportId(id.1), &message), now);
        }
        if has_read {
            gateway.wake(id);
        }
        let client_left = link.left_at.is_some_and(|at| at <= self.now) && link.is_drained_up();
        let hung_up = link.hung_up_at.is_some_and(|at| at <= self.now) && link.is_drained() && !link.stalled;
        if client_left || hung_up {
            self.drop_link(id);
        }
    }

    /// Takes what a session wants done and said, and has its application listen.
    fn pump(&mut self, number: usize) -> Result<(), String> {
        if self.asleep_until[number] > self.now {
            return Ok(());
        }
        let now = Timestamp::from_micros(self.now);
        let latency = self.latency[number];
        loop {
            let client = &mut self.clients[number];
            let mut busy = false;
            while let Some(request) = client.session.poll_request() {
                busy = true;
                match request {
                    Request::Open { transport, endpoint, early } => {
                        let gateway = match endpoint {
                            Endpoint::Listed(index) => index,
                            Endpoint::Redirect(url) => url.trim_start_matches("ws://gateway-").parse().unwrap_or(0),
                        };
                        client.opening = Some(Opening {
                            transport: transport.0,
                            gateway: gateway % self.gateways.len(),
                            // A connection, then the upgrade: two round trips.
                            arrives_at: Some(self.now + latency * 3),
                            opens_at: self.now + latency * 4,
                            early: early.filter(|_| self.sends_early[number]),
                        });
                    }
                    Request::Close { transport, .. } => {
                        client.opening.take_if(|opening| opening.transport == transport.0);
                        if client.transport == Some(transport.0) {
                            client.transport = None;
                        }
                        if let Some(link) = self.links.get_mut(&(number, transport.0))
                            && !link.half_open
                        {
                            link.left_at = Some(self.now + link.latency);
                        }
                    }
                    _ => {}
                }
            }
            let mut message = Vec::new();
            while let Some(transport) = client.session.poll_transmit(&mut message, now) {
                busy = true;
                let message = std::mem::take(&mut message);
                if self.sabotage == Sabotage::ForgetMessages && self.random.once_in(100) {
                    continue;
                }
                if let Some(link) = self.links.get_mut(&(number, transport.0)) {
                    link.send_up(self.now, message);
                }
            }
            client.listen(&self.model.ever)?;
            if !busy {
                return Ok(());
            }
        }
    }

    fn drop_link(&mut self, id: ConnectionId) {
        let now = Timestamp::from_micros(self.now);
        self.links.remove(&id);
        self.close(id);
        let client = &mut self.clients[id.0];
        if client.transport == Some(id.1) {
            client.transport = None;
        }
        let lost = Lost { code: ErrorCode::ConnectionLost, detail: String::new() };
        client.session.handle_input(Input::Lost(TransportId(id.1), lost), now);
    }

    pub(crate) fn say_goodbye_to(&mut self, id: ConnectionId, retry_after: Duration) {
        if let Some(gateway) = self.homes.get(&id) {
            self.gateways[*gateway].say_goodbye(Some(id), retry_after);
        }
    }

    /// The gateway learns that a connection is gone.
    fn close(&mut self, id: ConnectionId) {
        if let Some(gateway) = self.homes.remove(&id) {
            self.gateways[gateway].close(id);
        }
    }

    fn link_of(&mut self, client: usize) -> Option<&mut Link> {
        let transport = self.clients[client].transport?;
        self.links.get_mut(&(client, transport))
    }

    pub(crate) fn cut(&mut self, client: usize) {
        if let Some(transport) = self.clients[client].transport {
            self.note(&format!("the connection of client {client} breaks"));
            self.drop_link((client, transport));
        }
    }

    pub(crate) fn go_half_open(&mut self, client: usize) {
        if let Some(link) = self.link_of(client) {
            link.half_open = true;
            self.note(&format!("the connection of client {client} swallows everything"));
        }
    }

    pub(crate) fn stall(&mut self, client: usize) {
        if let Some(link) = self.link_of(client) {
            link.stalled = !link.stalled;
            let stalled = link.stalled;
            self.note(&format!("the machine of client {client} {}", if stalled { "stalls" } else { "goes on" }));
        }
    }

    pub(crate) fn change_latency(&mut self, client: usize) {
        let latency = 100 + self.random.below(300_000);
        self.latency[client] = latency;
        if let Some(link) = self.link_of(client) {
            link.latency = latency;
        }
        self.note(&format!("client {client} is {latency} µs away"));
    }

    pub(crate) fn corrupt(&mut self, client: usize) {
        let chance = self.random.number();
        if self.link_of(client).is_some_and(|link| link.corrupt(chance)) {
            self.note(&format!("a value on its way to client {client} is corrupted"));
        }
    }

    /// The machine of a client sleeps: nothing of it runs, and its clock goes on.
    pub(crate) fn sleep(&mut self, client: usize) {
        let asleep = 1 + self.random.below(60_000_000);
        self.note(&format!("the machine of client {client} sleeps for {asleep} µs"));
        self.asleep_until[client] = self.now + asleep;
        self.set_stalled(client, true);
    }

    fn wake_up(&mut self, client: usize) {
        self.asleep_until[client] = 0;
        self.set_stalled(client, false);
    }

    fn set_stalled(&mut self, client: usize, stalled: bool) {
        for (_, link) in self.links.iter_mut().filter(|(id, _)| id.0 == client) {
            link.stalled = stalled;
        }
    }

    /// The platform of a client hints at something.
    pub(crate) fn hint(&mut self, client: usize) {
        let signal = *self.random.pick(&[Signal::NetworkUp, Signal::NetworkDown, Signal::Resumed, Signal::Suspending]);
        self.note(&format!("the platform of client {client} says {signal:?}"));
        let now = Timestamp::from_micros(self.now);
        self.clients[client].session.handle_input(Input::Signal(signal), now);
    }

    /// A gateway asks all its sessions to go on elsewhere.
    pub(crate) fn drain(&mut self, gateway: usize) {
        self.note(&format!("gateway {gateway} is drained"));
        self.gateways[gateway].move_away();
    }

    /// A client writes what it holds to its store.
    pub(crate) fn store(&mut self, client: usize) {
        let room = if self.random.once_in(4) { self.random.below(2000) as usize } else { 1 << 20 };
        self.stores[client] = self.clients[client].session.export(room);
        self.note(&format!("client {client} stores {} bytes", self.stores[client].len()));
    }

    pub(crate) fn restart_client(&mut self, client: usize) -> Result<(), Failure> {
        let has_store = self.random.once_in(2);
        self.note(&format!("client {client} is started anew{}", if has_store { ", with its store" } else { "" }));
        self.wake_up(client);
        self.check_settled(client)?;
        self.cut(client);
        self.lives += 1;
        let seed = self.random.number();
        let (gateways, now) = (self.gateways.len(), Timestamp::from_micros(self.now));
        let mut restarted = Client::new(client, self.lives, seed, gateways, now);
        if has_store {
            restarted.start_warm(&self.stores[client], &self.clients[client], now);
        }
        restarted.session.connect(now);
        self.clients[client] = restarted;
        // Transports of the life before mean nothing to this one.
        let old: Vec<ConnectionId> = self.links.keys().filter(|id| id.0 == client).copied().collect();
        for id in old {
            self.links.remove(&id);
            self.close(id);
        }
        Ok(())
    }

    /// A gateway dies, and comes back after a while with what the log holds.
    pub(crate) fn kill_gateway(&mut self, gateway: usize) {
        let down = self.random.below(3) * self.random.below(10_000_000);
        self.note(&format!("gateway {gateway} is killed, for {down} µs"));
        for id in self.gateways[gateway].connections() {
            self.drop_link(id);
        }
        self.down_until[gateway] = self.now + down;
        let horizon = self.gateways[gateway].horizon.clone();
        self.start_gateway(gateway, horizon);
    }

    fn start_gateway(&mut self, gateway: usize, horizon: Horizon) {
        // What no gateway has said yet is to be heard from this one.
        horizon.set_limit(self.model.head());
        let mut started = Gateway::new(Box::new(self.log.reader(horizon.clone())), horizon);
        started.horizon.set_limit(Version(u64::MAX));
        started.skips_outcomes = self.sabotage == Sabotage::SkipOutcomes;
        self.gateways[gateway] = started;
    }

    /// A gateway sees the log with another delay.
    pub(crate) fn lag(&mut self, gateway: usize) {
        let delay = if self.random.once_in(2) { 0 } else { self.random.below(2_000_000) };
        self.gateways[gateway].horizon.set_delay(delay);
        self.note(&format!("gateway {gateway} is {delay} µs behind the log"));
    }

    /// All gateways die, and the log with them.
    pub(crate) fn lose_the_log(&mut self) -> Result<(), Failure> {
        self.note("the log is lost, and begun anew");
        for client in 0..self.clients.len() {
            self.check_settled(client)?;
            self.clients[client].settled.clear();
        }
        let ids: Vec<ConnectionId> = self.links.keys().copied().collect();
        for id in ids {
            self.drop_link(id);
        }
        if self.sabotage != Sabotage::KeepEpoch {
            self.epoch += 1;
        }
        self.log = SharedLog::new(self.epoch);
        for gateway in 0..self.gateways.len() {
            self.start_gateway(gateway, Horizon::default());
        }
        self.model.begin(self.log.epoch());
        Ok(())
    }

    /// Draws everything that follows from the seed and this number.
    pub(crate) fn draw_anew(&mut self, number: u64) {
        self.random = Random::new(self.seed.wrapping_mul(0x9e37_79b9).wrapping_add(number));
    }

    /// Heals the network, waits until all is quiet, and checks what everybody holds.
    ///
    /// # Errors
    /// If a promise is broken.
    pub fn settle(&mut self) -> Result<(), Failure> {
        self.note("the network is healed");
        let half_open: Vec<ConnectionId> =
            self.links.iter().filter(|(_, link)| link.half_open).map(|(id, _)| *id).collect();
        for id in half_open {
            self.drop_link(id);
        }
        for link in self.links.values_mut() {
            link.stalled = false;
        }
        for client in &mut self.clients {
            client.is_slow = false;
        }
        self.down_until.fill(0);
        for client in 0..self.clients.len() {
            self.wake_up(client);
            self.clients[client].session.handle_input(Input::Signal(Signal::Resumed), Timestamp::from_micros(self.now));
        }
        for gateway in &self.gateways {
            gateway.horizon.set_delay(0);
        }
        self.advance(self.now + SETTLING)?;
        for client in 0..self.clients.len() {
            self.check_settled(client)?;
            self.check_client(client)?;
        }
        let twice = self.model.applied.iter().find(|(_, count)| **count > 1);
        match twice {
            Some((value, _)) => Err(self.fail(format!("{} was applied twice", String::from_utf8_lossy(value)))),
            None => Ok(()),
        }
    }

    fn check_settled(&self, client: usize) -> Result<(), Failure> {
        let epoch = self.log.epoch();
        let settled = self.clients[client].settled.iter();
        for Settled { value, is_applied, .. } in
            settled.filter(|settled| !settled.value.is_empty() && settled.epoch.is_none_or(|of| of == epoch))
        {
            let count = self.model.applied.get(value).copied().unwrap_or(0);
            if count != u32::from(*is_applied) {
                let value = String::from_utf8_lossy(value);
                return Err(self.fail(format!("client {client}: {value} was applied {count} times, told {is_applied}")));
            }
        }
        Ok(())
    }

    fn check_client(&self, number: usize) -> Result<(), Failure> {
        let client = &self.clients[number];
        let fail = |what: String| Err(self.fail(format!("client {number}: {what}")));
        if !client.session.is_live() {
            return fail(format!("is not connected: {}", client.last_error));
        }
        if !client.unsettled.is_empty() {
            return fail(format!("{} publishes have no verdict", client.unsettled.len()));
        }
        let epoch = client.session.epoch();
        for following in client.following.values() {
            let selected = self.model.topics.iter().filter(|(path, _)| following.selector.matches(path));
            for (path, topic) in selected {
                let Some(value) = &topic.value else { continue };
                let held = following.held().find(|(held, ..)| held == path);
                match (topic.kind, held) {
                    (TopicKind::Value, Some((_, version, bytes))) if version == topic.version && bytes == value => {}
                    (TopicKind::Value, held) => {
                        return fail(format!("{path} is at {} and the application holds {held:?}", topic.version));
                    }
                    (_, Some(_)) if following.sequence(path, epoch).is_some_and(|told| told != topic.sequence) => {
                        let told = following.sequence(path, epoch);
                        return fail(format!(
                            "{path} has {} events and the application was told {told:?}",
                            topic.sequence
                        ));
                    }
                    _ => {}
                }
                let replica = client.session.replica(path);
                if topic.kind == TopicKind::Value && replica.as_ref().map(|held| held.version) != Some(topic.version) {
                    return fail(format!("the replica of {path} is {replica:?} and not at {}", topic.version));
                }
            }
            for (path, ..) in following.held() {
                if !self.model.topics.contains_key(path) {
                    return fail(format!("{path} is removed and the application holds it"));
                }
            }
        }
        Ok(())
    }
}
