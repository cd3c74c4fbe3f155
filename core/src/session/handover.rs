//! Make before break: a session that a gateway asks to go on elsewhere opens the other connection
//! while this one goes on.

use alloc::string::{String, ToString};
use core::time::Duration;

use super::Session;
use super::endpoints::{Endpoint, MAX_REDIRECTS};
use super::event::{Event, Request, TimerReason, TransportId};
use super::link::{LASTING, Link, NORMAL_CLOSE, Phase};
use crate::error::ErrorCode;
use crate::time::Timestamp;
use crate::wire::Move;

/// The longest time over which clients spread that are all asked to leave.
const LONGEST_SPREAD: Duration = Duration::from_secs(60);

/// A session on its way to another gateway.
#[derive(Debug)]
pub(super) struct Handover {
    /// Where the gateway said, if it was said and may be followed.
    redirect: Option<String>,
    step: Step,
    /// Where it tried last; at first where it is.
    last: Endpoint,
    /// How many other gateways have been tried.
    tries: usize,
    /// Until when this gateway serves the session.
    until: Timestamp,
}

#[derive(Debug)]
enum Step {
    /// The next one is to be tried.
    Due(Timestamp),
    /// The driver opens a transport.
    Opening { transport: TransportId, deadline: Timestamp },
}

impl Handover {
    pub(super) const fn poll_timeout(&self) -> (Timestamp, TimerReason) {
        match self.step {
            Step::Due(at) => (at, TimerReason::Move),
            Step::Opening { deadline, .. } => (deadline, TimerReason::Connect),
        }
    }
}

impl Link {
    /// The transport that is being opened beside the current one.
    pub(super) fn successor(&self) -> Option<TransportId> {
        match self.handover.as_ref()?.step {
            Step::Due(_) => None,
            Step::Opening { transport, .. } => Some(transport),
        }
    }

    pub(super) fn abandon_handover(&mut self) {
        if let Some(transport) = self.successor() {
            self.requests.push_back(Request::Close { transport, code: NORMAL_CLOSE });
        }
        self.handover = None;
    }

    /// The current transport is gone: the one being opened takes its place.
    pub(super) fn promote_successor(&mut self) {
        let since = self.now();
        if let Some(Handover { step: Step::Opening { transport, deadline }, last, .. }) = self.handover.take() {
            self.endpoint = last;
            self.phase = Phase::Opening { transport, since, deadline, has_early: false };
        }
    }
}

impl Session {
    pub(super) fn handle_move(&mut self, asked: &Move<'_>, now: Timestamp) {
        if matches!(self.link.phase, Phase::Live { since, .. } if now - since >= LASTING) {
            self.link.endpoints.reset();
        }
        if self.link.handover.is_some() || !self.link.endpoints.count_redirect() {
            return;
        }
        let within = Duration::from_millis(asked.within_ms);
        let redirect = self.link.endpoints.may_follow(&self.link.endpoint, asked.redirect);
        let redirect = redirect.then(|| asked.redirect.to_string());
        let wait = self.link.backoff.up_to((within / 2).min(LONGEST_SPREAD));
        let (step, last, until) = (Step::Due(now + wait), self.link.endpoint.clone(), now + within);
        self.link.handover = Some(Handover { redirect, step, last, tries: 0, until });
        self.push_event(Event::Moving { within });
    }

    pub(super) fn tick_handover(&mut self, now: Timestamp) {
        let Some(handover) = &mut self.link.handover else { return };
        match handover.step {
            Step::Due(at) if at <= now => self.open_successor(now),
            Step::Opening { transport, deadline, .. } if deadline <= now => {
                self.link.requests.push_back(Request::Close { transport, code: NORMAL_CLOSE });
                self.handle_successor_lost(now);
            }
            _ => {}
        }
    }

    fn open_successor(&mut self, now: Timestamp) {
        self.link.give_up_parting();
        let transport = self.link.next_transport();
        let Some(handover) = &mut self.link.handover else { return };
        let endpoint = match handover.redirect.take() {
            Some(redirect) => Endpoint::Redirect(redirect),
            None => self.link.endpoints.other_than(&self.link.endpoint, &handover.last, now),
        };
        handover.last = endpoint.clone();
        handover.tries += 1;
        let deadline = now + self.config.connect_timeout;
        handover.step = Step::Opening { transport, deadline };
        self.link.requests.push_back(Request::Open { transport, endpoint, early: None });
    }

    /// The other gateway can't be reached: on to the next one, while there is time.
    pub(super) fn handle_successor_lost(&mut self, now: Timestamp) {
        let wait = self.link.backoff.hop();
        let tries = self.config.endpoints.len().clamp(2, MAX_REDIRECTS as usize);
        let Some(handover) = &mut self.link.handover else { return };
        if handover.tries < tries && now + wait < handover.until {
            handover.step = Step::Due(now + wait);
        } else {
            // The session stays until the gateway ends the connection.
            self.link.handover = None;
        }
    }

    /// The other transport is open: the session leaves the old one for it.
    pub(super) fn take_over(&mut self, now: Timestamp) {
        let Some(Handover { step: Step::Opening { transport, .. }, last, .. }) = self.link.handover.take() else {
            return;
        };
        self.link.part(ErrorCode::Closed, NORMAL_CLOSE);
        self.disconnect();
        self.link.endpoint = last;
        self.link.is_moving = true;
        let deadline = now + self.config.connect_timeout;
        self.link.phase = Phase::Greeting { transport, since: now, deadline, is_hello_due: true };
    }
}
