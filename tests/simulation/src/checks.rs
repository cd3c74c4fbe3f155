//! What has to hold when all is quiet.

use outpour_core::session::{Input, Signal};
use outpour_core::{Timestamp, TopicKind};

use crate::client::Settled;
use crate::failure::Failure;
use crate::gateway::ConnectionId;
use crate::world::World;

/// How long nothing is asked of anybody, in microseconds, and how often something may happen then for each client:
/// heartbeats and their answers.
const REST: u64 = 60_000_000;
const STEPS_AT_REST: usize = 100;
/// How long everybody has to get straight after the network is healed, in microseconds.
const SETTLING: u64 = 200_000_000;

impl World {
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
        if let Some(disk) = self.engine.disk() {
            disk.limit_room(None);
            disk.die_at(None);
        }
        self.advance(self.now + SETTLING)?;
        self.advance(self.now + REST)?;
        let steps = self.steps() as usize;
        if steps > STEPS_AT_REST * self.clients.len() {
            return Err(self.fail(format!("{steps} things happened in a minute in which nothing was asked for")));
        }
        for client in 0..self.clients.len() {
            self.check_settled(client)?;
            self.check_client(client)?;
        }
        let twice = self.model.applied.iter().find(|(_, count)| **count > 1);
        match twice {
            Some((value, _)) => Err(self.fail(format!("{} was applied twice", String::from_utf8_lossy(value)))),
            None => self.check_fetches(),
        }
    }

    pub(crate) fn check_settled(&self, client: usize) -> Result<(), Failure> {
        let epoch = self.engine.epoch();
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
            if let Some(what) = following.undeclared() {
                return fail(what);
            }
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
