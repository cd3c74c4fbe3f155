//! What a client is told, decided when its transport can take it.

use super::batch::Batch;
use super::outbox::{Dirty, Item, Owed};
use super::topic::{Topic, Way};
use super::{Peer, State};
use crate::path::MAX_PATH_BYTES;
use crate::position::{Partition, TopicNumber, Version};
use crate::time::Timestamp;
use crate::wire::GatewayFrame;

/// Room kept at the end of each message for a mark.
const MARK_ROOM: usize = 32;
/// The most bytes that an announcement or a gap takes beside the path.
const HEAD_ROOM: usize = 64;

/// Where a peer finds the topics it is to tell of.
pub trait Topics {
    /// The topic with this number, if it still exists.
    fn topic(&self, number: TopicNumber) -> Option<&Topic>;
}

/// What has been told of one topic.
struct Told {
    /// The newest version told, if any.
    version: Version,
    /// What did not fit and is still owed.
    rest: Option<Dirty>,
}

/// How far a message may grow.
#[derive(Clone, Copy)]
struct Bounds {
    /// Past this, what is left waits for the next message.
    soft: usize,
    /// The client takes no larger ones. A frame that stands alone always fits.
    hard: usize,
}

impl Bounds {
    fn admits(self, batch: &Batch, more: usize) -> bool {
        batch.is_empty() || (batch.len() < self.soft && batch.len() + more <= self.hard)
    }
}

impl Told {
    const NOTHING: Self = Self { version: Version::NONE, rest: None };
}

impl Peer {
    /// Writes the next message: answers, then what is due, oldest change first, until about `limit`
    /// bytes are written, and never more than the client takes. `false` if nothing is due. To be
    /// called only while the transport can take bytes, so that whatever changes meanwhile is told
    /// in one go.
    #[must_use]
    pub fn poll_transmit(&mut self, topics: &impl Topics, batch: &mut Batch, limit: usize, now: Timestamp) -> bool {
        batch.clear();
        let bounds = Bounds { soft: limit, hard: self.message_limit.saturating_sub(MARK_ROOM) };
        match self.state {
            // Nothing comes before the welcome.
            State::Opening { .. } | State::Greeted | State::Closed { .. } => {}
            State::Live => {
                self.answers.take(bounds.soft.min(bounds.hard), batch);
                self.tell(topics, batch, bounds, now);
            }
            State::Closing { code } => {
                self.answers.take(bounds.soft.min(bounds.hard), batch);
                if self.answers.is_empty() {
                    self.state = State::Closed { code };
                }
            }
        }
        if !batch.is_empty() {
            self.sent = now;
        }
        !batch.is_empty()
    }

    /// Tells dirty topics until the batch is full or the outbox empty, then the mark if it is not
    /// simply the newest version told.
    fn tell(&mut self, topics: &impl Topics, batch: &mut Batch, bounds: Bounds, now: Timestamp) {
        let mut newest = Version::NONE;
        while batch.len() < bounds.soft {
            let dirty = match self.outbox.pop() {
                None => break,
                Some(Item::Subscribed { id, topics, head }) => {
                    if !bounds.admits(batch, HEAD_ROOM) {
                        self.outbox.put_back(Item::Subscribed { id, topics, head });
                        break;
                    }
                    self.told = self.told.max(head);
                    batch.write(|out| GatewayFrame::Subscribed { id, topics }.encode(out));
                    continue;
                }
                Some(Item::Withdrawn) => continue,
                Some(Item::Topic(dirty)) => dirty,
            };
            let told = tell_topic(dirty, topics.topic(dirty.topic), batch, bounds);
            newest = newest.max(told.version);
            if let Some(rest) = told.rest {
                self.outbox.put_back(Item::Topic(rest));
                break;
            }
            let of_topic = told.version != Version::NONE && matches!(dirty.what, Owed::Changes | Owed::Announcement);
            if of_topic && !dirty.interval.is_zero() {
                self.outbox.rest(dirty.topic, now + dirty.interval);
            }
        }
        if batch.is_empty() {
            return;
        }
        self.told = self.told.max(newest);
        let reached = match self.outbox.oldest() {
            Some(oldest) => self.told.min(Version(oldest.0.saturating_sub(1))),
            None => self.told,
        };
        let inferred = self.mark.max(newest);
        self.mark = self.mark.max(reached);
        if self.mark != inferred {
            let mark = self.mark;
            batch.write(|out| GatewayFrame::Mark { partition: Partition(0), version: mark }.encode(out));
        }
    }
}

fn tell_topic(dirty: Dirty, topic: Option<&Topic>, batch: &mut Batch, bounds: Bounds) -> Told {
    let number = dirty.topic;
    let unfit = Told { version: Version::NONE, rest: Some(dirty) };
    if let Owed::Removal(version) = dirty.what {
        if !bounds.admits(batch, HEAD_ROOM) {
            return unfit;
        }
        batch.write(|out| GatewayFrame::Removed { topic: number, version }.encode(out));
        return Told { version, rest: None };
    }
    let Some(topic) = topic.filter(|_| dirty.what != Owed::Nothing) else { return Told::NOTHING };
    let announced = dirty.what == Owed::Announcement;
    let dirty = if announced { Dirty { base: topic.aligned(dirty.base), ..dirty } } else { dirty };
    let way = topic.way_from(dirty.base);
    let head = if announced { HEAD_ROOM + MAX_PATH_BYTES.min(topic.path().as_str().len()) } else { 0 };
    if !bounds.admits(batch, head + topic.first_step(&way)) {
        return unfit;
    }
    if announced {
        batch.write(|out| topic.announce(dirty.base, out));
    }
    match way {
        Way::Current => Told::NOTHING,
        Way::Snapshot(frame) => {
            batch.share(frame);
            Told { version: topic.version(), rest: None }
        }
        Way::Merged(frame) => {
            batch.share(&frame);
            Told { version: topic.version(), rest: None }
        }
        Way::Chain(count) => tell_chain(dirty, topic, count, batch, bounds),
        Way::Gap { version, sequence, left } => {
            batch.write(|out| GatewayFrame::Gap { topic: number, version, sequence }.encode(out));
            let told = tell_chain(Dirty { base: version, ..dirty }, topic, left, batch, bounds);
            Told { version: told.version.max(version), ..told }
        }
    }
}

/// Tells the newest `count` updates of a topic, as many as fit; the first always does.
fn tell_chain(dirty: Dirty, topic: &Topic, count: usize, batch: &mut Batch, bounds: Bounds) -> Told {
    let mut told = Version::NONE;
    for (index, (version, frame)) in topic.chain(count).enumerate() {
        if index > 0 && !bounds.admits(batch, frame.len()) {
            let since = dirty.since.map(|since| since.max(Version(told.0 + 1)));
            let rest = Dirty { base: told, since, what: Owed::Changes, ..dirty };
            return Told { version: told, rest: Some(rest) };
        }
        batch.share(frame);
        told = version;
    }
    Told { version: told, rest: None }
}
