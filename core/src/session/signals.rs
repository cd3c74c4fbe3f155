//! What is done on a hint of the platform, and about silence: look closer, and hang up only on proof.

use alloc::string::String;
use alloc::vec::Vec;
use core::time::Duration;

use super::Session;
use super::event::{Event, Lost, Signal};
use super::link::{Ending, NORMAL_CLOSE, Phase};
use crate::error::ErrorCode;
use crate::time::Timestamp;

/// How long a gateway gets to show that it is there, when there is reason to doubt.
pub(super) const PROBE: Duration = Duration::from_secs(3);
/// A tick that comes so much too late came out of a sleep, or the clock has jumped.
pub(super) const LATE: Duration = Duration::from_secs(1);
/// At the most how often hints make a session dial.
const HINT_INTERVAL: Duration = Duration::from_secs(1);
/// An attempt that is so old when a hint comes is begun anew, even if it was begun on one.
const STALE: Duration = Duration::from_secs(3);

impl Session {
    pub(super) fn handle_signal(&mut self, signal: Signal, now: Timestamp) {
        match signal {
            Signal::Suspending => self.suspend(),
            Signal::Resumed if matches!(self.link.phase, Phase::Asleep) => self.dial(now),
            Signal::Resumed | Signal::NetworkUp => self.hurry(now),
            Signal::NetworkDown => self.probe(now),
        }
    }

    /// There may be a network again, or another one.
    fn hurry(&mut self, now: Timestamp) {
        let hinted_at = self.link.hinted_at;
        let next_hint = self.link.hinted_at.map_or(now, |hinted_at| hinted_at + HINT_INTERVAL);
        match &mut self.link.phase {
            Phase::Live { .. } => self.probe(now),
            Phase::Waiting { until, earliest } => {
                *until = next_hint.max(*earliest).min(*until);
                if *until <= now {
                    self.link.hinted_at = Some(now);
                    self.dial(now);
                }
            }
            // One that was begun on a hint gets its time, or hints in a row would let none come about.
            Phase::Opening { since, .. } if hinted_at != Some(*since) && *since < now && next_hint <= now => {
                self.dial_anew(now);
            }
            Phase::Opening { since, .. } | Phase::Greeting { since, .. }
                if now - *since >= STALE && next_hint <= now =>
            {
                self.dial_anew(now);
            }
            _ => {}
        }
    }

    /// Gives up the attempt at hand, which may be stuck in a network that is gone.
    fn dial_anew(&mut self, now: Timestamp) {
        self.link.hinted_at = Some(now);
        self.link.hang_up(NORMAL_CLOSE);
        self.disconnect();
        self.dial(now);
    }

    /// Asks the gateway for a sign of life, and gives it a short time.
    fn probe(&mut self, now: Timestamp) {
        if let Phase::Live { silent_at, is_probing, .. } = &mut self.link.phase {
            // Noticed only now, after a sleep: what it has sent meanwhile is yet to be read.
            let is_late = *silent_at <= now;
            if is_late || !*is_probing {
                *silent_at = if is_late { now + PROBE } else { (*silent_at).min(now + PROBE) };
                *is_probing = true;
                self.link.pings.ask();
            }
        }
    }

    /// The gateway was heard.
    pub(super) fn note_heard(&mut self, now: Timestamp) {
        let patience = self.heartbeat() * 2;
        if let Phase::Live { silent_at, is_probing, .. } = &mut self.link.phase {
            // What was on its way before proves nothing: until the pong comes it is judged closely.
            *silent_at = now + if *is_probing { patience.min(PROBE) } else { patience };
        }
    }

    pub(super) fn handle_pong(&mut self, token: u64, now: Timestamp) {
        if let Phase::Live { is_probing, .. } = &mut self.link.phase
            && self.link.pings.answer(token, now)
        {
            *is_probing = false;
            self.note_heard(now);
        }
    }

    /// Nothing was heard for too long, or the tick comes much too late.
    pub(super) fn handle_silence(&mut self, silent_at: Timestamp, is_probing: bool, now: Timestamp) {
        if now - silent_at > LATE && !is_probing {
            return self.probe(now);
        }
        let detail = if is_probing {
            "the gateway did not answer a ping"
        } else {
            "nothing was heard from the gateway for twice its heartbeat"
        };
        self.fail(ErrorCode::Silence, detail.into(), now);
    }

    /// Sends what is due, says goodbye, and goes to sleep.
    fn suspend(&mut self) {
        // Closing has a bound of its own.
        if matches!(self.link.phase, Phase::Idle | Phase::Asleep | Phase::Closed) || self.flush_until.is_some() {
            return;
        }
        let mut due = Vec::new();
        if let (Phase::Live { .. }, Some(welcome)) = (&self.link.phase, self.welcome) {
            self.write_due(&mut due, &welcome);
        }
        self.link.part_with(due, ErrorCode::Closed, NORMAL_CLOSE);
        self.link.abandon_handover();
        self.disconnect();
        self.link.phase = Phase::Asleep;
        self.push_event(Event::Suspended);
    }

    pub(super) fn handle_tick(&mut self, now: Timestamp) {
        self.link.tick_parting(now);
        if self.flush_until.is_some_and(|until| until <= now) {
            return self.finish(ErrorCode::Closed, String::new());
        }
        match self.link.phase {
            Phase::Asking { deadline } if deadline <= now => {
                self.fail_credentials("the provider of credentials did not answer in time".into(), now);
            }
            Phase::Waiting { until, .. } if until <= now => self.dial(now),
            Phase::Opening { deadline, .. } | Phase::Greeting { deadline, .. } if deadline <= now => {
                self.link.hang_up(NORMAL_CLOSE);
                let detail = "the gateway did not answer in time".into();
                self.handle_lost(Lost { code: ErrorCode::ConnectFailed, detail }, &Ending::default(), now);
            }
            Phase::Live { silent_at, is_probing, .. } if silent_at <= now => {
                self.handle_silence(silent_at, is_probing, now);
            }
            _ => {}
        }
        self.tick_pings(now);
        self.tick_handover(now);
    }
}
