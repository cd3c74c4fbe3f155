//! Everything together, at random from a seed: gateways that are killed, stopped and halted, networks
//! that do all that the proxy can, publishers and subscribers in this process and in others.
//!
//! The seed repeats what is ordered, not what comes of it: processes and networks have a time of
//! their own. A failure that does not come again with its seed alone does with a longer run.

use std::collections::BTreeMap;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use outpour::{Acknowledgement, Session, Value};
use rustix::process::Signal;
use tokio::time::{Instant, sleep};

use crate::{Direction, Ending, Flow, Follower, Gateway, Process, Proxy, Random, Witness, eager, event_topic, soon};

/// What hammers the gateway: the publishers, each with topics of its own, and those who follow all.
const PUBLISHERS: u64 = 3;
const FOLLOWERS: u64 = 8;
/// The topics of each publisher.
const TOPICS: u64 = 5;
/// Publishes of a publisher that may wait for their verdict.
const UNSETTLED: usize = 400;
/// How long things go wrong before everything has to be in order again.
const ROUND: Duration = Duration::from_secs(4);

/// What a soak has seen.
#[derive(Clone, Copy, Debug, Default)]
pub struct Report {
    /// How often everything had to be in order.
    pub rounds: u64,
    /// Changes that were published.
    pub published: u64,
    /// Updates, events and gaps that subscribers were told.
    pub observed: u64,
    /// Connections through the proxies.
    pub connections: u64,
    /// Faults that befell these.
    pub faults: u64,
    /// Gateways that were killed or stopped.
    pub gateways: u64,
}

/// Lets things go wrong, round after round, until the time is up; `tell` hears of each round.
///
/// # Panics
/// If a subscriber was told what must not be, or does not hold in the end what was published.
pub async fn soak(seed: u64, time: Duration, mut tell: impl FnMut(&Report)) -> Report {
    let end = Instant::now() + time;
    let mut world = World::new(seed).await;
    while world.report.rounds == 0 || Instant::now() < end {
        world.go_wrong().await;
        world.settle().await;
        tell(&world.report);
    }
    world.report
}

struct World {
    seed: u64,
    random: Random,
    data: tempfile::TempDir,
    gateway: Gateway,
    publishers: Vec<Publisher>,
    followers: Vec<(Proxy, Follower)>,
    program: Program,
    wanted: BTreeMap<String, String>,
    report: Report,
}

struct Publisher {
    proxy: Proxy,
    session: Session,
    unsettled: Vec<Acknowledgement>,
    /// Counts what was published.
    count: u64,
    /// Counts the events among that.
    events: u64,
}

/// A subscriber in a process of its own.
struct Program {
    proxy: Proxy,
    process: Process,
    witness: Witness,
}

impl World {
    async fn new(seed: u64) -> Self {
        let data = tempfile::tempdir().unwrap();
        let gateway = start(&data).await;
        let mut publishers = Vec::new();
        for index in 0..PUBLISHERS {
            let proxy = Proxy::start(gateway.address).await;
            let session = eager(&proxy.url()).connect().await.unwrap();
            session.create(&format!("soak/{index}/events"), event_topic(20_000)).await.unwrap();
            publishers.push(Publisher { proxy, session, unsettled: Vec::new(), count: 0, events: 0 });
        }
        let mut followers = Vec::new();
        for index in 0..FOLLOWERS {
            let proxy = Proxy::start(gateway.address).await;
            let follower = Follower::start(&format!("subscriber {index}"), &proxy.url(), "soak/**");
            followers.push((proxy, follower));
        }
        let proxy = Proxy::start(gateway.address).await;
        let process = Process::subscribe(&proxy.url(), &["soak/**"]);
        let program = Program { proxy, process, witness: Witness::new("outpour sub") };
        let random = Random::new(seed);
        let (wanted, report) = (BTreeMap::new(), Report::default());
        let mut world = Self { seed, random, data, gateway, publishers, followers, program, wanted, report };
        // Who subscribes later is told of no event from before.
        world.publishers[0].session.set("soak/begin", Value::json("0")).await.unwrap();
        world.wanted.insert("soak/begin".to_owned(), "0".to_owned());
        for (_, follower) in &mut world.followers {
            follower.until_holding(&world.wanted).await;
        }
        world.program.catch_up(&world.wanted).await;
        world
    }

    fn proxies(&self) -> impl Iterator<Item = &Proxy> {
        let publishers = self.publishers.iter().map(|publisher| &publisher.proxy);
        publishers.chain(self.followers.iter().map(|(proxy, _)| proxy))
    }

    async fn go_wrong(&mut self) {
        self.report.rounds += 1;
        for (index, proxy) in self.proxies().enumerate() {
            proxy.set_random(Random::fork(self.seed, self.report.rounds * 1000 + index as u64).draw());
            // A connection that has nothing to fear gives way to one that has.
            if index % 2 == 0 {
                proxy.cut(Ending::Reset);
            }
        }
        let end = Instant::now() + ROUND;
        while Instant::now() < end {
            match self.random.below(60) {
                0 => self.replace_gateway(true).await,
                1 => self.replace_gateway(false).await,
                2 => self.halt_gateway().await,
                3 => self.proxies().for_each(|proxy| proxy.cut(Ending::Finish)),
                4 => self.halt_program().await,
                _ => self.publish(),
            }
            for (_, follower) in &mut self.followers {
                follower.drain();
            }
            sleep(self.random.up_to(Duration::from_millis(30))).await;
        }
        self.program.proxy.cut(Ending::Reset);
    }

    /// A handful of changes by each publisher.
    fn publish(&mut self) {
        for (index, publisher) in self.publishers.iter_mut().enumerate() {
            publisher.settle_some();
            for _ in 0..self.random.below(20) {
                if publisher.unsettled.len() >= UNSETTLED {
                    break;
                }
                publisher.count += 1;
                self.report.published += 1;
                let sent = if self.random.below(2) == 0 {
                    publisher.events += 1;
                    let (topic, value) = (format!("soak/{index}/events"), publisher.events.to_string());
                    self.wanted.insert(topic.clone(), value.clone());
                    publisher.session.append(&topic, Value::json(value)).send()
                } else {
                    let topic = format!("soak/{index}/{}", self.random.below(TOPICS));
                    let length = self.random.below(400) as usize;
                    let value = format!("{{\"n\":{},\"text\":\"{}\"}}", publisher.count, "x".repeat(length));
                    self.wanted.insert(topic.clone(), value.clone());
                    publisher.session.set(&topic, Value::json(value)).send()
                };
                publisher.unsettled.push(sent.unwrap());
            }
        }
    }

    /// Another gateway with the same data at another port, after this one was killed or asked to stop.
    async fn replace_gateway(&mut self, is_killed: bool) {
        self.report.gateways += 1;
        if is_killed {
            self.gateway.process.kill().await;
        } else {
            self.gateway.process.signal(Signal::TERM);
            self.gateway.process.succeed().await;
        }
        self.gateway = start(&self.data).await;
        for proxy in self.proxies().chain([&self.program.proxy]) {
            proxy.set_upstream(self.gateway.address);
        }
    }

    async fn halt_gateway(&mut self) {
        self.gateway.process.freeze();
        sleep(self.random.up_to(Duration::from_millis(1500))).await;
        self.gateway.process.thaw();
    }

    async fn halt_program(&mut self) {
        self.program.process.freeze();
        sleep(self.random.up_to(Duration::from_millis(300))).await;
        self.program.process.thaw();
    }

    /// The network is sound again: everything has to come to rest, and to be right.
    async fn settle(&mut self) {
        for proxy in self.proxies() {
            proxy.set_rules([]);
            for direction in [Direction::Up, Direction::Down] {
                proxy.set_flow(direction, Flow::Open);
            }
            proxy.cut(Ending::Reset);
        }
        for publisher in &mut self.publishers {
            for verdict in publisher.unsettled.drain(..) {
                soon("a verdict", verdict).await.unwrap();
            }
        }
        for (_, follower) in &mut self.followers {
            follower.until_holding(&self.wanted).await;
            assert_eq!(follower.witness.missing(), 0, "the gateway keeps as many events");
        }
        self.program.catch_up(&self.wanted).await;
        for (index, publisher) in self.publishers.iter().enumerate() {
            let sequence = self.followers[0].1.witness.sequence(&format!("soak/{index}/events"));
            assert_eq!(sequence, publisher.events, "an event of publisher {index} was appended twice, or lost");
        }
        let connections: Vec<_> = self.proxies().flat_map(Proxy::connections).collect();
        self.report.connections = connections.len() as u64;
        self.report.faults = connections.iter().map(|connection| connection.faults as u64).sum();
        self.report.observed = self.followers.iter().map(|(_, follower)| follower.witness.observed()).sum();
    }
}

impl Publisher {
    /// Takes the verdicts that have come.
    fn settle_some(&mut self) {
        let mut context = Context::from_waker(Waker::noop());
        self.unsettled.retain_mut(|verdict| match Pin::new(verdict).poll(&mut context) {
            Poll::Ready(verdict) => {
                verdict.unwrap();
                false
            }
            Poll::Pending => true,
        });
    }
}

impl Program {
    async fn catch_up(&mut self, wanted: &BTreeMap<String, String>) {
        while self.witness.held() != *wanted {
            self.witness.observe(self.process.observe().await);
        }
    }
}

async fn start(data: &tempfile::TempDir) -> Gateway {
    let environment =
        [("OUTPOUR_LIMITS_HEARTBEAT", "1s"), ("OUTPOUR_RETRY_AFTER", "0s"), ("OUTPOUR_SHUTDOWN_GRACE", "1s")];
    Gateway::start(&["--data", data.path().to_str().unwrap()], &environment).await
}
