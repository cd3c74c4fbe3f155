//! Pings of the session: how long the gateway takes to answer, and whether what the session says gets there at all.

use alloc::vec::Vec;
use core::time::Duration;

use super::Session;
use super::link::Phase;
use super::signals::{LATE, PROBE};
use crate::error::ErrorCode;
use crate::time::Timestamp;
use crate::wire::ClientFrame;

/// A gateway that sends less than this while a ping goes unanswered is not too busy to answer it.
const QUIET_BYTES: u64 = 1 << 10;

#[derive(Debug, Default)]
pub(super) struct Pings {
    /// One that is to be sent.
    due: bool,
    /// When one is to be sent, because something has been said since the last one.
    wanted_at: Option<Timestamp>,
    /// How many have been sent, which is the token of the last.
    count: u64,
    sent_at: Option<Timestamp>,
    unanswered: Option<Unanswered>,
    round_trip: Option<Duration>,
}

#[derive(Debug)]
struct Unanswered {
    until: Timestamp,
    /// How many bytes had come by then.
    bytes_in: u64,
}

impl Pings {
    pub(super) const fn ask(&mut self) {
        self.due = true;
    }

    /// The connection is gone.
    pub(super) const fn disconnect(&mut self) {
        self.due = false;
        self.wanted_at = None;
        self.sent_at = None;
        self.unanswered = None;
    }

    pub(super) fn poll_timeout(&self) -> Option<Timestamp> {
        self.wanted_at.into_iter().chain(self.unanswered.as_ref().map(|unanswered| unanswered.until)).min()
    }

    /// Takes the answer to the last ping. `false` if it is one to an earlier one.
    pub(super) fn answer(&mut self, token: u64, now: Timestamp) -> bool {
        if token != self.count || self.unanswered.take().is_none() {
            return false;
        }
        self.round_trip = self.sent_at.map(|sent_at| now - sent_at);
        true
    }
}

impl Session {
    /// Asks the gateway for a sign of life; [`round_trip`](Self::round_trip) says then how long it took. A
    /// gateway that does not answer within two heartbeats is given up. Nothing without a connection.
    pub fn ping(&mut self) {
        if self.is_live() {
            self.link.pings.ask();
        }
    }

    /// How long the gateway took to answer the last ping that it answered; `None` before the first. The session
    /// sends one along with what it says, at the most once in a heartbeat.
    #[must_use]
    pub const fn round_trip(&self) -> Option<Duration> {
        self.link.pings.round_trip
    }

    /// Writes the ping that is due. A session that says something wants to know that it gets there: gateways that
    /// are heard all the time need not hear anything.
    pub(super) fn write_ping(&mut self, says_more: bool, message: &mut Vec<u8>) {
        let (now, heartbeat, bytes_in) = (self.link.now(), self.heartbeat(), self.statistics.bytes_in);
        let pings = &mut self.link.pings;
        if says_more && !pings.due && pings.unanswered.is_none() {
            match pings.sent_at.map(|sent_at| sent_at + heartbeat).filter(|rested_at| *rested_at > now) {
                Some(rested_at) => pings.wanted_at = Some(rested_at),
                None => pings.due = true,
            }
        }
        if core::mem::take(&mut pings.due) {
            pings.count += 1;
            pings.wanted_at = None;
            pings.sent_at = Some(now);
            pings.unanswered = Some(Unanswered { until: now + heartbeat * 2, bytes_in });
            ClientFrame::Ping { token: pings.count }.encode(message);
        }
    }

    pub(super) fn tick_pings(&mut self, now: Timestamp) {
        let (patience, bytes_in) = (self.heartbeat() * 2, self.statistics.bytes_in);
        let pings = &mut self.link.pings;
        if !matches!(self.link.phase, Phase::Live { .. }) {
            return;
        }
        if pings.wanted_at.is_some_and(|wanted_at| wanted_at <= now) {
            pings.wanted_at = None;
            pings.due = true;
        }
        let Some(unanswered) = pings.unanswered.as_mut().filter(|unanswered| unanswered.until <= now) else { return };
        if now - unanswered.until > LATE {
            // After a sleep, the answer is yet to be read.
            unanswered.until = now + PROBE;
        } else if bytes_in - unanswered.bytes_in >= QUIET_BYTES {
            // The answer may stand behind all that comes.
            *unanswered = Unanswered { until: now + patience, bytes_in };
        } else {
            self.fail(ErrorCode::Silence, "the gateway did not answer a ping".into(), now);
        }
    }
}
