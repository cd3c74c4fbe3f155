//! What a client is told, decided when its transport can take it.

use core::mem;

use super::batch::Batch;
use super::outbox::{Dirty, Item, Owed};
use super::topic::{Topic, Way};
use super::{Peer, State};
use crate::position::{Partition, TopicNumber, Version};
use crate::time::Timestamp;
use crate::wire::GatewayFrame;

/// Where a peer finds the topics it is to tell of.
pub trait Topics {
    /// The topic with this number, if it still exists.
    fn topic(&self, number: TopicNumber) -> Option<&Topic>;
}

/// What has been told of one item.
enum Told {
    /// All of it, up to this version.
    Whole(Version),
    /// Nothing was due.
    Nothing,
    /// It did not fit: tell the rest from here.
    Part(Dirty, Version),
}

impl Peer {
    /// Writes the next message: what is due, oldest change first, until about `limit` bytes are
    /// written. `false` if nothing is due. To be called only while the transport can take bytes,
    /// so that whatever changes meanwhile is told in one go.
    #[must_use]
    pub fn poll_transmit(&mut self, topics: &impl Topics, batch: &mut Batch, limit: usize, now: Timestamp) -> bool {
        batch.clear();
        if !self.answers.is_empty() {
            let answers = mem::take(&mut self.answers);
            batch.write(|out| out.extend_from_slice(&answers));
        }
        match self.state {
            State::Closing { code } => self.state = State::Closed { code },
            State::Live => self.tell(topics, batch, limit, now),
            State::Opening { .. } | State::Greeted | State::Closed { .. } => {}
        }
        if !batch.is_empty() {
            self.sent = now;
        }
        !batch.is_empty()
    }

    /// Tells dirty topics until the batch is full or the outbox empty, then the mark if it is not
    /// simply the newest version told.
    fn tell(&mut self, topics: &impl Topics, batch: &mut Batch, limit: usize, now: Timestamp) {
        // The mark that the versions in the message imply, and the one reached in truth.
        let mut newest = Version::NONE;
        let mut reached = Version::NONE;
        while batch.len() < limit {
            let dirty = match self.outbox.pop() {
                None => break,
                Some(Item::Subscribed { id, topics, head }) => {
                    batch.write(|out| GatewayFrame::Subscribed { id, topics }.encode(out));
                    reached = reached.max(head);
                    continue;
                }
                Some(Item::Topic(dirty)) => dirty,
            };
            match tell_topic(dirty, topics.topic(dirty.topic), batch, limit) {
                Told::Nothing => {}
                Told::Whole(version) => {
                    newest = newest.max(version);
                    if !dirty.interval.is_zero() && !matches!(dirty.what, Owed::Removal(_)) {
                        self.outbox.rest(dirty.topic, now + dirty.interval);
                    }
                }
                Told::Part(rest, version) => {
                    newest = newest.max(version);
                    self.outbox.put_back(Item::Topic(rest));
                    break;
                }
            }
        }
        reached = reached.max(newest);
        let held_back = self.outbox.oldest().map(|oldest| Version(oldest.0.saturating_sub(1)));
        let mark = held_back.map_or(reached, |held_back| reached.min(held_back));
        if mark != newest && mark > self.mark || mark < newest {
            batch.write(|out| GatewayFrame::Mark { partition: Partition(0), version: mark }.encode(out));
        }
        self.mark = self.mark.max(mark);
    }
}

fn tell_topic(dirty: Dirty, topic: Option<&Topic>, batch: &mut Batch, limit: usize) -> Told {
    let number = dirty.topic;
    if let Owed::Removal(version) = dirty.what {
        batch.write(|out| GatewayFrame::Removed { topic: number, version }.encode(out));
        return Told::Whole(version);
    }
    let Some(topic) = topic else { return Told::Nothing };
    if dirty.what == Owed::Nothing {
        return Told::Nothing;
    }
    let announced = dirty.what == Owed::Announcement;
    if announced {
        batch.write(|out| topic.announce(dirty.base, out));
    }
    match topic.way_from(dirty.base) {
        Way::Current if announced => Told::Whole(Version::NONE),
        Way::Current => Told::Nothing,
        Way::Snapshot(frame) => {
            batch.share(frame);
            Told::Whole(topic.version())
        }
        Way::Chain(count) => tell_chain(dirty, topic, count, batch, limit),
        Way::Gap { version, sequence, left } => {
            batch.write(|out| GatewayFrame::Gap { topic: number, version, sequence }.encode(out));
            tell_chain(dirty, topic, left, batch, limit)
        }
    }
}

/// Tells the newest `count` updates of a topic, as many as fit; events may be split over batches.
fn tell_chain(dirty: Dirty, topic: &Topic, count: usize, batch: &mut Batch, limit: usize) -> Told {
    for (index, (version, frame)) in topic.chain(count).enumerate() {
        batch.share(frame);
        if batch.len() >= limit && index + 1 < count {
            let rest = Dirty { base: version, since: Version(version.0 + 1), what: Owed::Changes, ..dirty };
            return Told::Part(rest, version);
        }
    }
    Told::Whole(topic.version())
}
