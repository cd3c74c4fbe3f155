//! Drives the core: sockets, the timer, and nothing of the protocol.
//!
//! JavaScript that is called may call back at any moment, so nothing is borrowed while it is called.

use std::cell::{Cell, RefCell};
use std::rc::{Rc, Weak};

use js_sys::Function;
use outpour_core::session::{CredentialsId, Endpoint, Input, Lost, Request, Session, TransportId};
use outpour_core::{Epoch, ErrorCode, Timestamp};
use wasm_bindgen::prelude::*;

use crate::clock::{Clock, milliseconds};
use crate::platform::{Host, NOTHING, clear_timeout, set_timeout};
use crate::records::Records;
use crate::socket::Socket;

/// How long to wait for a socket that takes no more, in milliseconds: it does not say when it does again.
const CONGESTED: f64 = 20.0;
/// The longest that a timer can be set to.
const LONGEST: f64 = 2_000_000_000.0;

/// A session and what it is driven with.
pub(crate) struct Driver {
    state: RefCell<State>,
    me: Weak<Self>,
    host: Host,
    constructor: Function,
    ignore: JsValue,
    tick: Closure<dyn FnMut()>,
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
    timer: Option<(JsValue, Timestamp)>,
    pub(crate) records: Records,
    /// The epoch of the update that was handed out last.
    pub(crate) epoch: Option<Epoch>,
    /// The questions for credentials, by the number that the host knows.
    pub(crate) questions: Option<(f64, CredentialsId)>,
    asked: f64,
}

#[derive(Default)]
struct Sockets {
    opening: Option<(TransportId, Socket)>,
    open: Option<(TransportId, Socket)>,
    /// The one that the session leaves for `open`, until its goodbye is sent.
    left: Option<(TransportId, Socket)>,
}

impl Sockets {
    fn take(&mut self, id: TransportId) -> Option<Socket> {
        [&mut self.opening, &mut self.open, &mut self.left]
            .into_iter()
            .find_map(|slot| slot.take_if(|(held, _)| *held == id))
            .map(|(_, socket)| socket)
    }
}

impl State {
    pub(crate) fn now(&mut self) -> Timestamp {
        self.clock.now()
    }
}

impl Driver {
    pub(crate) fn new(
        create: impl FnOnce(Timestamp) -> Session,
        endpoints: Vec<String>,
        host: Host,
        constructor: Function,
    ) -> Rc<Self> {
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
        Rc::new_cyclic(|me: &Weak<Self>| {
            let driver = me.clone();
            let tick = move || {
                if let Some(driver) = driver.upgrade() {
                    driver.state.borrow_mut().timer = None;
                    driver.handle_input(Input::Tick);
                }
            };
            Self {
                state: RefCell::new(state),
                me: me.clone(),
                host,
                constructor,
                ignore: NOTHING.with(JsValue::clone),
                tick: Closure::new(tick),
                is_pumping: Cell::new(false),
                is_asked_again: Cell::new(false),
                is_told: Cell::new(false),
            }
        })
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

    pub(crate) fn handle_open(&self, id: TransportId) {
        let early_taken = {
            let state = &mut *self.state.borrow_mut();
            let Some((_, mut socket)) = state.sockets.opening.take_if(|(opening, _)| *opening == id) else { return };
            socket.note_open();
            let early_taken = socket.early_taken();
            state.sockets.left = state.sockets.open.replace((id, socket));
            early_taken
        };
        self.handle_input(Input::Opened { transport: id, early_taken });
    }

    pub(crate) fn is_open(&self, id: TransportId) -> bool {
        self.state.borrow().sockets.open.as_ref().is_some_and(|(open, _)| *open == id)
    }

    /// An error event, behind which there may be no close event.
    pub(crate) fn handle_failure(&self, id: TransportId, detail: &str) {
        let is_opening = self.state.borrow().sockets.opening.as_ref().is_some_and(|(opening, _)| *opening == id);
        if is_opening {
            let detail = if detail.is_empty() { "the connection could not be made" } else { detail }.to_owned();
            self.handle_lost(id, Lost { code: ErrorCode::ConnectFailed, detail });
        }
    }

    pub(crate) fn handle_lost(&self, id: TransportId, lost: Lost) {
        let socket = self.state.borrow_mut().sockets.take(id);
        if socket.is_some() {
            drop(socket);
            self.handle_input(Input::Lost(id, lost));
        }
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
            self.host.ready();
        }
    }

    fn serve(&self) -> bool {
        let Some(request) = self.state.borrow_mut().core.poll_request() else { return false };
        match request {
            Request::Open { transport, endpoint, early } => self.dial(transport, &endpoint, early.as_deref()),
            Request::Close { transport, code } => {
                let socket = self.state.borrow_mut().sockets.take(transport);
                if let Some(socket) = socket {
                    socket.close(code);
                }
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
        match Socket::open(&self.constructor, &url, early, id, &self.me, &self.ignore) {
            Ok(socket) => self.state.borrow_mut().sockets.opening = Some((id, socket)),
            Err(detail) => {
                let lost = Lost { code: ErrorCode::ConnectFailed, detail: format!("{url}: {detail}") };
                self.ask(|state, now| state.core.handle_input(Input::Lost(id, lost), now));
            }
        }
    }

    /// Sends while the socket takes more; `true` if it does not. Only then is the core asked what to send.
    fn send(&self) -> bool {
        loop {
            let state = self.state.borrow();
            let Some((_, open)) = state.sockets.open.as_ref() else {
                drop(state);
                // A last message can only go out over a socket that is open.
                return false;
            };
            let is_congested = open.is_open() && !open.takes_more();
            drop(state);
            if is_congested {
                return true;
            }
            let mut message = Vec::new();
            let socket = {
                let state = &mut *self.state.borrow_mut();
                let now = state.clock.now();
                let Some(id) = state.core.poll_transmit(&mut message, now) else { return false };
                let sockets = [&state.sockets.open, &state.sockets.left];
                sockets.into_iter().flatten().find(|(held, _)| *held == id).map(|(_, socket)| socket.handle())
            };
            // A socket that fails says so by its close event.
            let _sent = socket.map(|socket| socket.send_with_u8_array(&message));
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
        let (stale, wait, deadline) = {
            let state = &mut *self.state.borrow_mut();
            let now = state.clock.now();
            let Some((deadline, _)) = state.core.poll_timeout() else { return };
            let wait = milliseconds(deadline - now).min(if is_congested { CONGESTED } else { LONGEST });
            let at = now + core::time::Duration::from_micros((wait * 1000.0) as u64);
            if state.timer.as_ref().is_some_and(|(_, set)| *set <= at) {
                return;
            }
            (state.timer.take(), wait, at)
        };
        if let Some((timer, _)) = stale {
            clear_timeout(&timer);
        }
        // Rounded up to the timer's grain, so that it does not ring before the deadline.
        let timer = set_timeout(self.tick.as_ref().unchecked_ref(), wait.ceil());
        self.state.borrow_mut().timer = Some((timer, deadline));
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        if let Some((timer, _)) = self.state.borrow_mut().timer.take() {
            clear_timeout(&timer);
        }
    }
}

impl core::fmt::Debug for Driver {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("Driver")
    }
}
