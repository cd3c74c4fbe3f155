//! Everything that is simulated, on one clock.

use std::collections::BTreeMap;
use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash, Hasher};

use outpour_core::session::{Endpoint, Input, Lost, Request, TransportId};
use outpour_core::{ErrorCode, Timestamp};

use crate::client::{Client, Opening};
use crate::disk::SimulatedDisk;
use crate::engine::Engine;
use crate::failure::Failure;
use crate::gateway::{ConnectionId, Gateway};
use crate::limits::Limits;
use crate::log::Horizon;
use crate::model::Model;
use crate::network::Link;
use crate::random::Random;
use crate::sabotage::Sabotage;

/// Turns without rest that mean that something never goes idle.
const STEP_LIMIT: u32 = 200_000;

/// Some gateways that share a log, some clients, and the network between them.
#[derive(Debug)]
pub struct World {
    pub(crate) seed: u64,
    pub(crate) sabotage: Sabotage,
    /// Microseconds.
    pub(crate) now: u64,
    pub(crate) random: Random,
    pub(crate) engine: Engine,
    pub(crate) limits: Limits,
    pub(crate) gateways: Vec<Gateway>,
    /// Until when a gateway is down.
    pub(crate) down_until: Vec<u64>,
    /// Which gateway each connection leads to.
    pub(crate) homes: BTreeMap<ConnectionId, usize>,
    pub(crate) clients: Vec<Client>,
    pub(crate) links: BTreeMap<ConnectionId, Link>,
    pub(crate) latency: Vec<u64>,
    /// Whether a client can send its first message along with the request for an upgrade.
    pub(crate) sends_early: Vec<bool>,
    pub(crate) model: Model,
    /// How many lives the log has had.
    pub(crate) log_lives: u64,
    pub(crate) lives: u64,
    /// What each client has stored, if anything.
    pub(crate) stores: Vec<Vec<u8>>,
    /// Until when the machine of a client sleeps; 0 if it is awake.
    pub(crate) asleep_until: Vec<u64>,
    pub(crate) last_value: u64,
    steps: u32,
    pub(crate) trace: Vec<String>,
}

impl World {
    /// A few gateways and a few clients.
    #[must_use]
    pub fn new(seed: u64, sabotage: Sabotage) -> Self {
        let mut random = Random::new(seed);
        let count = 2 + random.below(4) as usize;
        let is_on_disk = random.once_in(4);
        let gateways = if is_on_disk { 1 } else { 1 + random.below(3) as usize };
        let limits = Limits::draw(&mut random);
        let config = limits.session(gateways);
        let mut clients: Vec<Client> =
            (0..count).map(|number| Client::new(number, 0, random.number(), &config, Timestamp::ZERO)).collect();
        clients.iter_mut().for_each(|client| client.session.connect(Timestamp::ZERO));
        if sabotage == Sabotage::DropUpdates {
            clients.iter_mut().for_each(|client| client.loses_every = Some(30));
        }
        let mut engine = Engine::new(1, is_on_disk);
        let mut start = |_| {
            let horizon = Horizon::default();
            let log = engine.open(&horizon).expect("an empty log can be opened");
            let mut gateway = Gateway::new(log, horizon, &limits);
            gateway.skips_outcomes = sabotage == Sabotage::SkipOutcomes;
            gateway
        };
        let started = (0..gateways).map(&mut start).collect();
        let mut model = Model::default();
        model.begin(engine.epoch());
        Self {
            seed,
            sabotage,
            now: 0,
            gateways: started,
            down_until: vec![0; gateways],
            homes: BTreeMap::new(),
            engine,
            limits,
            clients,
            links: BTreeMap::new(),
            latency: (0..count).map(|_| 100 + random.below(80_000)).collect(),
            sends_early: (0..count).map(|_| random.once_in(2)).collect(),
            random,
            model,
            log_lives: 1,
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

    pub(crate) fn fail(&self, what: impl Into<String>) -> Failure {
        Failure { seed: self.seed, what: what.into(), trace: self.trace.clone() }
    }

    /// How often something happened in the time that passed last.
    pub(crate) const fn steps(&self) -> u32 {
        self.steps
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

    pub(crate) fn next_at(&self) -> u64 {
        let links = self.links.values().filter_map(Link::next_at);
        let awake = self.clients.iter().zip(&self.asleep_until).filter(|(_, asleep)| **asleep == 0);
        let openings = awake.filter_map(|(client, _)| client.opening.as_ref());
        let openings = openings.map(|opening| opening.arrives_at.unwrap_or(opening.opens_at));
        let timers = self.clients.iter().zip(&self.asleep_until).filter_map(|(client, asleep)| match asleep {
            0 => client.session.poll_timeout().map(|(at, _)| at.as_micros()),
            until => Some(*until),
        });
        let gateways = self.up().filter_map(|gateway| self.gateways[gateway].next_at(&self.engine, self.now));
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
        if self.engine.disk().is_some_and(SimulatedDisk::is_dead) {
            self.crash_with_the_disk()?;
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

    pub(crate) fn drop_link(&mut self, id: ConnectionId) {
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

    /// The gateway learns that a connection is gone.
    pub(crate) fn close(&mut self, id: ConnectionId) {
        if let Some(gateway) = self.homes.remove(&id) {
            self.gateways[gateway].close(id);
        }
    }

    pub(crate) fn link_of(&mut self, client: usize) -> Option<&mut Link> {
        let transport = self.clients[client].transport?;
        self.links.get_mut(&(client, transport))
    }

    /// Draws everything that follows from the seed and this number.
    pub(crate) fn draw_anew(&mut self, number: u64) {
        self.random = Random::new(self.seed.wrapping_mul(0x9e37_79b9).wrapping_add(number));
    }
}
