//! What can go wrong: the network, the machines, the gateways and the log.

use std::time::Duration;

use outpour_core::session::{Input, Signal};
use outpour_core::{Timestamp, Version};

use crate::client::Client;
use crate::engine::Engine;
use crate::failure::Failure;
use crate::gateway::{ConnectionId, Gateway, SOME_DAY};
use crate::log::Horizon;
use crate::sabotage::Sabotage;
use crate::world::World;

impl World {
    pub(crate) fn say_goodbye_to(&mut self, id: ConnectionId, retry_after: Duration) {
        if let Some(gateway) = self.homes.get(&id) {
            self.gateways[*gateway].say_goodbye(Some(id), retry_after);
        }
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

    pub(crate) fn wake_up(&mut self, client: usize) {
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
        let now = Timestamp::from_micros(self.now);
        let config = self.limits.session(self.gateways.len());
        let mut restarted = Client::new(client, self.lives, seed, &config, now);
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
    pub(crate) fn kill_gateway(&mut self, gateway: usize) -> Result<(), Failure> {
        let down = self.random.below(3) * self.random.below(10_000_000);
        let how = *self.random.pick(&["stops", "is killed", "goes down with its machine"]);
        self.note(&format!("gateway {gateway} {how}, for {down} µs"));
        if let Some(disk) = self.engine.disk().filter(|_| how != "stops") {
            disk.die();
        }
        self.restart_gateway(gateway, down, how == "goes down with its machine")
    }

    /// The disk has died in the middle of a change, and with it the gateway that has it.
    pub(crate) fn crash_with_the_disk(&mut self) -> Result<(), Failure> {
        let is_machine = self.random.once_in(2);
        self.note(&format!(
            "the gateway dies in the middle of a write{}",
            if is_machine { ", with its machine" } else { "" }
        ));
        self.restart_gateway(0, 1_000_000, is_machine)
    }

    fn restart_gateway(&mut self, gateway: usize, down: u64, is_machine: bool) -> Result<(), Failure> {
        for id in self.gateways[gateway].connections() {
            self.drop_link(id);
        }
        self.down_until[gateway] = self.now + down;
        let gone = self.gateways.remove(gateway);
        let (horizon, wall_ms) = (gone.horizon.clone(), gone.wall_ms);
        // A process is gone before another takes its place.
        drop(gone);
        self.engine.recover(is_machine, &mut self.random);
        self.start_gateway(gateway, horizon, wall_ms)
    }

    /// Has a gateway take its place among those that run.
    fn start_gateway(&mut self, gateway: usize, horizon: Horizon, wall_ms: u64) -> Result<(), Failure> {
        // What no gateway has said yet is to be heard from this one.
        horizon.set_limit(self.model.head());
        let log = self.engine.open(&horizon).map_err(|what| self.fail(what))?;
        if log.epoch() != self.model.epoch() {
            if self.model.head() > Version::NONE {
                return Err(self.fail("the log began anew, and had something in it"));
            }
            self.model.begin(log.epoch());
        }
        let mut started = Gateway::new(log, horizon, &self.limits);
        started.horizon.set_limit(Version(u64::MAX));
        started.wall_ms = wall_ms;
        started.skips_outcomes = self.sabotage == Sabotage::SkipOutcomes;
        self.gateways.insert(gateway, started);
        Ok(())
    }

    /// A gateway sees the log with another delay.
    pub(crate) fn lag(&mut self, gateway: usize) {
        let delay = if self.random.once_in(2) { 0 } else { self.random.below(2_000_000) };
        self.gateways[gateway].horizon.set_delay(delay);
        self.note(&format!("gateway {gateway} is {delay} µs behind the log"));
    }

    /// Somebody sets the clock on the wall of a gateway.
    pub(crate) fn set_clock(&mut self, gateway: usize) {
        let days = self.random.below(3) * 86_400_000;
        self.gateways[gateway].wall_ms = SOME_DAY + days + self.random.below(20_000) - 10_000;
        self.note(&format!("the clock of gateway {gateway} is set to {} ms", self.gateways[gateway].wall_ms));
    }

    /// The disk is full, or no longer; or it dies with one of the next changes.
    pub(crate) fn trouble_the_disk(&mut self) {
        let Some(disk) = self.engine.disk().cloned() else { return };
        match self.random.below(3) {
            0 => {
                let room = disk.size() + self.random.below(2_000) as usize;
                self.note(&format!("the disk has room for {room} bytes"));
                disk.limit_room(Some(room));
            }
            1 => {
                self.note("the disk has room");
                disk.limit_room(None);
            }
            _ => {
                let changes = self.random.below(12);
                self.note(&format!("the disk dies after {changes} changes"));
                disk.die_at(Some(disk.steps() + changes));
            }
        }
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
            self.log_lives += 1;
        }
        let walls: Vec<u64> = self.gateways.drain(..).map(|gateway| gateway.wall_ms).collect();
        self.engine = Engine::new(self.log_lives, self.engine.disk().is_some());
        let epoch = self.engine.epoch();
        self.model.begin(epoch);
        for (gateway, wall_ms) in walls.into_iter().enumerate() {
            self.start_gateway(gateway, Horizon::default(), wall_ms)?;
        }
        Ok(())
    }
}
