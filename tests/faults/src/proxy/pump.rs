//! Passing bytes on, or not.

use std::collections::VecDeque;
use std::io;
use std::time::Duration;

use socket2::SockRef;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::net::tcp::{ReadHalf, WriteHalf};
use tokio::time::{Instant, sleep_until};

use super::Shared;
use super::link::{Direction, Ending, Flow, Link};
use super::rule::Fault;

/// Bytes that are kept of what does not pass: about what two sockets and a router hold.
const KEPT_BYTES: usize = 256 << 10;
/// Bytes that are read at once.
const READ_BYTES: usize = 16 << 10;

/// What is on its way in one direction.
enum Piece {
    Bytes(Vec<u8>),
    End(Ending),
}

/// Passes bytes between two sockets until both sides have ended or the connection is cut.
pub(super) async fn run(mut client: TcpStream, mut gateway: TcpStream, link: &Link, shared: &Shared) {
    for socket in [&client, &gateway] {
        let _set = socket.set_nodelay(true);
    }
    let ending = {
        let (from_client, to_client) = client.split();
        let (from_gateway, to_gateway) = gateway.split();
        let up = Pump::new(Direction::Up, from_client, to_gateway, link, shared);
        let down = Pump::new(Direction::Down, from_gateway, to_client, link, shared);
        let both = async { tokio::try_join!(up.run(), down.run()) };
        tokio::select! {
            ended = both => ended.map_or_else(|ending| ending, |_| Ending::Finish),
            ending = cut(link) => ending,
        }
    };
    if ending == Ending::Reset {
        reset(&client);
        reset(&gateway);
    }
}

/// Has a socket say RST when it is dropped.
pub(super) fn reset(socket: &TcpStream) {
    let _set = SockRef::from(socket).set_linger(Some(Duration::ZERO));
}

async fn cut(link: &Link) -> Ending {
    let mut wanted = link.watch();
    match wanted.wait_for(|wanted| wanted.ending.is_some()).await.map(|wanted| wanted.ending) {
        Ok(Some(ending)) => ending,
        _ => Ending::Reset,
    }
}

struct Pump<'a> {
    direction: Direction,
    from: ReadHalf<'a>,
    to: WriteHalf<'a>,
    link: &'a Link,
    shared: &'a Shared,
    kept: VecDeque<(Instant, Piece)>,
    kept_bytes: usize,
    passed: u64,
    /// When the next piece may pass, by a rate.
    free_at: Instant,
    source_ended: bool,
    /// The rest is thrown away: this direction has been half closed.
    is_half_closed: bool,
}

impl<'a> Pump<'a> {
    fn new(direction: Direction, from: ReadHalf<'a>, to: WriteHalf<'a>, link: &'a Link, shared: &'a Shared) -> Self {
        let now = Instant::now();
        Self {
            direction,
            from,
            to,
            link,
            shared,
            kept: VecDeque::new(),
            kept_bytes: 0,
            passed: 0,
            free_at: now,
            source_ended: false,
            is_half_closed: false,
        }
    }

    /// Runs until the end of this direction has passed; an error is how the whole connection ends.
    async fn run(mut self) -> Result<(), Ending> {
        let mut wanted = self.link.watch();
        let mut buffer = vec![0; READ_BYTES];
        loop {
            self.strike().await?;
            let flow = wanted.borrow_and_update().flow(self.direction);
            let due = self.due(flow);
            let idle_at = self.link.idle_at();
            tokio::select! {
                biased;
                changed = wanted.changed() => changed.map_err(|_| Ending::Reset)?,
                () = wait(due) => {
                    if self.pass(flow).await? {
                        return Ok(());
                    }
                }
                read = self.from.read(&mut buffer), if !self.source_ended && self.kept_bytes < KEPT_BYTES => {
                    self.take(&read, &buffer);
                }
                () = wait(idle_at) => {
                    if self.link.idle_at().is_some_and(|at| at <= Instant::now()) {
                        self.note_fault();
                        return Err(Ending::Reset);
                    }
                }
            }
        }
    }

    fn take(&mut self, read: &io::Result<usize>, buffer: &[u8]) {
        let now = Instant::now();
        self.link.touch(now);
        let piece = match *read {
            Ok(0) => Piece::End(Ending::Finish),
            Err(_) => Piece::End(Ending::Reset),
            Ok(count) => {
                self.kept_bytes += count;
                if self.direction == Direction::Up {
                    self.shared.note(self.link.index(), |connection| connection.sent_up += count as u64);
                }
                Piece::Bytes(buffer[..count].to_vec())
            }
        };
        if matches!(piece, Piece::End(_)) {
            self.source_ended = true;
            self.shared.note(self.link.index(), |connection| match self.direction {
                Direction::Up => connection.client_left = true,
                Direction::Down => connection.gateway_left = true,
            });
        }
        self.kept.push_back((now, piece));
    }

    /// When the next piece may pass; `None` if there is none, or it may not.
    fn due(&self, flow: Flow) -> Option<Instant> {
        let (read_at, _) = self.kept.front()?;
        match flow {
            Flow::Stalled => None,
            Flow::Delayed(delay) => Some(*read_at + delay),
            Flow::Throttled(_) => Some(self.free_at),
            Flow::Open | Flow::Dribbled => Some(Instant::now()),
        }
    }

    /// Passes the next piece on. `true` if it was the end.
    async fn pass(&mut self, flow: Flow) -> Result<bool, Ending> {
        let Some((read_at, piece)) = self.kept.pop_front() else { return Ok(false) };
        let mut bytes = match piece {
            Piece::End(Ending::Reset) => return Err(Ending::Reset),
            Piece::End(Ending::Finish) => {
                if !self.is_half_closed {
                    let _gone = self.to.shutdown().await;
                }
                return Ok(true);
            }
            Piece::Bytes(bytes) => bytes,
        };
        let room = self.link.order(|order| order.room(self.direction, self.passed));
        let most = match flow {
            Flow::Dribbled => 1,
            Flow::Throttled(rate) => (rate / 20).clamp(1, READ_BYTES as u64),
            _ => READ_BYTES as u64,
        };
        let count = bytes.len().min(room.min(most) as usize);
        let rest = bytes.split_off(count);
        if !rest.is_empty() {
            self.kept.push_front((read_at, Piece::Bytes(rest)));
        }
        self.kept_bytes -= count;
        if let Flow::Throttled(rate) = flow {
            self.free_at =
                self.free_at.max(Instant::now()) + Duration::from_secs_f64(count as f64 / rate.max(1) as f64);
        }
        if !self.is_half_closed {
            self.to.write_all(&bytes).await.map_err(|_| Ending::Reset)?;
        }
        self.passed += count as u64;
        self.shared.note(self.link.index(), |connection| match self.direction {
            Direction::Up => connection.up = self.passed,
            Direction::Down => connection.down = self.passed,
        });
        Ok(false)
    }

    /// Carries out what was ordered for here.
    async fn strike(&mut self) -> Result<(), Ending> {
        while let Some(fault) = self.link.order(|order| order.take(self.direction, self.passed)) {
            let both = |flow| [Direction::Up, Direction::Down].map(|direction| self.link.set_flow(direction, flow));
            match fault {
                Fault::Cut(ending) => {
                    self.note_fault();
                    return Err(ending);
                }
                Fault::Flow(direction, flow) => self.link.set_flow(direction, flow),
                Fault::Blackhole => drop(both(Flow::Stalled)),
                Fault::HoldUntilNext => {
                    self.link.order(|order| order.is_held = true);
                    both(Flow::Stalled);
                }
                Fault::Pause(time) => {
                    both(Flow::Stalled);
                    self.note_fault();
                    tokio::time::sleep(time).await;
                    both(Flow::Open);
                    continue;
                }
                Fault::HalfClose(direction) if direction == self.direction => {
                    self.is_half_closed = true;
                    let _gone = self.to.shutdown().await;
                }
                // The other direction's own pump has to do it.
                Fault::HalfClose(direction) => {
                    self.link.order(|order| order.add(direction, fault));
                    self.link.wake();
                    continue;
                }
            }
            self.note_fault();
        }
        Ok(())
    }

    fn note_fault(&self) {
        self.shared.note(self.link.index(), |connection| connection.faults += 1);
    }
}

async fn wait(until: Option<Instant>) {
    match until {
        // A timer would take a millisecond to find out.
        Some(until) if until <= Instant::now() => {}
        Some(until) => sleep_until(until).await,
        None => std::future::pending().await,
    }
}
