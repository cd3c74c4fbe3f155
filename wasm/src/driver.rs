//! Drives the core: sockets, the timer, and nothing of the protocol.
//!
//! JavaScript that is called may call back at any moment, so nothing is borrowed while it is called.

use std::cell::{Cell, RefCell};

use outpour_core::session::{CredentialsId, Endpoint, Input, Lost, Request, Session, TransportId};
use outpour_core::wire::SUBPROTOCOL;
use outpour_core::{Epoch, ErrorCode, Timestamp};

use crate::clock::{Clock, milliseconds};
use crate::platform;
use crate::records::Records;

/// What a gateway chooses that takes a message along with the upgrade.
pub(crate) const EARLY_SUBPROTOCOL: &str = "outpour.v1.early";
/// Bytes that may wait in a socket before it takes no more.
const WRITE_BYTES: u32 = 128 << 10;
/// How long to wait for a socket that takes no more, in milliseconds: it does not say when it does again.
const CONGESTED: f64 = 20.0;
/// The longest that a timer can be set to.
const LONGEST: f64 = 2_000_000_000.0;

/// A session and what it is driven with.
pub(crate) struct Driver {
    number: u32,
    state: RefCell<State>,
    is_pumping: Cell<bool>,
    is_asked_again: Cell<bool>,
    /// The host was told that there is something to take, and has not come for it.
    is_told: Cell<bool>,
}

pub(crate) struct State {
    pub(crate) core: Session,
    clock: Clock,
    endpoints: Vec<String>,
    sockets: Sockets,
    timer: Option<Timestamp>,
    pub(crate) records: Records,
    /// The epoch of the update that was handed out last.
    pub(crate) epoch: Option<Epoch>,
    /// The questions for credentials, by the number that the host knows.
    pub(crate) questions: Option<(f64, CredentialsId)>,
    asked: f64,
}

/// The sockets that there are: the platform knows them by the numbers of their transports.
#[derive(Default)]
struct Sockets {
    opening: Option<TransportId>,
    open: Option<TransportId>,
    /// The one that the session leaves for `open`, until its goodbye is sent.
    left: Option<TransportId>,
}

impl Sockets {
    /// Forgets a socket. `false` if there is none with this number.
    fn forget(&mut self, id: TransportId) -> bool {
        [&mut self.opening, &mut self.open, &mut self.left]
            .into_iter()
            .any(|slot| slot.take_if(|held| *held == id).is_some())
    }
}

impl State {
    pub(crate) fn now(&mut self) -> Timestamp {
        self.clock.now()
    }
}

/// The number that the platform knows a socket by.
const fn number(id: TransportId) -> u32 {
    id.0 as u32
}

impl Driver {
    pub(crate) fn new(number: u32, create: impl FnOnce(Timestamp) -> Session, endpoints: Vec<String>) -> Self {
        let mut clock = Clock::new();
        let core = create(clock.now());
        let state = State {
            core,
            clock,
            endpoints,
            sockets: Sockets::default(),
            timer: None,
            records: Records::default(),
            epoch: None,
            questions: None,
            asked: 0.0,
        };
        Self {
            number,
            state: RefCell::new(state),
            is_pumping: Cell::new(false),
            is_asked_again: Cell::new(false),
            is_told: Cell::new(false),
        }
    }

    /// Whether it is the engine with this number.
    pub(crate) const fn is(&self, number: u32) -> bool {
        self.number == number
    }

    /// Asks the core for something, and does what follows.
    pub(crate) fn ask<T>(&self, ask: impl FnOnce(&mut State, Timestamp) -> T) -> T {
        let answer = {
            let state = &mut *self.state.borrow_mut();
            let now = state.now();
            ask(state, now)
        };
        self.pump();
        answer
    }

    /// Looks at what the core has.
    pub(crate) fn look<T>(&self, look: impl FnOnce(&mut State, Timestamp) -> T) -> T {
        let state = &mut *self.state.borrow_mut();
        let now = state.now();
        look(state, now)
    }

    /// What has happened since the host asked last.
    pub(crate) fn take_records(&self) -> Vec<u8> {
        self.is_told.set(false);
        core::mem::take(&mut self.state.borrow_mut().records.0)
    }

    pub(crate) fn handle_input(&self, input: Input<'_>) {
        self.ask(|state, now| state.core.handle_input(input, now));
    }

    pub(crate) fn handle_tick(&self) {
        self.state.borrow_mut().timer = None;
        self.handle_input(Input::Tick);
    }

    pub(crate) fn handle_open(&self, id: TransportId, early_taken: bool) {
        {
            let sockets = &mut self.state.borrow_mut().sockets;
            if sockets.opening.take_if(|opening| *opening == id).is_none() {
                return;
            }
            sockets.left = sockets.open.replace(id);
        }
        self.handle_input(Input::Opened { transport: id, early_taken });
    }

    pub(crate) fn is_open(&self, id: TransportId) -> bool {
        self.state.borrow().sockets.open == Some(id)
    }

    /// An error event, behind which there may be no close event.
    pub(crate) fn handle_failure(&self, id: TransportId, detail: String) {
        if self.state.borrow().sockets.opening == Some(id) {
            self.handle_lost(id, Lost { code: ErrorCode::ConnectFailed, detail });
        }
    }

    pub(crate) fn handle_lost(&self, id: TransportId, lost: Lost) {
        if self.close(id, 0) {
            self.handle_input(Input::Lost(id, lost));
        }
    }

    /// Closes a socket. `false` if there is none with this number.
    fn close(&self, id: TransportId, code: u32) -> bool {
        let is_held = self.state.borrow_mut().sockets.forget(id);
        if is_held {
            platform::close(self.number, number(id), code);
        }
        is_held
    }

    /// Does what the core asks for until it asks for nothing more.
    fn pump(&self) {
        if self.is_pumping.replace(true) {
            self.is_asked_again.set(true);
            return;
        }
        loop {
            self.is_asked_again.set(false);
            while self.serve() {}
            let is_congested = self.send();
            self.collect();
            self.arm(is_congested);
            if !self.is_asked_again.get() {
                break;
            }
        }
        self.is_pumping.set(false);
        if !self.state.borrow().records.0.is_empty() && !self.is_told.replace(true) {
            platform::ready(self.number);
        }
    }

    fn serve(&self) -> bool {
        let Some(request) = self.state.borrow_mut().core.poll_request() else { return false };
        match request {
            Request::Open { transport, endpoint, early } => self.dial(transport, &endpoint, early.as_deref()),
            // Scripts may use 1000 and 3000 to 4999 only.
            Request::Close { transport, code } => {
                self.close(transport, if (3000..5000).contains(&code) { code.into() } else { 1000 });
            }
            Request::Credentials { id, expired } => {
                let state = &mut *self.state.borrow_mut();
                state.asked += 1.0;
                state.questions = Some((state.asked, id));
                state.records.credentials(state.asked, expired);
            }
            _ => {}
        }
        true
    }

    fn dial(&self, id: TransportId, endpoint: &Endpoint, early: Option<&[u8]>) {
        let url = match endpoint {
            Endpoint::Listed(index) => self.state.borrow().endpoints.get(*index).cloned().unwrap_or_default(),
            Endpoint::Redirect(url) => url.clone(),
        };
        let mut protocols = String::new();
        if let Some(early) = early {
            protocols.push_str(EARLY_SUBPROTOCOL);
            protocols.push_str(",hello.");
            push_base64_url(&mut protocols, early);
            protocols.push(',');
        }
        protocols.push_str(SUBPROTOCOL);
        self.state.borrow_mut().sockets.opening = Some(id);
        platform::open_socket(self.number, number(id), &url, &protocols);
    }

    /// Sends while the socket takes more; `true` if it does not. Only then is the core asked what to send.
    fn send(&self) -> bool {
        loop {
            // A last message can only go out over a socket that is open.
            let Some(open) = self.state.borrow().sockets.open else { return false };
            if platform::buffered(self.number, number(open)) >= WRITE_BYTES {
                return true;
            }
            let mut message = Vec::new();
            let id = {
                let state = &mut *self.state.borrow_mut();
                let now = state.clock.now();
                let Some(id) = state.core.poll_transmit(&mut message, now) else { return false };
                id
            };
            platform::send_message(self.number, number(id), &message);
            while self.serve() {}
        }
    }

    /// Takes what the core has to say.
    fn collect(&self) {
        let state = &mut *self.state.borrow_mut();
        while let Some(event) = state.core.poll_event() {
            state.records.event(event);
        }
        while let Some(id) = state.core.poll_readable() {
            state.records.readable(id);
        }
    }

    /// Sets the timer, unless it rings early enough: a surplus tick is harmless.
    fn arm(&self, is_congested: bool) {
        let wait = {
            let state = &mut *self.state.borrow_mut();
            let now = state.clock.now();
            let Some((deadline, _)) = state.core.poll_timeout() else { return };
            let wait = milliseconds(deadline - now).min(if is_congested { CONGESTED } else { LONGEST });
            let at = now + core::time::Duration::from_micros((wait * 1000.0) as u64);
            if state.timer.is_some_and(|set| set <= at) {
                return;
            }
            state.timer = Some(at);
            wait
        };
        // Rounded up to the timer's grain, so that it does not ring before the deadline.
        platform::wake(self.number, wait.ceil());
    }
}

fn push_base64_url(text: &mut String, bytes: &[u8]) {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    for chunk in bytes.chunks(3) {
        let bits = chunk.iter().fold(0_u32, |bits, byte| (bits << 8) | u32::from(*byte)) << (8 * (3 - chunk.len()));
        for digit in 0..=chunk.len() {
            text.push(char::from(DIGITS[(bits >> (18 - 6 * digit)) as usize & 63]));
        }
    }
}
