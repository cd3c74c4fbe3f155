//! What can happen: drawn at random, and told in the trace.

use std::time::Duration;

use outpour_core::session::PublicationChange;
use outpour_core::wire::{Condition, HistoryStart};
use outpour_core::{Path, Selector, Timestamp, Value, Version};

use crate::failure::Failure;
use crate::world::World;

/// Topics with one value.
pub const VALUES: [&str; 8] = ["v/a", "v/b", "v/c", "v/a/x", "v/a/y", "v/deep/er/z", "w", "w/a"];
/// Topics with events.
pub const EVENTS: [&str; 3] = ["e/a", "e/b", "v/events"];
const SELECTORS: [&str; 9] = ["**", "v/*", "v/**", "v/a", "e/*", "*/a", "**/a", "w/**", "v/a/**"];

impl World {
    /// Has something happen, and lets a little time pass.
    ///
    /// # Errors
    /// If a promise is broken.
    pub fn transition(&mut self) -> Result<(), Failure> {
        let client = self.random.below(self.clients.len() as u64) as usize;
        match self.random.below(54) {
            0..=8 => self.publish_value(client),
            9..=12 => self.publish_stream(client),
            13..=16 => self.publish_event(client),
            17 => self.remove(client),
            18 => self.publish_conditional(client),
            19..=22 => self.subscribe(client),
            23 | 24 => self.unsubscribe(client),
            25..=27 => self.cut(client),
            28 => self.go_half_open(client),
            29 => self.stall(client),
            30 | 31 => self.slow_down(client),
            32 => self.change_latency(client),
            33 => self.corrupt(client),
            34 => self.say_goodbye(client),
            35 | 46 => self.restart_client(client)?,
            36 if self.random.once_in(6) => self.lose_the_log()?,
            37 => self.publish_burst(client),
            38 => {
                let gateway = self.random.below(self.gateways.len() as u64) as usize;
                self.kill_gateway(gateway)?;
            }
            39 => self.sleep(client),
            40 => self.hint(client),
            41 | 42 => self.store(client),
            43 => {
                let gateway = self.random.below(self.gateways.len() as u64) as usize;
                self.drain(gateway);
            }
            44 | 45 => {
                let gateway = self.random.below(self.gateways.len() as u64) as usize;
                self.lag(gateway);
            }
            47 => {
                let gateway = self.random.below(self.gateways.len() as u64) as usize;
                self.set_clock(gateway);
            }
            48..=50 => self.fetch(client),
            51 | 52 => self.trouble_the_disk(),
            _ => self.note("wait"),
        }
        let passing = match self.random.below(12) {
            0 => 30_000_000,
            1..=3 => 1_000_000,
            4..=8 => 50_000,
            _ => 0,
        };
        let until = self.now + if passing == 0 { 0 } else { self.random.below(passing) };
        self.advance(until)
    }

    fn time(&self) -> Timestamp {
        Timestamp::from_micros(self.now)
    }

    /// A value that nobody else publishes.
    fn value(&mut self, client: usize) -> String {
        self.last_value += 1;
        let filler = "x".repeat(self.random.below(200) as usize);
        format!("{{\"client\":{client},\"n\":{},\"filler\":\"{filler}\"}}", self.last_value)
    }

    fn publish_value(&mut self, client: usize) {
        let path = *self.random.pick(&VALUES);
        let text = self.value(client);
        self.note(&format!("client {client} sets {path} to value {}", self.last_value));
        let (path, now) = (Path::new(path).expect("a path"), self.time());
        let change = PublicationChange::Set(Value::json(text.clone()));
        self.clients[client].publish(&path, change, Condition::Always, text.into_bytes(), now);
    }

    fn publish_burst(&mut self, client: usize) {
        for _ in 0..20 {
            if self.random.once_in(2) { self.publish_value(client) } else { self.publish_event(client) }
        }
    }

    fn publish_stream(&mut self, client: usize) {
        let path = *self.random.pick(&VALUES);
        let text = self.value(client);
        self.note(&format!("client {client} streams value {} to {path}", self.last_value));
        let (path, now) = (Path::new(path).expect("a path"), self.time());
        self.clients[client].stream(&path, Value::json(text), now);
    }

    fn publish_event(&mut self, client: usize) {
        let path = *self.random.pick(&EVENTS);
        let text = self.value(client);
        self.note(&format!("client {client} appends event {} to {path}", self.last_value));
        let (path, now) = (Path::new(path).expect("a path"), self.time());
        let change = PublicationChange::Append(Value::json(text.clone()));
        self.clients[client].publish(&path, change, Condition::Always, text.into_bytes(), now);
    }

    fn publish_conditional(&mut self, client: usize) {
        let path = *self.random.pick(&VALUES);
        let text = self.value(client);
        let version = self.clients[client].session.replica(path).map(|replica| replica.version);
        let condition = version.map_or(Condition::IfAbsent, Condition::IfVersion);
        self.note(&format!("client {client} sets {path} to value {} {condition:?}", self.last_value));
        let (path, now) = (Path::new(path).expect("a path"), self.time());
        let change = PublicationChange::Set(Value::json(text.clone()));
        self.clients[client].publish(&path, change, condition, text.into_bytes(), now);
    }

    fn remove(&mut self, client: usize) {
        let path = if self.random.once_in(4) { *self.random.pick(&EVENTS) } else { *self.random.pick(&VALUES) };
        self.note(&format!("client {client} removes {path}"));
        let (path, now) = (Path::new(path).expect("a path"), self.time());
        // A removal applies no value: an empty one stands for it and is counted nowhere.
        self.clients[client].publish(&path, PublicationChange::Remove, Condition::Always, Vec::new(), now);
    }

    fn fetch(&mut self, client: usize) {
        let selector = *self.random.pick(&SELECTORS);
        let history = self.random.once_in(2).then(|| match self.random.below(3) {
            0 => HistoryStart::Last(self.random.below(5)),
            1 => HistoryStart::All,
            _ => HistoryStart::After(Version(self.random.below(100))),
        });
        let most = if self.random.once_in(2) { 4 } else { 1_000 };
        let limit = 1 + self.random.below(most);
        self.note(&format!("client {client} fetches {limit} of {selector}, {history:?}"));
        let now = self.now;
        self.clients[client].fetch(&Selector::new(selector).expect("a selector"), history, limit, now);
    }

    fn subscribe(&mut self, client: usize) {
        if self.clients[client].following.len() >= 4 {
            return;
        }
        let selector = *self.random.pick(&SELECTORS);
        let max_rate = self.random.once_in(3).then(|| *self.random.pick(&[0.5, 5.0, 100.0]));
        let from = match self.random.below(3) {
            0 => HistoryStart::Live,
            1 => HistoryStart::Last(self.random.below(5)),
            _ => HistoryStart::All,
        };
        self.note(&format!("client {client} subscribes to {selector}, rate {max_rate:?}, from {from:?}"));
        let now = self.time();
        self.clients[client].subscribe(Selector::new(selector).expect("a selector"), max_rate, from, now);
    }

    fn unsubscribe(&mut self, client: usize) {
        let ids: Vec<_> = self.clients[client].following.keys().copied().collect();
        if ids.is_empty() {
            return;
        }
        let id = *self.random.pick(&ids);
        let now = self.time();
        if let Some(ended) = self.clients[client].following.remove(&id) {
            self.note(&format!("client {client} unsubscribes from {}", ended.selector));
        }
        self.clients[client].session.unsubscribe(id, now);
    }

    fn slow_down(&mut self, client: usize) {
        let is_slow = !self.clients[client].is_slow;
        self.clients[client].is_slow = is_slow;
        self.note(&format!("the application of client {client} {}", if is_slow { "stops reading" } else { "reads" }));
    }

    fn say_goodbye(&mut self, client: usize) {
        let to = self.clients[client].transport.map(|transport| (client, transport));
        let Some(to) = to else { return };
        self.note(&format!("the gateway says goodbye to client {client}"));
        let retry_after = Duration::from_millis(self.random.below(3000));
        self.say_goodbye_to(to, retry_after);
    }
}
