//! Moving sessions elsewhere before the gateway ends: one after the other, so that nobody is stormed.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use outpour_core::Timestamp;

/// What became of a gateway's sessions when its [drain](super::Gateway::drain) was over.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Drained {
    /// Connections that there were when it began.
    pub connections: usize,
    /// Those of them that had not left when the time was over, and were ended.
    pub cut: usize,
}

/// A drain that is under way.
#[derive(Debug)]
pub(super) struct Drain {
    start: Timestamp,
    /// When whoever is still there is told goodbye.
    pub(super) deadline: Timestamp,
    redirects: Vec<String>,
    redirected: AtomicUsize,
}

/// The parts of a drain: in the first half all are asked to move, so that the last has the other half for it; what
/// remains at the end is for goodbyes, and at most so long.
const MOST_FOR_GOODBYES: Duration = Duration::from_secs(2);
/// How long a session that has only begun waits to be asked.
const POSTPONED: Duration = Duration::from_millis(100);

impl Drain {
    pub(super) fn new(within: Duration, redirects: &[String], now: Timestamp) -> Self {
        let deadline = now + (within - Self::time_for_goodbyes(within));
        Self { start: now, deadline, redirects: redirects.to_vec(), redirected: AtomicUsize::new(0) }
    }

    pub(super) fn time_for_goodbyes(within: Duration) -> Duration {
        (within / 4).min(MOST_FOR_GOODBYES)
    }

    /// Where the next session is sent; empty if its client has to know by itself.
    pub(super) fn next_redirect(&self) -> &str {
        let turn = self.redirected.fetch_add(1, Ordering::Relaxed);
        turn.checked_rem(self.redirects.len()).and_then(|index| self.redirects.get(index)).map_or("", String::as_str)
    }

    /// How long to ask all sessions to move takes.
    fn spread(&self) -> Duration {
        (self.deadline - self.start) / 2
    }
}

/// The sessions of a worker that have not been asked to move.
#[derive(Debug)]
pub(super) struct Moves {
    waiting: VecDeque<u32>,
    interval: Duration,
    next: Timestamp,
}

impl Moves {
    pub(super) fn new(sessions: impl Iterator<Item = u32>, drain: &Drain, now: Timestamp) -> Self {
        let waiting: VecDeque<u32> = sessions.collect();
        let interval = drain.spread() / u32::try_from(waiting.len()).unwrap_or(u32::MAX).max(1);
        Self { waiting, interval, next: now }
    }

    /// When the next is to be asked.
    pub(super) fn next_at(&self) -> Option<Timestamp> {
        (!self.waiting.is_empty()).then_some(self.next)
    }

    /// The next session, if it is its turn.
    pub(super) fn pop(&mut self, now: Timestamp) -> Option<u32> {
        if self.next > now {
            return None;
        }
        let session = self.waiting.pop_front()?;
        self.next = self.next + self.interval;
        Some(session)
    }

    /// Takes back a session that can't be asked yet.
    pub(super) fn postpone(&mut self, session: u32, now: Timestamp) {
        if self.waiting.is_empty() {
            self.next = now + POSTPONED;
        }
        self.waiting.push_back(session);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn at(millis: u64) -> Timestamp {
        Timestamp::from_micros(millis * 1_000)
    }

    #[test]
    fn all_are_asked_evenly_in_the_first_half() {
        let drain = Drain::new(Duration::from_secs(8), &[], at(1_000));
        assert_eq!(drain.deadline, at(7_000));
        let mut moves = Moves::new(0..300, &drain, at(1_000));
        let mut asked = 0;
        for now in (1_000..=4_000).step_by(100) {
            while let Some(session) = moves.pop(at(now)) {
                assert_eq!(session, asked);
                asked += 1;
            }
            assert_eq!(u64::from(asked), ((now - 1_000) / 10 + 1).min(300), "at {now}");
        }
        assert_eq!(moves.next_at(), None);
    }

    #[test]
    fn redirects_take_turns() {
        let redirects = ["ws://a".to_owned(), "ws://b".to_owned()];
        let drain = Drain::new(Duration::from_secs(1), &redirects, at(0));
        let taken: Vec<&str> = (0..3).map(|_| drain.next_redirect()).collect();
        assert_eq!(taken, ["ws://a", "ws://b", "ws://a"]);
        assert_eq!(Drain::new(Duration::ZERO, &[], at(0)).next_redirect(), "");
    }

    #[test]
    fn who_is_not_ready_is_asked_again_a_little_later() {
        let drain = Drain::new(Duration::ZERO, &[], at(0));
        let mut moves = Moves::new([7].into_iter(), &drain, at(0));
        assert_eq!(moves.pop(at(0)), Some(7));
        moves.postpone(7, at(0));
        assert_eq!((moves.pop(at(99)), moves.next_at()), (None, Some(at(100))));
        assert_eq!(moves.pop(at(100)), Some(7));
        // Nobody at all.
        assert_eq!(Moves::new(std::iter::empty(), &drain, at(0)).pop(at(5)), None);
    }
}
