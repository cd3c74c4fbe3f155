//! The connection: opening, losing and replacing it.

use alloc::collections::VecDeque;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::time::Duration;

use super::Session;
use super::backoff::Backoff;
use super::config::SessionConfig;
use super::event::{Event, Input, Lost, Request, Signal, TimerReason, TransportId};
use crate::error::{ErrorCode, Fault};
use crate::time::Timestamp;
use crate::wire::{ClientFrame, Goodbye};

/// How long a gateway gets to be heard of when the silence was noticed late: after sleep, what it
/// has sent meanwhile is only now being read.
const PROBE: Duration = Duration::from_secs(2);
/// A connection that was live for so long has lasted: the back-off begins anew.
const LASTING: Duration = Duration::from_secs(5);
/// How long a transport that is to be closed gets to take a last message.
const PARTING: Duration = Duration::from_secs(2);
/// The WebSocket close code of an orderly end.
pub(super) const NORMAL_CLOSE: u16 = 1000;

#[derive(Debug)]
pub(super) enum Phase {
    /// Not asked to connect yet.
    Idle,
    /// Until the next attempt.
    Waiting { until: Timestamp },
    /// The driver opens a transport.
    Opening { transport: TransportId, deadline: Timestamp, has_early: bool },
    /// The transport is open, and the gateway has yet to welcome the session.
    Greeting { transport: TransportId, deadline: Timestamp, is_hello_due: bool },
    /// Welcomed.
    Live { transport: TransportId, since: Timestamp, silent_at: Timestamp, is_probing: bool },
    /// Over for good.
    Closed,
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
    backoff: Backoff,
    /// Attempts since the last connection.
    attempts: u32,
    last_transport: u64,
    next_endpoint: usize,
    /// Time never runs backwards here, whatever the driver says.
    now: Timestamp,
}

impl Link {
    pub(super) fn new(config: &SessionConfig, seed: u64, now: Timestamp) -> Self {
        Self {
            phase: Phase::Idle,
            requests: VecDeque::new(),
            parting: None,
            backoff: Backoff::new(config.backoff_base, config.backoff_cap, seed),
            attempts: 0,
            last_transport: 0,
            next_endpoint: 0,
            now,
        }
    }

    /// The time, which the driver has told last.
    pub(super) fn advance(&mut self, now: Timestamp) -> Timestamp {
        self.now = self.now.max(now);
        self.now
    }

    pub(super) const fn transport(&self) -> Option<TransportId> {
        match self.phase {
            Phase::Opening { transport, .. } | Phase::Greeting { transport, .. } | Phase::Live { transport, .. } => {
                Some(transport)
            }
            Phase::Idle | Phase::Waiting { .. } | Phase::Closed => None,
        }
    }

    /// The transport that messages may be sent over.
    pub(super) const fn open_transport(&self) -> Option<TransportId> {
        match self.phase {
            Phase::Greeting { transport, .. } | Phase::Live { transport, .. } => Some(transport),
            _ => None,
        }
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
    fn hang_up(&mut self, code: u16) {
        if let Some(transport) = self.transport() {
            self.requests.push_back(Request::Close { transport, code });
        }
    }

    /// Has the driver close the current transport once the gateway has been told why.
    pub(super) fn part(&mut self, reason: ErrorCode, code: u16) {
        let Some(transport) = self.open_transport() else { return self.hang_up(code) };
        self.give_up_parting();
        let mut message = Vec::new();
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
    fn give_up_parting(&mut self) {
        if let Some(Parting { transport, code, .. }) = self.parting.take() {
            self.requests.push_back(Request::Close { transport, code });
        }
    }

    pub(super) fn poll_timeout(&self) -> Option<(Timestamp, TimerReason)> {
        let phase = match self.phase {
            Phase::Idle | Phase::Closed => None,
            Phase::Waiting { until } => Some((until, TimerReason::Redial)),
            Phase::Opening { deadline, .. } | Phase::Greeting { deadline, .. } => {
                Some((deadline, TimerReason::Connect))
            }
            Phase::Live { silent_at, .. } => Some((silent_at, TimerReason::Silence)),
        };
        let parting = self.parting.as_ref().map(|parting| (parting.until, TimerReason::Close));
        phase.into_iter().chain(parting).min_by_key(|(deadline, _)| *deadline)
    }
}

impl Session {
    /// Feeds one thing that happened. Never fails, whatever the gateway sent.
    pub fn handle_input(&mut self, input: Input<'_>, now: Timestamp) {
        let now = self.link.advance(now);
        match input {
            Input::Opened { transport, early_taken } => self.handle_opened(transport, early_taken),
            Input::Message(id, message) if self.link.open_transport() == Some(id) => self.handle_message(message, now),
            Input::TextMessage(id) if self.link.open_transport() == Some(id) => {
                self.fail(ErrorCode::TextMessage, "the gateway sent a text message".into(), now);
            }
            Input::Lost(id, lost) if self.link.transport() == Some(id) => {
                let prompt = self.is_live();
                self.handle_lost(lost, prompt, Duration::ZERO, now);
            }
            Input::Signal(signal) => self.handle_signal(signal, now),
            Input::Tick => self.handle_tick(now),
            // News of a transport that has been given up.
            Input::Message(..) | Input::TextMessage(_) | Input::Lost(..) => {}
        }
    }

    pub(super) fn dial(&mut self, now: Timestamp) {
        self.link.give_up_parting();
        self.link.last_transport += 1;
        self.link.attempts = self.link.attempts.saturating_add(1);
        let transport = TransportId(self.link.last_transport);
        let endpoint = self.link.next_endpoint;
        let early = self.compose_early();
        let deadline = now + self.config.connect_timeout;
        self.link.phase = Phase::Opening { transport, deadline, has_early: early.is_some() };
        self.link.requests.push_back(Request::Open { transport, endpoint, early });
        self.push_event(Event::Connecting { attempt: self.link.attempts });
    }

    fn handle_opened(&mut self, id: TransportId, early_taken: bool) {
        if let Phase::Opening { transport, deadline, has_early } = self.link.phase
            && transport == id
        {
            let is_hello_due = !(has_early && early_taken);
            self.link.phase = Phase::Greeting { transport, deadline, is_hello_due };
        }
    }

    /// The connection is gone, or did not come about: on to the next, or to the end.
    fn handle_lost(&mut self, lost: Lost, prompt: bool, asked: Duration, now: Timestamp) {
        let Lost { code, detail } = lost;
        if let Phase::Live { since, .. } = self.link.phase
            && now - since >= LASTING
        {
            self.link.backoff.reset();
        }
        if !self.config.reconnect || code.fault() == Fault::Caller {
            self.link.phase = Phase::Idle;
            return self.finish(code, detail);
        }
        self.disconnect();
        self.link.next_endpoint = self.link.next_endpoint.wrapping_add(1);
        let wait = self.link.backoff.next(prompt, asked);
        self.link.phase = Phase::Waiting { until: now + wait };
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
        self.handle_lost(Lost { code, detail }, prompt, Duration::ZERO, now);
    }

    pub(super) fn handle_goodbye(&mut self, goodbye: &Goodbye<'_>, now: Timestamp) {
        let code = ErrorCode::from_number(goodbye.code).unwrap_or(ErrorCode::ConnectionLost);
        let detail = goodbye.reason.to_string();
        self.link.hang_up(NORMAL_CLOSE);
        // A gateway that refuses this client for what it is will refuse it again.
        let greeting = matches!(self.link.phase, Phase::Greeting { .. });
        if code == ErrorCode::UnsupportedVersion || greeting && code == ErrorCode::MessageTooLarge {
            self.link.phase = Phase::Idle;
            return self.finish(code, detail);
        }
        self.handle_lost(Lost { code, detail }, false, Duration::from_millis(goodbye.retry_after_ms), now);
    }

    /// The gateway was heard.
    pub(super) fn note_heard(&mut self, now: Timestamp) {
        let heartbeat = self.heartbeat();
        if let Phase::Live { silent_at, is_probing, .. } = &mut self.link.phase {
            *silent_at = now + heartbeat * 2;
            *is_probing = false;
        }
    }

    pub(super) fn go_live(&mut self, now: Timestamp) {
        if let Phase::Greeting { transport, .. } = self.link.phase {
            self.link.attempts = 0;
            let silent_at = now + self.heartbeat() * 2;
            self.link.phase = Phase::Live { transport, since: now, silent_at, is_probing: false };
        }
    }

    /// How often the gateway is heard of at the least, by its own word.
    fn heartbeat(&self) -> Duration {
        Duration::from_millis(self.welcome.map_or(10_000, |welcome| welcome.heartbeat_ms.clamp(100, 3_600_000)))
    }

    fn handle_signal(&mut self, signal: Signal, now: Timestamp) {
        let soon = now + PROBE.max(self.heartbeat());
        match (signal, &mut self.link.phase) {
            (Signal::NetworkUp | Signal::Resumed, Phase::Waiting { .. }) => self.dial(now),
            // A hint is no proof: look closer, and don't hang up.
            (Signal::NetworkUp | Signal::NetworkDown | Signal::Resumed, Phase::Live { silent_at, .. }) => {
                *silent_at = (*silent_at).min(soon);
            }
            _ => {}
        }
    }

    fn handle_tick(&mut self, now: Timestamp) {
        if self.link.parting.as_ref().is_some_and(|parting| parting.until <= now) {
            self.link.give_up_parting();
        }
        if self.flush_until.is_some_and(|until| until <= now) {
            return self.finish(ErrorCode::Closed, String::new());
        }
        let heartbeat = self.heartbeat();
        match &mut self.link.phase {
            Phase::Waiting { until } if *until <= now => self.dial(now),
            Phase::Opening { deadline, .. } | Phase::Greeting { deadline, .. } if *deadline <= now => {
                self.link.hang_up(NORMAL_CLOSE);
                let detail = "the gateway did not answer in time".into();
                self.handle_lost(Lost { code: ErrorCode::ConnectFailed, detail }, false, Duration::ZERO, now);
            }
            Phase::Live { silent_at, is_probing, .. } if *silent_at <= now => {
                // A tick that comes much too late came out of a sleep.
                if now - *silent_at > heartbeat && !*is_probing {
                    *silent_at = now + PROBE;
                    *is_probing = true;
                } else {
                    let detail = "nothing was heard from the gateway for twice its heartbeat".into();
                    self.fail(ErrorCode::Silence, detail, now);
                }
            }
            _ => {}
        }
    }
}
