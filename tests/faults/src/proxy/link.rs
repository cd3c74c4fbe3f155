//! One connection's orders: how bytes flow in each direction, and whether it is to end.

use std::sync::Mutex;
use std::sync::PoisonError;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;

use super::rule::Order;

/// A direction through the proxy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// From the client to the gateway.
    Up,
    /// From the gateway to the client.
    Down,
}

/// How bytes, and the end of them, pass in one direction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flow {
    /// As they come.
    Open,
    /// Not at all. They are kept as a network's buffers keep them, and pass when this changes.
    Stalled,
    /// Each so much later.
    Delayed(Duration),
    /// At the most so many bytes a second.
    Throttled(u64),
    /// One by one, each in a packet of its own.
    Dribbled,
}

/// How a connection ends when it is cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// With a RST to both sides.
    Reset,
    /// With a FIN to both sides, and no WebSocket close.
    Finish,
}

/// What the outside wants of a connection.
#[derive(Clone, Copy, Debug)]
pub(super) struct Wanted {
    pub(super) up: Flow,
    pub(super) down: Flow,
    pub(super) ending: Option<Ending>,
}

impl Wanted {
    pub(super) const fn flow(&self, direction: Direction) -> Flow {
        match direction {
            Direction::Up => self.up,
            Direction::Down => self.down,
        }
    }

    const fn flow_mut(&mut self, direction: Direction) -> &mut Flow {
        match direction {
            Direction::Up => &mut self.up,
            Direction::Down => &mut self.down,
        }
    }
}

#[derive(Debug)]
pub(crate) struct Link {
    index: usize,
    wanted: watch::Sender<Wanted>,
    order: Mutex<Order>,
    /// How long both sides may say nothing before a middlebox forgets the connection.
    idle: Option<Duration>,
    /// When either side was last heard.
    heard: Mutex<Instant>,
}

impl Link {
    pub(super) fn new(index: usize, order: Order) -> Self {
        let wanted = Wanted { up: order.up, down: order.down, ending: None };
        Self {
            index,
            wanted: watch::Sender::new(wanted),
            idle: order.idle,
            order: Mutex::new(order),
            heard: Mutex::new(Instant::now()),
        }
    }

    pub(super) const fn index(&self) -> usize {
        self.index
    }

    /// When the connection is forgotten unless something passes before.
    pub(super) fn idle_at(&self) -> Option<Instant> {
        let idle = self.idle?;
        Some(*self.heard.lock().unwrap_or_else(PoisonError::into_inner) + idle)
    }

    /// Something was heard.
    pub(super) fn touch(&self, now: Instant) {
        *self.heard.lock().unwrap_or_else(PoisonError::into_inner) = now;
    }

    pub(super) fn watch(&self) -> watch::Receiver<Wanted> {
        self.wanted.subscribe()
    }

    pub(super) fn order<T>(&self, look: impl FnOnce(&mut Order) -> T) -> T {
        look(&mut self.order.lock().unwrap_or_else(PoisonError::into_inner))
    }

    pub(super) fn set_flow(&self, direction: Direction, flow: Flow) {
        self.wanted.send_modify(|wanted| *wanted.flow_mut(direction) = flow);
    }

    /// Has both directions look at their orders.
    pub(super) fn wake(&self) {
        self.wanted.send_modify(|_| {});
    }

    pub(super) fn cut(&self, ending: Ending) {
        self.wanted.send_modify(|wanted| wanted.ending = Some(ending));
    }

    /// There is a newer connection: what waited for that goes on.
    pub(super) fn note_newer(&self) {
        if self.order(|order| std::mem::take(&mut order.is_held)) {
            self.wanted.send_modify(|wanted| (wanted.up, wanted.down) = (Flow::Open, Flow::Open));
        }
    }
}
