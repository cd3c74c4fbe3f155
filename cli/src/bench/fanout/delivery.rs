//! What was published, what arrived, and what is missing.

use super::histogram::Histogram;

/// The result of one round.
#[derive(Clone, Debug)]
pub(super) struct Tally {
    /// Updates published.
    pub(super) updates: u64,
    /// Updates that arrived at a subscriber: each counts once for each of them.
    pub(super) deliveries: u64,
    /// Updates that a subscriber was spared because a newer value of the topic reached it.
    pub(super) conflated: u64,
    /// Updates that neither arrived nor were superseded.
    pub(super) lost: u64,
    /// Updates that arrived again, or after a newer one.
    pub(super) repeated: u64,
    /// From the moment an update was due to the moment a subscriber had read it.
    pub(super) latency: Histogram,
    /// From the start to the end of publishing or the last delivery, whichever was later.
    pub(super) nanos: u64,
    /// Everything that subscribers received, framing included.
    pub(super) bytes: u64,
}

/// Keeps account of one round at a time. Update `i` of all goes to topic `i % topics`, and subscriber `j` has topic
/// `j % topics`.
#[derive(Debug)]
pub(super) struct Deliveries {
    topics: usize,
    conflates: bool,
    sessions: Vec<Session>,
    start: u64,
    /// The number of the first update of the round, counted from the first of all.
    first: u64,
    /// When each update of the round was due, ascending.
    due: Vec<u64>,
    /// How many subscribers each of them has yet to reach, or to be superseded at.
    outstanding: Vec<u32>,
    /// The first update that is outstanding anywhere.
    oldest: usize,
    closed: bool,
    repeated: u64,
    latency: Histogram,
    latest: u64,
    bytes: u64,
}

#[derive(Clone, Copy, Debug, Default)]
struct Session {
    /// When the newest update received was due.
    newest: u64,
    /// The first update of its topic in the round that has neither arrived nor been superseded.
    next: usize,
    received: u32,
}

impl Deliveries {
    pub(super) fn new(subscribers: usize, topics: usize, conflates: bool) -> Self {
        Self {
            topics,
            conflates,
            sessions: vec![Session::default(); subscribers],
            start: 0,
            first: 0,
            due: Vec::new(),
            outstanding: Vec::new(),
            oldest: 0,
            closed: true,
            repeated: 0,
            latency: Histogram::new(),
            latest: 0,
            bytes: 0,
        }
    }

    /// Starts a round at the time `start`, whose first update will be number `first` of all.
    pub(super) fn begin(&mut self, start: u64, first: u64) {
        self.start = start;
        self.first = first;
        self.due.clear();
        self.outstanding.clear();
        self.oldest = 0;
        self.closed = false;
        self.repeated = 0;
        self.latency = Histogram::new();
        self.latest = start;
        self.bytes = 0;
        let shift = (first % self.topics as u64) as usize;
        for (index, session) in self.sessions.iter_mut().enumerate() {
            session.next = (index % self.topics + self.topics - shift) % self.topics;
            session.received = 0;
        }
    }

    /// An update due at `due`, later than all before it, was published. After [`Deliveries::close`] it does not count
    /// itself, but supersedes those that do.
    pub(super) fn published(&mut self, due: u64) {
        if !self.closed {
            let topic = ((self.first + self.due.len() as u64) % self.topics as u64) as usize;
            self.due.push(due);
            self.outstanding.push(subscribers_of(topic, self.topics, self.sessions.len()) as u32);
            self.advance();
        }
    }

    /// The update due at `due` arrived at a subscriber at the time `now`.
    pub(super) fn delivered(&mut self, subscriber: usize, due: u64, now: u64) {
        let Some(session) = self.sessions.get_mut(subscriber) else {
            return;
        };
        if due <= session.newest {
            self.repeated += u64::from(due >= self.start);
            return;
        }
        session.newest = due;
        if due < self.start {
            return;
        }
        let mut counts = false;
        while let Some(next_due) = self.due.get(session.next).copied()
            && next_due <= due
        {
            counts = next_due == due;
            self.outstanding[session.next] -= 1;
            session.next += self.topics;
        }
        if counts {
            session.received += 1;
            self.latency.record(now.saturating_sub(due));
            self.latest = now;
        }
        self.advance();
    }

    pub(super) fn received_bytes(&mut self, bytes: usize) {
        self.bytes += bytes as u64;
    }

    /// Updates from the oldest that is outstanding to the newest.
    pub(super) fn in_flight(&self) -> usize {
        self.due.len() - self.oldest
    }

    /// When the last delivery was.
    pub(super) fn latest(&self) -> u64 {
        self.latest
    }

    /// Nothing that is published from now on counts.
    pub(super) fn close(&mut self) {
        self.closed = true;
    }

    /// Ends the round, which was to last until `end`.
    pub(super) fn finish(&mut self, end: u64) -> Tally {
        self.close();
        let (mut conflated, mut lost) = (0, 0);
        for (index, session) in self.sessions.iter().enumerate() {
            let first = {
                let shift = (self.first % self.topics as u64) as usize;
                (index % self.topics + self.topics - shift) % self.topics
            };
            let owed = (first..self.due.len()).step_by(self.topics).count() as u64;
            let outstanding = (session.next..self.due.len()).step_by(self.topics).count() as u64;
            let missing = owed - u64::from(session.received);
            lost += if self.conflates { outstanding } else { missing };
            conflated += if self.conflates { missing - outstanding } else { 0 };
        }
        Tally {
            updates: self.due.len() as u64,
            deliveries: self.latency.count(),
            conflated,
            lost,
            repeated: self.repeated,
            latency: self.latency.clone(),
            nanos: self.latest.max(end) - self.start,
            bytes: self.bytes,
        }
    }

    fn advance(&mut self) {
        while self.outstanding.get(self.oldest) == Some(&0) {
            self.oldest += 1;
        }
    }
}

/// How many of `subscribers` have the topic of this number.
pub(super) fn subscribers_of(topic: usize, topics: usize, subscribers: usize) -> usize {
    subscribers / topics + usize::from(topic < subscribers % topics)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two topics, three subscribers: 0 and 2 have topic 0, 1 has topic 1.
    fn round(conflates: bool) -> Deliveries {
        let mut deliveries = Deliveries::new(3, 2, conflates);
        deliveries.begin(100, 7);
        for due in [100, 110, 120, 130] {
            // Topics 1, 0, 1, 0.
            deliveries.published(due);
        }
        deliveries
    }

    #[test]
    fn all_that_arrives_is_counted_with_its_latency() {
        let mut deliveries = round(false);
        assert_eq!(deliveries.in_flight(), 4);
        for (subscriber, due, now) in [(1, 100, 105), (0, 110, 115), (2, 110, 116), (1, 120, 127)] {
            deliveries.delivered(subscriber, due, now);
        }
        assert_eq!(deliveries.in_flight(), 1);
        deliveries.delivered(0, 130, 138);
        deliveries.delivered(2, 130, 139);
        assert_eq!(deliveries.in_flight(), 0);
        let tally = deliveries.finish(140);
        assert_eq!((tally.updates, tally.deliveries, tally.lost, tally.conflated, tally.repeated), (4, 6, 0, 0, 0));
        assert_eq!((tally.latency.max(), tally.nanos), (9, 40));
    }

    #[test]
    fn what_a_newer_value_supersedes_is_conflated_and_the_rest_lost() {
        for (conflates, conflated, lost) in [(true, 1, 3), (false, 0, 4)] {
            let mut deliveries = round(conflates);
            deliveries.delivered(0, 130, 138);
            deliveries.delivered(2, 110, 115);
            let tally = deliveries.finish(140);
            assert_eq!((tally.deliveries, tally.conflated, tally.lost), (2, conflated, lost));
        }
    }

    #[test]
    fn a_closing_update_supersedes_but_does_not_count() {
        let mut deliveries = round(true);
        deliveries.close();
        deliveries.published(140);
        for subscriber in [0, 1, 2] {
            deliveries.delivered(subscriber, 140, 150);
        }
        assert_eq!(deliveries.in_flight(), 0);
        let tally = deliveries.finish(140);
        assert_eq!((tally.updates, tally.deliveries, tally.conflated, tally.lost), (4, 0, 6, 0));
    }

    #[test]
    fn what_comes_twice_or_late_is_told_apart() {
        let mut deliveries = round(false);
        deliveries.delivered(0, 110, 115);
        deliveries.delivered(0, 110, 116);
        deliveries.delivered(1, 120, 125);
        deliveries.delivered(1, 100, 126);
        // From before the round.
        deliveries.delivered(2, 90, 126);
        let tally = deliveries.finish(140);
        assert_eq!((tally.deliveries, tally.repeated, tally.lost), (2, 2, 4));
    }

    #[test]
    fn subscribers_are_spread_evenly() {
        assert_eq!([0, 1, 2].map(|topic| subscribers_of(topic, 3, 8)), [3, 3, 2]);
        assert_eq!(subscribers_of(5, 10, 3), 0);
    }
}
