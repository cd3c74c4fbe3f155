//! What is to befall which connection, and when.

use std::time::Duration;

use super::link::{Direction, Ending, Flow};
use crate::Random;

/// Which connections a rule is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Which {
    /// Every one.
    Every,
    /// That with this number, counted from 0.
    Nth(usize),
    /// The first so many.
    First(usize),
}

/// What befalls a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// It ends.
    Cut(Ending),
    /// From now on bytes flow so in one direction.
    Flow(Direction, Flow),
    /// Nothing passes either way any more, and neither side is told.
    Blackhole,
    /// Nothing passes either way until a newer connection is made; then everything that was kept does.
    HoldUntilNext,
    /// Nothing passes either way for so long.
    Pause(Duration),
    /// One direction ends with a FIN, the other goes on.
    HalfClose(Direction),
}

/// A fault that strikes after a number of bytes have passed in one direction: exactly so many.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rule {
    /// Which connections.
    pub which: Which,
    /// The direction whose bytes are counted.
    pub direction: Direction,
    /// After how many of them.
    pub after: u64,
    /// What happens then.
    pub fault: Fault,
}

impl Rule {
    /// A fault for the nth connection.
    #[must_use]
    pub const fn nth(connection: usize, direction: Direction, after: u64, fault: Fault) -> Self {
        Self { which: Which::Nth(connection), direction, after, fault }
    }

    /// A fault for every connection.
    #[must_use]
    pub const fn every(direction: Direction, after: u64, fault: Fault) -> Self {
        Self { which: Which::Every, direction, after, fault }
    }
}

/// Where the orders of new connections come from.
#[derive(Debug)]
pub(super) struct Script {
    rules: Vec<Rule>,
    seed: Option<u64>,
    up: Flow,
    down: Flow,
    pub(super) idle: Option<Duration>,
}

/// What is still to befall one connection.
#[derive(Debug)]
pub(super) struct Order {
    faults: Vec<(Direction, u64, Fault)>,
    pub(super) up: Flow,
    pub(super) down: Flow,
    pub(super) idle: Option<Duration>,
    /// Everything is held until there is a newer connection.
    pub(super) is_held: bool,
}

impl Default for Script {
    fn default() -> Self {
        Self { rules: Vec::new(), seed: None, up: Flow::Open, down: Flow::Open, idle: None }
    }
}

impl Script {
    pub(super) fn rules(rules: impl IntoIterator<Item = Rule>) -> Self {
        Self { rules: rules.into_iter().collect(), ..Self::default() }
    }

    pub(super) fn random(seed: u64) -> Self {
        Self { seed: Some(seed), ..Self::default() }
    }

    pub(super) const fn set_flow(&mut self, direction: Direction, flow: Flow) {
        match direction {
            Direction::Up => self.up = flow,
            Direction::Down => self.down = flow,
        }
    }

    pub(super) fn orders(&self, connection: usize) -> Order {
        let is_meant = |rule: &&Rule| match rule.which {
            Which::Every => true,
            Which::Nth(number) => number == connection,
            Which::First(count) => connection < count,
        };
        let laid_down = self.rules.iter().filter(is_meant).map(|rule| (rule.direction, rule.after, rule.fault));
        let drawn = self.seed.into_iter().flat_map(|seed| draw(&mut Random::fork(seed, connection as u64)));
        let mut faults: Vec<_> = laid_down.chain(drawn).collect();
        faults.sort_by_key(|(_, after, _)| *after);
        Order { faults, up: self.up, down: self.down, idle: self.idle, is_held: false }
    }
}

impl Order {
    /// How many bytes may pass before the next fault of a direction.
    pub(super) fn room(&self, direction: Direction, passed: u64) -> u64 {
        let next = self.faults.iter().find(|(of, ..)| *of == direction);
        next.map_or(u64::MAX, |(_, after, _)| after.saturating_sub(passed))
    }

    /// One more fault, to strike as soon as a direction passes something.
    pub(super) fn add(&mut self, direction: Direction, fault: Fault) {
        self.faults.insert(0, (direction, 0, fault));
    }

    /// The next fault that is due.
    pub(super) fn take(&mut self, direction: Direction, passed: u64) -> Option<Fault> {
        let due = self.faults.iter().position(|(of, after, _)| *of == direction && *after <= passed)?;
        Some(self.faults.remove(due).2)
    }
}

/// One to three faults within the first kilobytes of a connection; one in six is spared.
fn draw(random: &mut Random) -> Vec<(Direction, u64, Fault)> {
    let count = if random.below(6) == 0 { 0 } else { 1 + random.below(3) };
    (0..count)
        .map(|_| {
            let mut direction = || if random.below(2) == 0 { Direction::Up } else { Direction::Down };
            let (counted, other) = (direction(), direction());
            // A quarter of them while the connection is being made.
            let after = if random.below(4) == 0 { random.below(400) } else { random.below(30_000) };
            let fault = match random.below(12) {
                0..=2 => Fault::Cut(Ending::Reset),
                3 | 4 => Fault::Cut(Ending::Finish),
                5 => Fault::HalfClose(other),
                6 => Fault::Blackhole,
                7 => Fault::HoldUntilNext,
                8 => Fault::Pause(random.up_to(Duration::from_millis(800))),
                9 => Fault::Flow(other, Flow::Delayed(random.up_to(Duration::from_millis(150)))),
                10 => Fault::Flow(other, Flow::Throttled(2_000 + random.below(100_000))),
                _ => Fault::Flow(other, Flow::Dribbled),
            };
            (counted, after, fault)
        })
        .collect()
}
