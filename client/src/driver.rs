//! The loop that drives the core: sockets, the timer, and nothing of the protocol.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use futures_util::{Sink, Stream};
use outpour_core::session::{self, CredentialsId, Input, Lost, Request, TransportId};
use outpour_core::{ErrorCode, Timestamp};
use tokio::time::{Instant, Sleep};
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::{Error as WebSocketError, Message};

use crate::Error;
use crate::credentials::{Answer, Provider};
use crate::endpoint::Endpoint;
use crate::state::Shared;
use crate::transport::{self, Opened, Transport};

/// How many messages are taken or sent before other tasks have their turn.
const MESSAGES_IN_A_ROW: usize = 64;

/// Drives a session until it is closed.
pub(crate) struct Driver {
    shared: Arc<Shared>,
    endpoints: Vec<Endpoint>,
    provider: Option<Provider>,
    /// What the provider was asked, until it answers.
    answer: Option<(CredentialsId, Answer)>,
    tls: Arc<rustls::ClientConfig>,
    max_message: usize,
    opening: Option<(TransportId, Opening)>,
    open: Option<(TransportId, Transport)>,
    /// The one that the session leaves for `open`, until its goodbye is sent.
    left: Option<(TransportId, Transport)>,
    /// Transports that take their leave.
    closing: Vec<Pin<Box<dyn Future<Output = ()> + Send>>>,
    timer: Pin<Box<Sleep>>,
    asked: Pin<Box<dyn Future<Output = ()> + Send>>,
}

type Opening = Pin<Box<dyn Future<Output = Result<Opened, Error>> + Send>>;

/// How long a transport may take to close in order.
const CLOSE_TIME: Duration = Duration::from_secs(2);

impl Driver {
    pub(crate) fn new(
        shared: Arc<Shared>,
        endpoints: Vec<Endpoint>,
        provider: Option<Provider>,
        tls: Arc<rustls::ClientConfig>,
        max_message: usize,
    ) -> Self {
        let asked = wait_for_ask(Arc::clone(&shared));
        Self {
            shared,
            endpoints,
            provider,
            answer: None,
            tls,
            max_message,
            opening: None,
            open: None,
            left: None,
            closing: Vec::new(),
            timer: Box::pin(tokio::time::sleep(Duration::ZERO)),
            asked,
        }
    }

    fn input(&self, input: Input<'_>) {
        let mut state = self.shared.lock();
        let now = state.now();
        state.core.handle_input(input, now);
    }

    fn lost(&self, id: TransportId, error: &Error) {
        self.input(Input::Lost(id, Lost { code: error.code(), detail: error.detail().to_owned() }));
    }

    /// Does what the core asks of its driver, and tells the handles what it has to tell. `true` if
    /// it did something.
    fn serve(&mut self) -> bool {
        let mut state = self.shared.lock();
        let mut requests = Vec::new();
        while let Some(request) = state.core.poll_request() {
            requests.push(request);
        }
        let settled = state.tell(&self.shared);
        drop(state);
        if settled {
            self.shared.room.notify_waiters();
        }
        let busy = !requests.is_empty();
        for request in requests {
            match request {
                Request::Open { transport, endpoint, early } => self.dial(transport, &endpoint, early),
                Request::Close { transport, code } => self.hang_up(transport, code),
                Request::Credentials { id, expired } => {
                    self.answer = self.provider.as_ref().map(|provider| (id, provider.ask(expired)));
                }
                _ => {}
            }
        }
        busy
    }

    /// Whether the session is over, and its last transport closed.
    fn is_over(&self) -> bool {
        self.open.is_none()
            && self.left.is_none()
            && self.closing.is_empty()
            && self.shared.connection.borrow().is_closed()
    }

    fn dial(&mut self, id: TransportId, endpoint: &session::Endpoint, early: Option<Vec<u8>>) {
        let endpoint = match endpoint {
            session::Endpoint::Listed(index) => self.endpoints.get(*index).cloned(),
            session::Endpoint::Redirect(url) => Endpoint::parse(url).ok(),
        };
        let Some(endpoint) = endpoint else {
            return self.lost(id, &Error::with_detail(ErrorCode::ConnectFailed, "there is no such endpoint"));
        };
        let tls = Arc::clone(&self.tls);
        let max_message = self.max_message;
        let open = async move { transport::open(&endpoint, &tls, max_message, early.as_deref()).await };
        self.opening = Some((id, Box::pin(open)));
    }

    fn hang_up(&mut self, id: TransportId, code: u16) {
        if self.opening.as_ref().is_some_and(|(opening, _)| *opening == id) {
            self.opening = None;
        }
        let transport =
            self.open.take_if(|(open, _)| *open == id).or_else(|| self.left.take_if(|(left, _)| *left == id));
        if let Some((_, mut transport)) = transport {
            self.closing.push(Box::pin(async move {
                let frame = CloseFrame { code: code.into(), reason: "".into() };
                // The other side may be gone: closing in order is a courtesy.
                let _done = tokio::time::timeout(CLOSE_TIME, async {
                    let _sent = transport.close(Some(frame)).await;
                    while let Some(Ok(_)) = std::future::poll_fn(|cx| Pin::new(&mut transport).poll_next(cx)).await {}
                })
                .await;
            }));
        }
    }

    fn poll_answer(&mut self, context: &mut Context<'_>) -> bool {
        let Some((id, answer)) = &mut self.answer else { return false };
        let id = *id;
        let Poll::Ready(answer) = answer.as_mut().poll(context) else { return false };
        self.answer = None;
        self.input(Input::Credentials(id, answer));
        true
    }

    fn poll_opening(&mut self, context: &mut Context<'_>) -> bool {
        let Some((id, opening)) = &mut self.opening else { return false };
        let id = *id;
        let Poll::Ready(opened) = opening.as_mut().poll(context) else { return false };
        self.opening = None;
        match opened {
            Ok(Opened { transport, early_taken }) => {
                self.left = self.open.replace((id, transport));
                self.input(Input::Opened { transport: id, early_taken });
            }
            Err(error) => self.lost(id, &error),
        }
        true
    }

    fn poll_receive(&mut self, context: &mut Context<'_>) -> bool {
        let Some((id, transport)) = &mut self.open else { return false };
        let id = *id;
        let Poll::Ready(message) = Pin::new(transport).poll_next(context) else { return false };
        match message {
            Some(Ok(Message::Binary(message))) => self.input(Input::Message(id, &message)),
            Some(Ok(Message::Text(_))) => self.input(Input::TextMessage(id)),
            // The library answers pings and close frames.
            Some(Ok(_)) => {}
            Some(Err(error)) => {
                self.open = None;
                self.lost(id, &receive_error(&error));
            }
            None => {
                self.open = None;
                self.lost(id, &Error::new(ErrorCode::ConnectionLost));
            }
        }
        true
    }

    /// Sends while the transport takes bytes; only then is the core asked what to send.
    fn poll_send(&mut self, context: &mut Context<'_>) -> bool {
        let Some((id, transport)) = &mut self.open else { return false };
        let id = *id;
        let mut transport = Pin::new(transport);
        let sent = match transport.as_mut().poll_ready(context) {
            Poll::Pending => return false,
            Poll::Ready(Err(error)) => Err(error),
            Poll::Ready(Ok(())) => match transport.as_mut().poll_flush(context) {
                Poll::Pending => return false,
                Poll::Ready(Err(error)) => Err(error),
                Poll::Ready(Ok(())) => {
                    let mut message = Vec::new();
                    let mut state = self.shared.lock();
                    let now = state.now();
                    let due = state.core.poll_transmit(&mut message, now);
                    drop(state);
                    if due != Some(id) {
                        return due.is_some_and(|left| self.take_leave(left, message, context));
                    }
                    transport.start_send(Message::Binary(Bytes::from(message)))
                }
            },
        };
        if let Err(error) = sent {
            self.open = None;
            self.lost(id, &receive_error(&error));
        }
        true
    }

    /// Sends the last message over the transport that the session has left, if it takes it at once: a goodbye
    /// is a courtesy there.
    fn take_leave(&mut self, id: TransportId, message: Vec<u8>, context: &mut Context<'_>) -> bool {
        if let Some((_, transport)) = self.left.as_mut().filter(|(left, _)| *left == id) {
            let mut transport = Pin::new(transport);
            if transport.as_mut().poll_ready(context).is_ready() {
                let _sent = transport.start_send(Message::Binary(Bytes::from(message)));
            }
        }
        true
    }

    /// Sets the timer to the core's next deadline. `true` if that has come already.
    fn poll_timer(&mut self, context: &mut Context<'_>) -> bool {
        let mut state = self.shared.lock();
        let now = state.now();
        let Some((deadline, _reason)) = state.core.poll_timeout() else { return false };
        if deadline > now {
            drop(state);
            self.arm(deadline, now);
            if self.timer.as_mut().poll(context).is_pending() {
                return false;
            }
            state = self.shared.lock();
        }
        let now = state.now();
        state.core.handle_input(Input::Tick, now);
        deadline <= now
    }

    fn arm(&mut self, deadline: Timestamp, now: Timestamp) {
        // Rounded up to the timer's grain, so that it never rings before the deadline.
        self.timer.as_mut().reset(Instant::now() + (deadline - now) + Duration::from_millis(1));
    }
}

impl Future for Driver {
    type Output = ();

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let driver = self.get_mut();
        for _ in 0..MESSAGES_IN_A_ROW {
            let mut busy = driver.poll_answer(context);
            busy |= driver.poll_opening(context);
            busy |= driver.poll_receive(context);
            if driver.asked.as_mut().poll(context).is_ready() {
                driver.asked = wait_for_ask(Arc::clone(&driver.shared));
                busy = true;
            }
            busy |= driver.poll_timer(context);
            busy |= driver.serve();
            busy |= driver.poll_send(context);
            driver.closing.retain_mut(|closing| closing.as_mut().poll(context).is_pending());
            if driver.is_over() {
                return Poll::Ready(());
            }
            if !busy {
                return Poll::Pending;
            }
        }
        context.waker().wake_by_ref();
        Poll::Pending
    }
}

fn wait_for_ask(shared: Arc<Shared>) -> Pin<Box<dyn Future<Output = ()> + Send>> {
    Box::pin(async move { shared.driver.notified().await })
}

fn receive_error(error: &WebSocketError) -> Error {
    let code = match error {
        WebSocketError::Capacity(_) => ErrorCode::MessageTooLarge,
        WebSocketError::Protocol(
            tokio_tungstenite::tungstenite::error::ProtocolError::ResetWithoutClosingHandshake,
        ) => ErrorCode::ConnectionLost,
        WebSocketError::Protocol(_) | WebSocketError::Utf8(_) => ErrorCode::TransportViolation,
        _ => ErrorCode::ConnectionLost,
    };
    Error::with_detail(code, error.to_string())
}
