//! The load generator: one publisher and many subscribers on one thread and one `epoll`, because it shares the machine
//! with the server that it measures.

use std::{
    io::{self, Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    time::{Duration, Instant},
};

use rustix::{
    event::epoll::{self, CreateFlags, Event, EventData, EventFlags},
    fd::OwnedFd,
    time::{Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec},
};

use super::{
    BenchError,
    delivery::{Deliveries, Tally},
    opening,
    protocol::{Protocol, Role},
    stamp::{Scanner, ValueMaker},
};

const PUBLISHER: u64 = u64::MAX;
const TIMER: u64 = u64::MAX - 1;
/// What a read can bring: much, so that a server that coalesces is not slowed by a reader that does not.
const READ: usize = 256 << 10;
/// When nothing has arrived for this long, nothing more will.
const SILENCE: Duration = Duration::from_secs(2);
const LONGEST_DRAIN: Duration = Duration::from_secs(30);
/// A server that leaves so many bytes of the publisher's unread can't bear the rate.
const MOST_UNSENT: usize = 64 << 20;

/// How updates are paced.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Pace {
    /// So many updates a second, whatever the server does. Latency counts from the moment an update was due.
    Rate(f64),
    /// So many updates on the way: the next is sent when the oldest has reached all its subscribers.
    InFlight(usize),
}

/// The work, the same for every server.
#[derive(Clone, Copy, Debug)]
pub(super) struct Work {
    pub(super) subscribers: usize,
    pub(super) topics: usize,
    /// Bytes of a value.
    pub(super) size: usize,
    /// Percent of a value that an update changes.
    pub(super) change: u8,
}

/// Connections to one server.
pub(super) struct Generator {
    protocol: Box<dyn Protocol>,
    work: Work,
    address: SocketAddr,
    epoll: OwnedFd,
    timer: OwnedFd,
    events: Vec<Event>,
    publisher: Publisher,
    subscribers: Vec<Subscriber>,
    deliveries: Deliveries,
    values: ValueMaker,
    /// Stamps are nanoseconds since this moment.
    origin: Instant,
    newest_due: u64,
    /// Updates published so far, of all topics together: update `i` goes to topic `i % topics`.
    published: u64,
    buffer: Vec<u8>,
    heartbeat: Option<(Duration, Vec<u8>)>,
    next_heartbeat: Instant,
}

#[derive(Debug)]
struct Publisher {
    stream: TcpStream,
    unsent: Vec<u8>,
    /// Whether `epoll` is to report when the socket takes bytes again.
    blocked: bool,
}

#[derive(Debug)]
struct Subscriber {
    stream: TcpStream,
    scanner: Scanner,
    open: bool,
}

impl Generator {
    /// Opens the publisher's connection and gives every topic a first value if the protocol has values.
    pub(super) fn connect(
        address: SocketAddr,
        mut protocol: Box<dyn Protocol>,
        work: Work,
    ) -> Result<Self, BenchError> {
        let failed = |error: rustix::io::Errno| BenchError::Io { doing: "prepare to wait".into(), error: error.into() };
        let epoll = epoll::create(CreateFlags::CLOEXEC).map_err(failed)?;
        let flags = TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC;
        let timer = rustix::time::timerfd_create(TimerfdClockId::Monotonic, flags).map_err(failed)?;
        epoll::add(&epoll, &timer, EventData::new_u64(TIMER), EventFlags::IN | EventFlags::ET).map_err(failed)?;
        let stream = opening::open(address, &mut *protocol, [Role::Publisher].into_iter())?
            .pop()
            .ok_or(BenchError::Opening { ready: 0, wanted: 1 })?;
        epoll::add(&epoll, &stream, EventData::new_u64(PUBLISHER), EventFlags::IN).map_err(failed)?;
        let heartbeat = protocol.heartbeat();
        let mut generator = Self {
            deliveries: Deliveries::new(work.subscribers, work.topics, protocol.conflates()),
            values: ValueMaker::new(work.size, work.change),
            next_heartbeat: Instant::now(),
            publisher: Publisher { stream, unsent: Vec::new(), blocked: false },
            subscribers: Vec::new(),
            events: Vec::with_capacity(1024),
            origin: Instant::now(),
            newest_due: 0,
            published: 0,
            buffer: vec![0; Scanner::HEADROOM + READ],
            heartbeat,
            protocol,
            work,
            address,
            epoll,
            timer,
        };
        if generator.protocol.conflates() {
            for _ in 0..work.topics {
                generator.publish(generator.newest_due + 1)?;
            }
            generator.settle()?;
        }
        Ok(generator)
    }

    /// Opens the subscribers' connections, and returns when all are subscribed.
    pub(super) fn subscribe(&mut self) -> Result<(), BenchError> {
        let topics = self.work.topics;
        let roles = (0..self.work.subscribers).map(|number| Role::Subscriber((number % topics) as u32));
        for stream in opening::open(self.address, &mut *self.protocol, roles)? {
            let id = EventData::new_u64(self.subscribers.len() as u64);
            epoll::add(&self.epoll, &stream, id, EventFlags::IN)
                .map_err(|error| BenchError::Connect { address: self.address, error: error.into() })?;
            self.subscribers.push(Subscriber { stream, scanner: Scanner::default(), open: true });
        }
        Ok(())
    }

    /// Publishes at `pace` for `time`, waits for what is still on the way, and returns what arrived.
    pub(super) fn run(&mut self, pace: Pace, time: Duration) -> Result<Tally, BenchError> {
        let start = self.now();
        let end = start + time.as_nanos() as u64;
        self.deliveries.begin(start, self.published);
        match pace {
            Pace::Rate(rate) => self.run_at_rate(rate, start, end)?,
            Pace::InFlight(count) => self.run_in_flight(count, end)?,
        }
        self.drain()?;
        Ok(self.deliveries.finish(end))
    }

    /// Does nothing but what the server asks for, for `time`.
    pub(super) fn idle(&mut self, time: Duration) -> Result<(), BenchError> {
        let end = Instant::now() + time;
        while Instant::now() < end {
            self.turn(&mut |_, _| Ok(()))?;
        }
        Ok(())
    }

    /// Subscribers whose connection the server ended.
    pub(super) fn disconnected(&self) -> usize {
        self.subscribers.iter().filter(|subscriber| !subscriber.open).count()
    }

    /// Takes the topics away again.
    pub(super) fn remove_topics(&mut self) -> Result<(), BenchError> {
        for topic in 0..self.work.topics {
            self.protocol.remove(topic as u32, &mut self.publisher.unsent);
        }
        self.settle()
    }

    /// Waits until the server has confirmed everything that was published.
    fn settle(&mut self) -> Result<(), BenchError> {
        let start = Instant::now();
        while !self.publisher.unsent.is_empty() || self.protocol.unsettled() != (0, 0) {
            if start.elapsed() > LONGEST_DRAIN {
                return Err(BenchError::Overload);
            }
            self.turn(&mut |_, _| Ok(()))?;
        }
        Ok(())
    }

    fn run_at_rate(&mut self, rate: f64, start: u64, end: u64) -> Result<(), BenchError> {
        let due_at = |update: u64| start + (update as f64 * 1e9 / rate) as u64;
        let mut sent = 0;
        let mut send_due = |generator: &mut Self, now: u64| -> Result<(), BenchError> {
            let before = sent;
            while due_at(sent) <= now && due_at(sent) < end {
                generator.publish(due_at(sent))?;
                sent += 1;
            }
            if sent > before {
                generator.wake_at(due_at(sent))?;
            }
            Ok(())
        };
        while self.now() < end {
            self.turn(&mut send_due)?;
        }
        // Whatever fell due during the last turn.
        send_due(self, end)?;
        self.send_unsent()
    }

    fn run_in_flight(&mut self, count: usize, end: u64) -> Result<(), BenchError> {
        let mut refill = |generator: &mut Self, now: u64| -> Result<(), BenchError> {
            while generator.deliveries.in_flight() < count && now < end {
                // Each update needs a time of its own to be told from the others.
                let due = generator.now().max(generator.newest_due + 1);
                generator.publish(due)?;
            }
            Ok(())
        };
        while self.now() < end {
            self.turn(&mut refill)?;
            if self.is_silent() {
                break;
            }
        }
        Ok(())
    }

    /// Waits until everything has arrived or been superseded, or nothing comes any more.
    fn drain(&mut self) -> Result<(), BenchError> {
        let drained_or_silent = |generator: &mut Self| -> Result<(), BenchError> {
            let since = generator.now();
            while generator.deliveries.in_flight() > 0
                && !(generator.is_silent() && generator.now() > since + SILENCE.as_nanos() as u64)
                && generator.now() < since + LONGEST_DRAIN.as_nanos() as u64
            {
                generator.turn(&mut |_, _| Ok(()))?;
            }
            Ok(())
        };
        drained_or_silent(self)?;
        self.deliveries.close();
        if self.deliveries.in_flight() > 0 && self.protocol.conflates() {
            // A delta across several updates may leave a stamp out. One more value shows what has been superseded.
            for _ in 0..self.work.topics {
                self.publish(self.now().max(self.newest_due + 1))?;
            }
            drained_or_silent(self)?;
        }
        Ok(())
    }

    fn is_silent(&self) -> bool {
        self.now() > self.deliveries.latest().max(self.newest_due) + SILENCE.as_nanos() as u64
    }

    fn now(&self) -> u64 {
        self.origin.elapsed().as_nanos() as u64
    }

    /// Sends an update, in a `write` of its own: a publisher that waited for more would be another benchmark.
    fn publish(&mut self, due: u64) -> Result<(), BenchError> {
        let topics = self.work.topics as u64;
        let (topic, update) = (self.published % topics, self.published / topics);
        let value = self.values.make(update, due);
        self.protocol.publish(topic as u32, value, &mut self.publisher.unsent);
        self.published += 1;
        self.newest_due = due;
        self.deliveries.published(due);
        self.send_unsent()
    }

    fn send_unsent(&mut self) -> Result<(), BenchError> {
        let lost = |error| BenchError::Publisher { error };
        let publisher = &mut self.publisher;
        if publisher.unsent.is_empty() && !publisher.blocked {
            return Ok(());
        }
        while !publisher.unsent.is_empty() {
            match publisher.stream.write(&publisher.unsent) {
                Ok(written) => drop(publisher.unsent.drain(..written)),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) => return Err(lost(error)),
            }
        }
        if publisher.unsent.len() + self.protocol.unsettled().1 > MOST_UNSENT {
            return Err(BenchError::Overload);
        }
        if publisher.blocked == publisher.unsent.is_empty() {
            publisher.blocked = !publisher.unsent.is_empty();
            let flags = if publisher.blocked { EventFlags::IN | EventFlags::OUT } else { EventFlags::IN };
            epoll::modify(&self.epoll, &publisher.stream, EventData::new_u64(PUBLISHER), flags)
                .map_err(|error| lost(error.into()))?;
        }
        Ok(())
    }

    /// Waits for something to happen, at most a moment, and deals with it. `between` is called with the time before
    /// every event, so that updates leave when they are due even if many deliveries wait to be read.
    fn turn(&mut self, between: &mut dyn FnMut(&mut Self, u64) -> Result<(), BenchError>) -> Result<(), BenchError> {
        between(self, self.now())?;
        self.send_unsent()?;
        let mut events = std::mem::take(&mut self.events);
        self.wait(&mut events)?;
        for event in events.drain(..) {
            let now = match event.data.u64() {
                PUBLISHER => {
                    self.serve_publisher()?;
                    self.now()
                }
                TIMER => self.now(),
                subscriber => self.read(subscriber as usize),
            };
            between(self, now)?;
            self.send_unsent()?;
        }
        self.events = events;
        self.send_heartbeats();
        Ok(())
    }

    fn wait(&self, events: &mut Vec<Event>) -> Result<(), BenchError> {
        let moment = Timespec { tv_sec: 0, tv_nsec: 50_000_000 };
        match epoll::wait(&self.epoll, rustix::buffer::spare_capacity(events), Some(&moment)) {
            Ok(_) | Err(rustix::io::Errno::INTR) => Ok(()),
            Err(error) => Err(BenchError::Io { doing: "wait for events".into(), error: error.into() }),
        }
    }

    /// Reads what a subscriber has received, and returns when that was.
    fn read(&mut self, index: usize) -> u64 {
        let Self { subscribers, buffer, deliveries, origin, epoll, .. } = self;
        let now = || origin.elapsed().as_nanos() as u64;
        let Some(subscriber) = subscribers.get_mut(index) else {
            return now();
        };
        let read = match subscriber.stream.read(&mut buffer[Scanner::HEADROOM..]) {
            Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => {
                return now();
            }
            Ok(0) | Err(_) => {
                subscriber.open = false;
                let _ = epoll::delete(&*epoll, &subscriber.stream);
                return now();
            }
            Ok(read) => read,
        };
        let now = now();
        deliveries.received_bytes(read);
        subscriber.scanner.scan(buffer, read, |due| deliveries.delivered(index, due, now));
        now
    }

    /// Takes what the server tells the publisher (acknowledgements) and goes on sending where the socket was full.
    fn serve_publisher(&mut self) -> Result<(), BenchError> {
        let Self { publisher, protocol, buffer, .. } = self;
        match publisher.stream.read(buffer) {
            Ok(0) => return Err(BenchError::Publisher { error: io::ErrorKind::UnexpectedEof.into() }),
            Ok(read) => {
                protocol.answer(&buffer[..read], &mut publisher.unsent).map_err(|what| BenchError::Refused { what })?;
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(BenchError::Publisher { error }),
        }
        self.send_unsent()
    }

    fn send_heartbeats(&mut self) {
        let Some((every, heartbeat)) = &self.heartbeat else {
            return;
        };
        if Instant::now() < self.next_heartbeat {
            return;
        }
        self.next_heartbeat = Instant::now() + *every;
        for subscriber in self.subscribers.iter_mut().filter(|subscriber| subscriber.open) {
            // A full socket needs no sign of life, and a broken one is noticed when it is read.
            let _ = subscriber.stream.write(heartbeat);
        }
        self.publisher.unsent.extend_from_slice(heartbeat);
    }

    fn wake_at(&self, due: u64) -> Result<(), BenchError> {
        // Zero would disarm the timer.
        let nanos = due.saturating_sub(self.now()).max(1);
        let wait = Timespec { tv_sec: (nanos / 1_000_000_000) as i64, tv_nsec: (nanos % 1_000_000_000) as i64 };
        let once = Itimerspec { it_interval: Timespec { tv_sec: 0, tv_nsec: 0 }, it_value: wait };
        rustix::time::timerfd_settime(&self.timer, TimerfdTimerFlags::empty(), &once)
            .map(drop)
            .map_err(|error| BenchError::Io { doing: "set a timer".into(), error: error.into() })
    }
}
