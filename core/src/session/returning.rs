//! Going on where a lost connection left off.

use alloc::vec::Vec;

use super::Session;
use super::event::{Event, MissedEvents, ResumeOutcome};
use super::ordered::{Numbers, Table};
use super::replicas::KnownTopic;
use crate::position::{Partition, ResumePoint, SubscriptionId, TopicNumber};

/// How many gaps are listed one by one.
const MAX_MISSED: usize = 1000;

/// A session that is connected again, and not yet up to date.
#[derive(Debug, Default)]
pub(super) struct Returning {
    /// The subscriptions that are not up to date yet.
    pending: Numbers,
    missed: Vec<MissedEvents>,
    more: u64,
    is_afresh: bool,
}

impl Session {
    /// What the hello says of where the session is, having settled every topic's cursor accordingly. `None`
    /// if there is nothing to go on from, or too much to say. What was told under subscriptions that were cut
    /// short before they were complete stands among the exceptions, as far as there is room: it need not be
    /// told again.
    pub(super) fn settle_resume_point(&mut self) -> Option<ResumePoint> {
        let epoch = self.epoch?;
        let marks: Vec<_> =
            self.resume_marks.iter().map(|(partition, mark)| (Partition(*partition as u32), *mark)).collect();
        let mut point = ResumePoint { epoch, marks, exceptions: Vec::new() };
        let subscriptions = &self.subscriptions;
        // What was imported and not claimed yet may be, on this connection.
        let carried = |topic: &KnownTopic| {
            topic.subscriptions.is_empty() || topic.subscriptions.iter().any(|id| subscriptions.is_resumable(*id))
        };
        let mut exceptions = Table::<u64, _>::new();
        for (number, partition, held) in self.replicas.carry(&carried) {
            if held.is_none_or(|held| held > point.mark(partition)) {
                exceptions.insert(number.0.into(), held.unwrap_or_default());
            }
            if exceptions.len() > ResumePoint::MAX_ENTRIES {
                return None;
            }
        }
        let room = self.room_for_exceptions().saturating_sub(exceptions.len());
        for (number, held) in self.replicas.told(|topic| !carried(topic)).take(room) {
            exceptions.insert(number.0.into(), held);
        }
        if exceptions.is_empty() && !self.subscriptions.any_resumable() && self.stored.is_empty() {
            return None;
        }
        point.exceptions = exceptions.iter().map(|(number, held)| (TopicNumber(*number as u32), *held)).collect();
        (point.marks.len() <= ResumePoint::MAX_ENTRIES).then_some(point)
    }

    /// How many exceptions there may be without taking the hello past half of what a gateway takes.
    fn room_for_exceptions(&self) -> usize {
        /// The most that one may take: a topic's number and a version.
        const EXCEPTION_BYTES: u64 = 5 + 10;
        let bytes = self.welcome.map_or(0, |welcome| welcome.max_message / 2);
        usize::try_from(bytes / EXCEPTION_BYTES)
            .map_or(ResumePoint::MAX_ENTRIES, |room| room.min(ResumePoint::MAX_ENTRIES))
    }

    /// The gateway has welcomed a session that was connected before.
    pub(super) fn begin_return(&mut self, is_afresh: bool) {
        let mut pending = Numbers::new();
        for id in self.subscriptions.ids() {
            pending.insert(id.0.into(), 0);
        }
        // What was told in a return that was cut short is not told again, and belongs to what came of being away.
        let before = self.returning.take().or(self.cut_short.take()).unwrap_or_default();
        let is_afresh = is_afresh || before.is_afresh;
        self.returning = Some(Returning { pending, is_afresh, ..before });
        self.end_return_if_done();
    }

    /// A subscription is up to date, or has ended.
    pub(super) fn note_returned(&mut self, id: SubscriptionId) {
        if let Some(returning) = &mut self.returning {
            returning.pending.remove(&id.0.into());
            self.end_return_if_done();
        }
    }

    pub(super) fn note_missed(&mut self, missed: MissedEvents) {
        let Some(returning) = &mut self.returning else { return };
        if returning.missed.len() < MAX_MISSED {
            returning.missed.push(missed);
        } else {
            returning.more += 1;
        }
    }

    fn end_return_if_done(&mut self) {
        let Some(returning) = self.returning.take_if(|returning| returning.pending.is_empty()) else { return };
        let Returning { missed, more, is_afresh, .. } = returning;
        let outcome = match (is_afresh, missed.is_empty()) {
            (true, _) => ResumeOutcome::Afresh,
            (false, true) => ResumeOutcome::Complete,
            (false, false) => ResumeOutcome::Gaps { missed, more },
        };
        let now = self.link.now();
        let away = self.lost_at.take().map_or_else(Default::default, |lost_at| now - lost_at);
        self.push_event(Event::Resumed { away, outcome });
    }
}
