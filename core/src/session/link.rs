//! The connection: opening, losing and replacing it.

use alloc::collections::VecDeque;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::time::Duration;

use super::backoff::Backoff;
use super::config::SessionConfig;
use super::event::{Event, Input, Lost, Request, Signal, TimerReason, TransportId};
use super::{Outgoing, Session};
use crate::error::{ErrorCode, Fault};
use crate::time::Timestamp;
use crate::wire::{ClientFrame, Goodbye};

/// How long a gateway gets to be heard of when the silence was noticed late: after sleep, what it
/// has sent meanwhile is only now being read.
const PROBE: Duration = Duration::from_secs(2);

#[derive(Debug)]
pub(super) enum Phase {
    /// Not asked to connect yet.
    Idle,
    /// Until the next attempt.
    Waiting { until: Timestamp },
    /// The driver opens a transport.
    Opening { transport: TransportId, deadline: Timestamp },
    /// The transport is open, and the gateway has yet to welcome the session.
    Greeting { transport: TransportId, deadline: Timestamp },
    /// Welcomed.
    Live { transport: TransportId, silent_at: Timestamp },
    /// Welcomed, and to be closed when every publish is settled.
    Closing { transport: TransportId, deadline: Timestamp },
    /// Over for good.
    Closed,
}

#[derive(Debug)]
pub(super) struct Link {
    pub(super) phase: Phase,
    pub(super) requests: VecDeque<Request>,
    /// A last message for a transport that is to be closed.
    pub(super) last_words: Option<(TransportId, Vec<u8>)>,
    closing: Option<Request>,
    backoff: Backoff,
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
            last_words: None,
            closing: None,
            backoff: Backoff::new(config.backoff_base, config.backoff_cap, seed),
            last_transport: 0,
            next_endpoint: 0,
            now,
        }
    }

    pub(super) const fn transport(&self) -> Option<TransportId> {
        match self.phase {
            Phase::Opening { transport, .. }
            | Phase::Greeting { transport, .. }
            | Phase::Live { transport, .. }
            | Phase::Closing { transport, .. } => Some(transport),
            Phase::Idle | Phase::Waiting { .. } | Phase::Closed => None,
        }
    }

    /// The transport that messages may be sent over.
    pub(super) const fn open_transport(&self) -> Option<TransportId> {
        match self.phase {
            Phase::Greeting { transport, .. } | Phase::Live { transport, .. } | Phase::Closing { transport, .. } => {
                Some(transport)
            }
            _ => None,
        }
    }

    /// Leaves a goodbye as the last message of the current transport.
    pub(super) fn say_goodbye(&mut self, code: ErrorCode) {
        if let Some(transport) = self.open_transport() {
            let mut message = Vec::new();
            let goodbye = Goodbye { code: code.number(), reason: code.message(), ..Goodbye::default() };
            ClientFrame::Goodbye(goodbye).encode(&mut message);
            self.last_words = Some((transport, message));
        }
    }

    /// Has the driver close a transport, after its last words.
    pub(super) fn hang_up(&mut self, transport: TransportId, code: u16) {
        let request = Request::Close { transport, code };
        if self.last_words.as_ref().is_some_and(|(speaker, _)| *speaker == transport) {
            self.closing = Some(request);
        } else {
            self.requests.push_back(request);
        }
    }

    /// The last words of a transport, if it has any; then it is to be closed.
    pub(super) fn take_last_words(&mut self, message: &mut Vec<u8>) -> Option<TransportId> {
        let (transport, words) = self.last_words.take()?;
        message.extend_from_slice(&words);
        self.requests.extend(self.closing.take());
        Some(transport)
    }

    pub(super) const fn poll_timeout(&self) -> Option<(Timestamp, TimerReason)> {
        match self.phase {
            Phase::Idle | Phase::Closed => None,
            Phase::Waiting { until } => Some((until, TimerReason::Redial)),
            Phase::Opening { deadline, .. } | Phase::Greeting { deadline, .. } => {
                Some((deadline, TimerReason::Connect))
            }
            Phase::Live { silent_at, .. } => Some((silent_at, TimerReason::Silence)),
            Phase::Closing { deadline, .. } => Some((deadline, TimerReason::Close)),
        }
    }
}

impl Session {
    /// Feeds one thing that happened. Never fails, whatever the gateway sent.
    pub fn handle_input(&mut self, input: Input<'_>, now: Timestamp) {
        let now = self.link.now.max(now);
        self.link.now = now;
        match input {
            Input::Opened(id) => self.handle_opened(id),
            Input::Message(id, message) if self.link.open_transport() == Some(id) => self.handle_message(message, now),
            Input::TextMessage(id) if self.link.open_transport() == Some(id) => {
                self.fail(ErrorCode::TextMessage, "the gateway sent a text message".into(), now);
            }
            Input::Lost(id, lost) if self.link.transport() == Some(id) => self.handle_lost(lost, Duration::ZERO, now),
            Input::Signal(signal) => self.handle_signal(signal, now),
            Input::Tick => self.handle_tick(now),
            // News of a transport that has been given up.
            Input::Message(..) | Input::TextMessage(_) | Input::Lost(..) => {}
        }
    }

    pub(super) fn dial(&mut self, now: Timestamp) {
        self.link.last_transport += 1;
        let transport = TransportId(self.link.last_transport);
        let endpoint = self.link.next_endpoint;
        self.link.phase = Phase::Opening { transport, deadline: now + self.config.connect_timeout };
        self.link.requests.push_back(Request::Open { transport, endpoint });
        self.events.push_back(Event::Connecting { attempt: self.link.backoff.failures() });
    }

    fn handle_opened(&mut self, id: TransportId) {
        if let Phase::Opening { transport, deadline } = self.link.phase
            && transport == id
        {
            self.link.phase = Phase::Greeting { transport, deadline };
            self.outgoing.push_back(Outgoing::Hello);
        }
    }

    /// The connection is gone, or did not come about: on to the next, or to the end.
    pub(super) fn handle_lost(&mut self, lost: Lost, at_least: Duration, now: Timestamp) {
        let was_live = self.is_live();
        let closing = matches!(self.link.phase, Phase::Closing { .. });
        let Lost { code, detail } = lost;
        if closing || !self.config.reconnect || (code.fault() == Fault::Caller && !was_live) {
            self.link.phase = Phase::Idle;
            return self.finish(code, detail);
        }
        self.disconnect();
        self.link.next_endpoint = self.link.next_endpoint.wrapping_add(1);
        let wait = self.link.backoff.next(was_live, at_least);
        self.link.phase = Phase::Waiting { until: now + wait };
        self.events.push_back(Event::Disconnected { code, detail, retry_in: Some(wait) });
    }

    /// The gateway broke the protocol, or fell silent: tell it, and connect anew.
    pub(super) fn fail(&mut self, code: ErrorCode, detail: String, now: Timestamp) {
        if let Some(transport) = self.link.transport() {
            self.link.say_goodbye(code);
            self.link.hang_up(transport, code.number());
        }
        self.handle_lost(Lost { code, detail }, Duration::ZERO, now);
    }

    pub(super) fn handle_goodbye(&mut self, goodbye: &Goodbye<'_>, now: Timestamp) {
        let code = ErrorCode::from_number(goodbye.code).unwrap_or(ErrorCode::ConnectionLost);
        let detail = goodbye.reason.to_string();
        if let Some(transport) = self.link.transport() {
            self.link.hang_up(transport, 1000);
        }
        // A gateway that refuses the handshake for what this client is will refuse it again.
        if matches!(self.link.phase, Phase::Greeting { .. }) && code.fault() == Fault::Peer {
            self.link.phase = Phase::Idle;
            return self.finish(code, detail);
        }
        self.handle_lost(Lost { code, detail }, Duration::from_millis(goodbye.retry_after_ms), now);
    }

    /// The gateway was heard.
    pub(super) fn note_heard(&mut self, now: Timestamp) {
        let patience = self.patience();
        if let Phase::Live { silent_at, .. } = &mut self.link.phase {
            *silent_at = now + patience;
        }
    }

    pub(super) fn go_live(&mut self, now: Timestamp) {
        if let Phase::Greeting { transport, .. } = self.link.phase {
            self.link.backoff.reset();
            self.link.phase = Phase::Live { transport, silent_at: now + self.patience() };
        }
    }

    /// How long a gateway may be silent: twice the heartbeat that it announced.
    fn patience(&self) -> Duration {
        let heartbeat = self.welcome.map_or(10_000, |welcome| welcome.heartbeat_ms.clamp(100, 3_600_000));
        Duration::from_millis(heartbeat) * 2
    }

    fn handle_signal(&mut self, signal: Signal, now: Timestamp) {
        let soon = now + PROBE.max(self.patience() / 2);
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
        match self.link.phase {
            Phase::Waiting { until } if until <= now => self.dial(now),
            Phase::Opening { deadline, transport } | Phase::Greeting { deadline, transport } if deadline <= now => {
                self.link.hang_up(transport, 1000);
                let detail = "the gateway did not answer in time".into();
                self.handle_lost(Lost { code: ErrorCode::ConnectFailed, detail }, Duration::ZERO, now);
            }
            Phase::Live { transport, silent_at } if silent_at <= now => {
                // A tick that comes much too late came out of a sleep.
                if now - silent_at > self.patience() {
                    self.link.phase = Phase::Live { transport, silent_at: now + PROBE };
                } else {
                    let detail = "nothing was heard from the gateway for twice its heartbeat".into();
                    self.fail(ErrorCode::Silence, detail, now);
                }
            }
            Phase::Closing { deadline, .. } if deadline <= now => self.finish(ErrorCode::Closed, String::new()),
            _ => {}
        }
    }
}
