//! The connection: opening, losing and replacing it.

use alloc::collections::VecDeque;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::time::Duration;

use super::Session;
use super::backoff::{Backoff, LONGEST_ASKED};
use super::config::SessionConfig;
use super::endpoints::{Endpoint, Endpoints};
use super::event::{Event, Input, Lost, Request, TimerReason, TransportId};
use super::handover::Handover;
use super::pings::Pings;
use crate::error::{ErrorCode, Fault};
use crate::time::Timestamp;
use crate::wire::{ClientFrame, Goodbye};

/// A connection that was live for so long has lasted: the back-off begins anew.
pub(super) const LASTING: Duration = Duration::from_secs(5);
/// How long a transport that is to be closed gets to take a last message.
const PARTING: Duration = Duration::from_secs(2);
/// The WebSocket close code of an orderly end.
pub(super) const NORMAL_CLOSE: u16 = 1000;

#[derive(Debug)]
pub(super) enum Phase {
    /// Not asked to connect yet.
    Idle,
    /// The application has yet to provide credentials.
    Asking { deadline: Timestamp },
    /// Until the next attempt, which no hint may bring on before `earliest`.
    Waiting { until: Timestamp, earliest: Timestamp },
    /// The driver opens a transport.
    Opening { transport: TransportId, since: Timestamp, deadline: Timestamp, has_early: bool },
    /// The transport is open, and the gateway has yet to welcome the session.
    Greeting { transport: TransportId, since: Timestamp, deadline: Timestamp, is_hello_due: bool },
    /// Welcomed.
    Live { transport: TransportId, since: Timestamp, silent_at: Timestamp, is_probing: bool },
    /// The application is suspended.
    Asleep,
    /// Over for good.
    Closed,
}

/// What the end of a connection says of the next one.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Ending<'a> {
    /// The session was live and nobody meant it to end.
    prompt: bool,
    /// For how long the gateway asked to be left alone.
    asked: Duration,
    /// Where the gateway said to go; empty for nowhere.
    redirect: &'a str,
}

/// A last message for a transport, and how to close it then.
#[derive(Debug)]
struct Parting {
    message: Vec<u8>,
    transport: TransportId,
    code: u16,
    /// Until when the transport may take the message.
    until: Timestamp,
}

#[derive(Debug)]
pub(super) struct Link {
    pub(super) phase: Phase,
    pub(super) requests: VecDeque<Request>,
    parting: Option<Parting>,
    pub(super) backoff: Backoff,
    pub(super) endpoints: Endpoints,
    /// Where the current transport leads.
    pub(super) endpoint: Endpoint,
    pub(super) handover: Option<Handover>,
    /// Whether the current transport was opened before the last one was left.
    pub(super) is_moving: bool,
    /// Attempts since the last connection.
    attempts: u32,
    last_transport: u64,
    pub(super) pings: Pings,
    /// When a hint last made the session dial.
    pub(super) hinted_at: Option<Timestamp>,
    /// Time never runs backwards here, whatever the driver says.
    now: Timestamp,
    /// By how much time here is ahead of a driver's clock that was set back.
    ahead: Duration,
}

impl Link {
    pub(super) fn new(config: &SessionConfig, seed: u64, now: Timestamp) -> Self {
        Self {
            phase: Phase::Idle,
            requests: VecDeque::new(),
            parting: None,
            backoff: Backoff::new(config.backoff_base, config.backoff_cap, seed),
            endpoints: Endpoints::new(config),
            endpoint: Endpoint::Listed(0),
            handover: None,
            is_moving: false,
            attempts: 0,
            last_transport: 0,
            pings: Pings::default(),
            hinted_at: None,
            now,
            ahead: Duration::ZERO,
        }
    }

    /// The time, after the driver has told it.
    pub(super) fn advance(&mut self, told: Timestamp) -> Timestamp {
        let now = told + self.ahead;
        // A clock that was set back goes on from where it was, or deadlines would not come for as long.
        self.ahead += self.now - now;
        self.now = self.now.max(now);
        self.now
    }

    /// What the driver's clock says at this time.
    pub(super) fn told(&self, time: Timestamp) -> Timestamp {
        Timestamp::ZERO + (time - (Timestamp::ZERO + self.ahead))
    }

    pub(super) const fn next_transport(&mut self) -> TransportId {
        self.last_transport += 1;
        TransportId(self.last_transport)
    }

    pub(super) const fn transport(&self) -> Option<TransportId> {
        match self.phase {
            Phase::Opening { transport, .. } | Phase::Greeting { transport, .. } | Phase::Live { transport, .. } => {
                Some(transport)
            }
            Phase::Idle | Phase::Asking { .. } | Phase::Waiting { .. } | Phase::Asleep | Phase::Closed => None,
        }
    }

    /// The transport that messages may be sent over.
    pub(super) const fn open_transport(&self) -> Option<TransportId> {
        match self.phase {
            Phase::Greeting { transport, .. } | Phase::Live { transport, .. } => Some(transport),
            _ => None,
        }
    }

    /// Whether it has been asked to connect.
    pub(super) const fn has_begun(&self) -> bool {
        !matches!(self.phase, Phase::Idle)
    }

    pub(super) const fn now(&self) -> Timestamp {
        self.now
    }

    /// Whether the hello has been written, so that what is asked for now has to be said beside it.
    pub(super) const fn has_spoken(&self) -> bool {
        matches!(
            self.phase,
            Phase::Opening { has_early: true, .. } | Phase::Greeting { is_hello_due: false, .. } | Phase::Live { .. }
        )
    }

    /// Has the driver close the current transport, if there is one.
    pub(super) fn hang_up(&mut self, code: u16) {
        if let Some(transport) = self.transport() {
            self.requests.push_back(Request::Close { transport, code });
        }
    }

    /// Has the driver close the current transport once the gateway has been told why.
    pub(super) fn part(&mut self, reason: ErrorCode, code: u16) {
        self.part_with(Vec::new(), reason, code);
    }

    /// The same, with frames to be sent before that.
    pub(super) fn part_with(&mut self, mut message: Vec<u8>, reason: ErrorCode, code: u16) {
        let Some(transport) = self.open_transport() else { return self.hang_up(code) };
        self.give_up_parting();
        let goodbye = Goodbye { code: reason.number(), reason: reason.message(), ..Goodbye::default() };
        ClientFrame::Goodbye(goodbye).encode(&mut message);
        self.parting = Some(Parting { message, transport, code, until: self.now + PARTING });
    }

    /// The last message of a transport that is to be closed, if there is one.
    pub(super) fn take_last_message(&mut self, message: &mut Vec<u8>) -> Option<TransportId> {
        let Parting { message: last, transport, code, .. } = self.parting.take()?;
        message.extend_from_slice(&last);
        self.requests.push_back(Request::Close { transport, code });
        Some(transport)
    }

    /// Closes the transport whose last message is still to be taken.
    pub(super) fn give_up_parting(&mut self) {
        if let Some(Parting { transport, code, .. }) = self.parting.take() {
            self.requests.push_back(Request::Close { transport, code });
        }
    }

    /// How long to wait before the next attempt, and how much of it at the gateway's word.
    fn plan(&mut self, ending: &Ending<'_>, has_lasted: bool, now: Timestamp) -> (Duration, Duration) {
        let Ending { prompt, asked, redirect } = *ending;
        if prompt && has_lasted {
            return (self.backoff.next(true, Duration::ZERO), Duration::ZERO);
        }
        let is_round_over = self.endpoints.fail(&self.endpoint, (!asked.is_zero()).then(|| now + asked), now);
        let is_redirected = self.endpoints.redirect(&self.endpoint, redirect);
        let asked = if is_redirected { asked } else { self.endpoints.free_at(now) - now };
        if asked.is_zero() && (is_redirected || !is_round_over) {
            (self.backoff.hop(), Duration::ZERO)
        } else {
            let wait = self.backoff.next(prompt, asked);
            (wait, asked.min(wait))
        }
    }

    pub(super) fn tick_parting(&mut self, now: Timestamp) {
        if self.parting.as_ref().is_some_and(|parting| parting.until <= now) {
            self.give_up_parting();
        }
    }

    pub(super) fn poll_timeout(&self) -> Option<(Timestamp, TimerReason)> {
        let phase = match self.phase {
            Phase::Idle | Phase::Asleep | Phase::Closed => None,
            Phase::Asking { deadline } => Some((deadline, TimerReason::Credentials)),
            Phase::Waiting { until, .. } => Some((until, TimerReason::Redial)),
            Phase::Opening { deadline, .. } | Phase::Greeting { deadline, .. } => {
                Some((deadline, TimerReason::Connect))
            }
            Phase::Live { silent_at, .. } => Some((silent_at, TimerReason::Silence)),
        };
        let parting = self.parting.as_ref().map(|parting| (parting.until, TimerReason::Close));
        let handover = self.handover.as_ref().map(Handover::poll_timeout);
        let ping = self.pings.poll_timeout().map(|deadline| (deadline, TimerReason::Silence));
        [phase, ping, parting, handover].into_iter().flatten().min_by_key(|(deadline, _)| *deadline)
    }
}

impl Session {
    /// Feeds one thing that happened. Never fails, whatever the gateway sent.
    pub fn handle_input(&mut self, input: Input<'_>, now: Timestamp) {
        let now = self.link.advance(now);
        match input {
            Input::Opened { transport, .. } if self.link.successor() == Some(transport) => self.take_over(now),
            Input::Opened { transport, early_taken } => self.handle_opened(transport, early_taken),
            Input::Message(id, message) if self.link.open_transport() == Some(id) => self.handle_message(message, now),
            Input::TextMessage(id) if self.link.open_transport() == Some(id) => {
                self.fail(ErrorCode::TextMessage, "the gateway sent a text message".into(), now);
            }
            Input::Lost(id, lost) if self.link.transport() == Some(id) => {
                let prompt = self.is_live();
                self.handle_lost(lost, &Ending { prompt, ..Ending::default() }, now);
            }
            Input::Lost(id, _) if self.link.successor() == Some(id) => self.handle_successor_lost(now),
            Input::Credentials(id, outcome) => self.handle_credentials(id, outcome, now),
            Input::Signal(signal) => self.handle_signal(signal, now),
            Input::Tick => self.handle_tick(now),
            // News of a transport that has been given up.
            Input::Message(..) | Input::TextMessage(_) | Input::Lost(..) => {}
        }
    }

    pub(super) fn dial(&mut self, now: Timestamp) {
        self.link.give_up_parting();
        if self.config.ask_credentials && self.keyring.is_empty() {
            return self.ask_for_credentials(now);
        }
        self.link.attempts = self.link.attempts.saturating_add(1);
        let transport = self.link.next_transport();
        let endpoint = self.link.endpoints.next(now);
        let early = self.compose_early();
        let deadline = now + self.config.connect_timeout;
        self.link.endpoint = endpoint.clone();
        self.link.is_moving = false;
        self.link.phase = Phase::Opening { transport, since: now, deadline, has_early: early.is_some() };
        self.link.requests.push_back(Request::Open { transport, endpoint, early });
        self.push_event(Event::Connecting { attempt: self.link.attempts });
    }

    fn handle_opened(&mut self, id: TransportId, early_taken: bool) {
        if let Phase::Opening { transport, since, deadline, has_early } = self.link.phase
            && transport == id
        {
            let is_hello_due = !(has_early && early_taken);
            self.link.phase = Phase::Greeting { transport, since, deadline, is_hello_due };
        }
    }

    /// The connection is gone, or did not come about: on to the next, or to the end.
    pub(super) fn handle_lost(&mut self, lost: Lost, ending: &Ending<'_>, now: Timestamp) {
        let has_lasted = matches!(self.link.phase, Phase::Live { since, .. } if now - since >= LASTING);
        if has_lasted {
            self.link.backoff.reset();
            self.link.endpoints.reset();
        }
        if self.config.reconnect && self.renew_credentials(&lost, now) {
            return;
        }
        if !self.config.reconnect || lost.code.fault() == Fault::Caller {
            self.link.phase = Phase::Idle;
            return self.finish(lost.code, lost.detail);
        }
        if self.link.successor().is_some() {
            self.disconnect();
            self.link.promote_successor();
            self.link.attempts = self.link.attempts.saturating_add(1);
            let Lost { code, detail } = lost;
            self.push_event(Event::Disconnected { code, detail, retry_in: Some(Duration::ZERO) });
            self.push_event(Event::Connecting { attempt: self.link.attempts });
            return;
        }
        let (wait, asked) = self.link.plan(ending, has_lasted, now);
        self.wait(lost, wait, asked, now);
    }

    /// Until the next attempt. No hint brings it on before `asked` is over.
    pub(super) fn wait(&mut self, lost: Lost, wait: Duration, asked: Duration, now: Timestamp) {
        self.link.abandon_handover();
        self.disconnect();
        let Lost { code, detail } = lost;
        self.link.phase = Phase::Waiting { until: now + wait, earliest: now + asked };
        self.push_event(Event::Disconnected { code, detail, retry_in: Some(wait) });
    }

    /// The gateway broke the protocol, or fell silent: tell it, and connect anew.
    pub(super) fn fail(&mut self, code: ErrorCode, detail: String, now: Timestamp) {
        self.link.part(code, code.number());
        if code == ErrorCode::UnsupportedVersion {
            self.link.phase = Phase::Idle;
            return self.finish(code, detail);
        }
        let prompt = code.fault() == Fault::Network && self.is_live();
        self.handle_lost(Lost { code, detail }, &Ending { prompt, ..Ending::default() }, now);
    }

    pub(super) fn handle_goodbye(&mut self, goodbye: &Goodbye<'_>, now: Timestamp) {
        let code = ErrorCode::from_number(goodbye.code).unwrap_or(ErrorCode::ConnectionLost);
        let lost = Lost { code, detail: goodbye.reason.to_string() };
        let asked = Duration::from_millis(goodbye.retry_after_ms).min(LONGEST_ASKED);
        self.link.hang_up(NORMAL_CLOSE);
        // A gateway that refuses this client for what it is will refuse it again.
        let greeting = matches!(self.link.phase, Phase::Greeting { .. });
        if code == ErrorCode::UnsupportedVersion || greeting && code == ErrorCode::MessageTooLarge {
            self.link.phase = Phase::Idle;
            return self.finish(lost.code, lost.detail);
        }
        self.handle_lost(lost, &Ending { prompt: false, asked, redirect: goodbye.redirect }, now);
    }

    pub(super) fn go_live(&mut self, now: Timestamp) {
        if let Phase::Greeting { transport, .. } = self.link.phase {
            self.link.attempts = 0;
            self.link.endpoints.prefer(&self.link.endpoint);
            self.keyring.prove();
            let silent_at = now + self.heartbeat() * 2;
            self.link.phase = Phase::Live { transport, since: now, silent_at, is_probing: false };
        }
    }

    /// How often the gateway is heard of at the least, by its own word.
    pub(super) fn heartbeat(&self) -> Duration {
        Duration::from_millis(self.welcome.map_or(10_000, |welcome| welcome.heartbeat_ms.clamp(100, 3_600_000)))
    }
}
