//! Everything together, at random from a seed: gateways that are killed, stopped and halted, networks
//! that do all that the proxy can, publishers and subscribers in this process and in others.
//!
//! The seed repeats what is ordered, not what comes of it: processes and networks have a time of
//! their own. A failure that does not come again with its seed alone does with a longer run.

use std::collections::BTreeMap;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use outpour::{Acknowledgement, HistoryStart, Session, SubscribeOptions, UpdateStream, Value};
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
    /// What subscribers were told that are not there any more.
    departed: u64,
    report: Report,
}

/// What a publisher does to a topic.
enum Change {
    Append(String),
    Stream(String),
    Set(String),
    Remove,
}

struct Publisher {
    proxy: Proxy,
    session: Session,
    /// For the document that changes a little each time.
    stream: UpdateStream,
    document: String,
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
            let stream = session.update_stream(&format!("soak/{index}/document")).unwrap();
            let (document, unsettled) = (String::new(), Vec::new());
            publishers.push(Publisher { proxy, session, stream, document, unsettled, count: 0, events: 0 });
        }
        let mut followers = Vec::new();
        for index in 0..FOLLOWERS {
            let proxy = Proxy::start(gateway.address).await;
            let follower = follow(&proxy, index);
            followers.push((proxy, follower));
        }
        let proxy = Proxy::start(gateway.address).await;
        let process = Process::subscribe(&proxy.url(), &["soak/**"]);
        let program = Program { proxy, process, witness: Witness::new("outpour sub") };
        let random = Random::new(seed);
        let (wanted, report) = (BTreeMap::new(), Report::default());
        let mut world =
            Self { seed, random, data, gateway, publishers, followers, program, wanted, departed: 0, report };
        // Everybody is there before things go wrong.
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
                let topic = |name: &str| format!("soak/{index}/{name}");
                let (topic, change) = match self.random.below(12) {
                    0..=4 => {
                        publisher.events += 1;
                        (topic("events"), Change::Append(publisher.events.to_string()))
                    }
                    5 | 6 => {
                        publisher.write(&mut self.random);
                        (topic("document"), Change::Stream(publisher.document.clone()))
                    }
                    7 => (topic(&self.random.below(TOPICS).to_string()), Change::Remove),
                    _ => {
                        let text = "x".repeat(self.random.below(400) as usize);
                        let value = format!("{{\"n\":{},\"text\":\"{text}\"}}", publisher.count);
                        (topic(&self.random.below(TOPICS).to_string()), Change::Set(value))
                    }
                };
                let sent = match &change {
                    Change::Append(event) => publisher.session.append(&topic, Value::json(event.clone())),
                    Change::Stream(text) => publisher.stream.set(Value::json(text.clone())),
                    Change::Set(value) => publisher.session.set(&topic, Value::json(value.clone())),
                    Change::Remove if !self.wanted.contains_key(&topic) => continue,
                    Change::Remove => publisher.session.remove(&topic),
                };
                match change {
                    Change::Append(value) | Change::Stream(value) | Change::Set(value) => {
                        self.wanted.insert(topic, value);
                    }
                    Change::Remove => drop(self.wanted.remove(&topic)),
                }
                self.report.published += 1;
                publisher.unsettled.push(sent.send().unwrap());
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

    /// One who leaves, and another who comes.
    async fn replace_follower(&mut self) {
        let index = self.random.below(FOLLOWERS) as usize;
        let number = self.report.rounds * FOLLOWERS + index as u64;
        let (proxy, follower) = &mut self.followers[index];
        self.departed += follower.witness.observed();
        *follower = follow(proxy, number);
        follower.until_holding(&self.wanted).await;
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
        self.replace_follower().await;
        self.program.catch_up(&self.wanted).await;
        for (index, publisher) in self.publishers.iter().enumerate() {
            let sequence = self.followers[0].1.witness.sequence(&format!("soak/{index}/events"));
            assert_eq!(sequence, publisher.events, "an event of publisher {index} was appended twice, or lost");
        }
        let connections: Vec<_> = self.proxies().flat_map(Proxy::connections).collect();
        let told = self.followers.iter().map(|(_, follower)| follower.witness.observed());
        self.report.observed = self.departed + told.sum::<u64>();
        self.report.connections = connections.len() as u64;
        self.report.faults = connections.iter().map(|connection| connection.faults as u64).sum();
    }
}

impl Publisher {
    /// Changes a word of the document, or begins a new one.
    fn write(&mut self, random: &mut Random) {
        let words = self.document.len() / 8;
        if words < 100 || random.below(50) == 0 {
            let text: Vec<_> = (0..120).map(|_| random.text(7)).collect();
            self.document = format!("\"{}\"", text.join(" "));
        } else {
            let at = 1 + 8 * random.below(words as u64) as usize;
            self.document.replace_range(at..at + 7, &random.text(7));
        }
    }

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

/// Follows everything; those with an odd number at most ten times a second for each topic. An event topic is
/// told from its last event on, so that who subscribes late knows where it stands.
fn follow(proxy: &Proxy, number: u64) -> Follower {
    let max_rate = (number % 2 == 1).then_some(10.0);
    let options = SubscribeOptions { max_rate, from: HistoryStart::Last(1), ..SubscribeOptions::default() };
    Follower::with(&format!("subscriber {number}"), eager(&proxy.url()).start().unwrap(), "soak/**", &options)
}

async fn start(data: &tempfile::TempDir) -> Gateway {
    let environment =
        [("OUTPOUR_LIMITS_HEARTBEAT", "1s"), ("OUTPOUR_RETRY_AFTER", "0s"), ("OUTPOUR_SHUTDOWN_GRACE", "1s")];
    Gateway::start(&["--data", data.path().to_str().unwrap()], &environment).await
}
