//! One socket: HTTP upgrade, then frames; and what could not yet be sent.

use std::collections::VecDeque;
use std::io::{self, ErrorKind, IoSlice, Read, Write};
use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use mio::net::TcpStream;
use outpour_core::peer::Batch;
use outpour_core::{ErrorCode, Timestamp};

use super::GatewayConfig;
use crate::site::Answer;
use crate::websocket::{Event, Limits, MessageKind, Opcode, Reader, Upgrade, UpgradeStatus, close_frame, header, pong};

/// How many pieces are handed to the kernel in one call.
const MAX_PIECES: usize = 64;
/// Pongs that may wait for a client that pings but does not read.
const MAX_UNSENT_PONGS: usize = 4 << 10;

#[derive(Debug)]
pub(super) struct Connection {
    pub(super) socket: TcpStream,
    pub(super) address: SocketAddr,
    phase: Phase,
    unsent: VecDeque<Bytes>,
    /// A response that the first message may follow in the same packet.
    held: Option<Bytes>,
    /// Whether the socket may have bytes that have not been read.
    pub(super) readable: bool,
    /// Whether the client has closed its side, or the socket is broken: reading goes on until it says so.
    pub(super) ended: bool,
    /// Whether there was no room for the connection: it is only told so.
    pub(super) refused: bool,
    /// Whether the last thing to send is a page that was asked for.
    is_page: bool,
    finished: bool,
    /// When a connection that is over is dropped although the client has not closed its side.
    pub(super) linger: Option<Timestamp>,
}

#[derive(Debug)]
enum Phase {
    /// The request's head has not come whole.
    Upgrading(Vec<u8>),
    Open(Reader),
    /// A close frame or a refusal is the last that is sent; what comes in is thrown away.
    Closing,
}

/// What reading has brought.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum ReadOutcome {
    /// There may be more.
    More,
    /// Nothing more for now.
    Drained,
    /// The connection is gone.
    Gone,
}

/// What a connection hands to its session.
pub(super) trait Receiver {
    fn message(&mut self, message: &[u8]);
    fn text(&mut self);
    /// A ping or pong came.
    fn control(&mut self);
    /// Whether the session wants no more for now.
    fn is_full(&self) -> bool;
}

impl Connection {
    pub(super) const fn new(socket: TcpStream, address: SocketAddr) -> Self {
        Self {
            socket,
            address,
            phase: Phase::Upgrading(Vec::new()),
            unsent: VecDeque::new(),
            held: None,
            readable: false,
            ended: false,
            refused: false,
            is_page: false,
            finished: false,
            linger: None,
        }
    }

    pub(super) const fn is_open(&self) -> bool {
        matches!(self.phase, Phase::Open(_))
    }

    pub(super) const fn is_closing(&self) -> bool {
        matches!(self.phase, Phase::Closing)
    }

    /// Reads once from the socket, and hands whole messages to the session.
    pub(super) fn read(
        &mut self,
        scratch: &mut [u8],
        config: &GatewayConfig,
        limits: Limits,
        session: &mut impl Receiver,
    ) -> ReadOutcome {
        let wanted = match &self.phase {
            Phase::Upgrading(head) => (config.upgrade.max_head + 1).saturating_sub(head.len()).min(scratch.len()),
            Phase::Open(_) | Phase::Closing => scratch.len(),
        };
        let (scratch, _) = scratch.split_at_mut(wanted);
        let length = match self.socket.read(scratch) {
            Ok(0) => return ReadOutcome::Gone,
            Ok(length) => length,
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                self.readable = false;
                return ReadOutcome::Drained;
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => return ReadOutcome::More,
            Err(_) => return ReadOutcome::Gone,
        };
        let filled = length == wanted;
        let (input, _) = scratch.split_at_mut(length);
        match &mut self.phase {
            Phase::Closing => {}
            Phase::Open(_) => self.read_frames(input, session),
            Phase::Upgrading(head) => {
                head.extend_from_slice(input);
                let head = std::mem::take(head);
                self.upgrade(head, config, limits, session);
            }
        }
        // A short read has emptied the socket; the next event tells of more. None follows the end.
        if filled || self.ended {
            ReadOutcome::More
        } else {
            self.readable = false;
            ReadOutcome::Drained
        }
    }

    fn upgrade(&mut self, mut head: Vec<u8>, config: &GatewayConfig, limits: Limits, session: &mut impl Receiver) {
        match Upgrade::parse(&head, &config.upgrade) {
            UpgradeStatus::NeedMore => self.phase = Phase::Upgrading(head),
            UpgradeStatus::Accepted { response, consumed, request, early } => {
                tracing::debug!(address = %self.address, agent = request.user_agent, early = early.is_some(), "upgraded");
                self.phase = Phase::Open(Reader::new(limits));
                self.held = Some(Bytes::from(response));
                if let Some(message) = early {
                    session.message(&message);
                }
                let rest = head.get_mut(consumed..).unwrap_or_default();
                self.read_frames(rest, session);
            }
            UpgradeStatus::Http { request, wanted } => {
                let Answer { head, body } = config.site.answer(&request, &wanted);
                self.close_with(Bytes::from(head));
                self.unsent.extend(Some(body).filter(|body| !body.is_empty()));
                self.is_page = true;
            }
            UpgradeStatus::Rejected { response, reason } => {
                tracing::debug!(address = %self.address, ?reason, "refused to upgrade");
                self.close_with(Bytes::from(response));
            }
        }
    }

    fn read_frames(&mut self, input: &mut [u8], session: &mut impl Receiver) {
        let Phase::Open(reader) = &mut self.phase else { return };
        let mut input = input;
        let mut newest_ping = None;
        let ending = loop {
            match reader.next_event(&mut input) {
                Ok(None) => break None,
                Ok(Some(Event::Message { kind: MessageKind::Binary, payload })) => session.message(&payload),
                Ok(Some(Event::Message { kind: MessageKind::Text, .. })) => session.text(),
                Ok(Some(Event::Ping(payload))) => {
                    session.control();
                    newest_ping = Some(pong(&payload));
                }
                Ok(Some(Event::Pong(_))) => session.control(),
                Ok(Some(Event::Close { code, .. })) => break Some(close_frame(code, "")),
                Err(error) => break Some(close_frame(Some(error.close_code()), &error.to_string())),
            }
        };
        // Of several pings only the newest need be answered (RFC 6455 §5.5.3).
        if let Some(pong) = newest_ping
            && self.unsent_bytes() < MAX_UNSENT_PONGS
        {
            self.unsent.push_back(Bytes::copy_from_slice(&pong));
        }
        if let Some(frame) = ending {
            self.close_with(Bytes::copy_from_slice(&frame));
        }
    }

    /// The last thing to send: nothing is read or told after it.
    fn close_with(&mut self, last: Bytes) {
        self.phase = Phase::Closing;
        self.unsent.push_back(last);
    }

    fn unsent_bytes(&self) -> usize {
        self.unsent.iter().map(Bytes::len).sum()
    }

    /// How many bytes of a page are still to be sent.
    pub(super) fn page_bytes(&self) -> usize {
        if self.is_page { self.unsent_bytes() } else { 0 }
    }

    /// Sends a close frame after what is unsent.
    pub(super) fn close(&mut self, code: u16, retry_after: Duration) {
        match self.phase {
            Phase::Open(_) => self.close_with(Bytes::copy_from_slice(&close_frame(Some(code), ""))),
            // Without an upgrade there is nobody to tell in frames.
            Phase::Upgrading(_) if code == ErrorCode::ShuttingDown.number() => {
                self.refuse(ErrorCode::ShuttingDown, retry_after);
            }
            Phase::Upgrading(_) => self.answer(408, "The request did not come in time.\n"),
            Phase::Closing => {}
        }
    }

    /// Refuses the connection for a while, whatever was or will be asked for, and closes.
    pub(super) fn refuse(&mut self, code: ErrorCode, retry_after: Duration) {
        self.close_with(Bytes::from(crate::websocket::unavailable(code.message(), retry_after)));
    }

    /// Answers with a page, whatever was or will be asked for, and closes.
    fn answer(&mut self, status: u16, sentence: &str) {
        let page = crate::websocket::http_response(status, "text/plain; charset=utf-8", sentence.as_bytes());
        self.close_with(Bytes::from(page));
    }

    /// Tells the client that nothing more follows.
    pub(super) fn finish(&mut self) {
        if !self.finished {
            self.finished = true;
            // The client may have gone first.
            let _gone = self.socket.shutdown(std::net::Shutdown::Write);
        }
    }

    /// Whether the next thing to do is to [send](Self::send) a message, although a response is still unsent.
    pub(super) fn holds_response(&self) -> bool {
        self.held.is_some() && self.is_open() && self.unsent.is_empty()
    }

    /// Sends what is unsent. `Ok(true)` when all of it is.
    pub(super) fn flush(&mut self) -> io::Result<bool> {
        if let Some(response) = self.held.take() {
            self.unsent.push_front(response);
        }
        while !self.unsent.is_empty() {
            let mut slices = [IoSlice::new(&[]); MAX_PIECES];
            let mut count = 0;
            for (slot, bytes) in slices.iter_mut().zip(&self.unsent) {
                *slot = IoSlice::new(bytes);
                count += 1;
            }
            let Some(mut sent) = write(&mut self.socket, slices.get(..count).unwrap_or_default())? else {
                return Ok(false);
            };
            while let Some(front) = self.unsent.front_mut() {
                if sent < front.len() {
                    bytes::Buf::advance(front, sent);
                    break;
                }
                sent -= front.len();
                self.unsent.pop_front();
            }
        }
        if self.unsent.capacity() > 0 {
            self.unsent = VecDeque::new();
        }
        Ok(true)
    }

    /// Sends a message, and before it the response that was held. What the kernel does not take is kept.
    /// `Ok(true)` when nothing is left.
    pub(super) fn send(&mut self, batch: &Batch) -> io::Result<bool> {
        let response = self.held.take().unwrap_or_default();
        let head = header(Opcode::Binary, batch.len());
        let total = response.len() + head.len() + batch.len();
        let mut sent = 0;
        let held = Some(&*response).filter(|response| !response.is_empty());
        let mut pieces = held.into_iter().chain(std::iter::once(&*head)).chain(batch.slices());
        // The usual message is given to the kernel in one call; a long one in several.
        loop {
            let mut slices = [IoSlice::new(&[]); MAX_PIECES];
            let mut count = 0;
            let mut length = 0;
            for (slot, piece) in slices.iter_mut().zip(pieces.by_ref()) {
                *slot = IoSlice::new(piece);
                count += 1;
                length += piece.len();
            }
            if count == 0 {
                return Ok(true);
            }
            let taken = write(&mut self.socket, slices.get(..count).unwrap_or_default())?.unwrap_or(0);
            sent += taken;
            if taken < length {
                break;
            }
        }
        debug_assert!(sent < total, "the message was sent whole");
        if sent < response.len() {
            self.unsent.push_back(response.slice(sent..));
        }
        let sent = sent.saturating_sub(response.len());
        if sent < head.len() {
            self.unsent.push_back(Bytes::copy_from_slice(head.get(sent..).unwrap_or_default()));
        }
        self.unsent.extend(batch.rest(sent.saturating_sub(head.len())));
        Ok(false)
    }
}

/// Writes once. `None` if the kernel takes nothing now.
fn write(socket: &mut TcpStream, slices: &[IoSlice<'_>]) -> io::Result<Option<usize>> {
    loop {
        match socket.write_vectored(slices) {
            Ok(0) => return Err(ErrorKind::WriteZero.into()),
            Ok(sent) => return Ok(Some(sent)),
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(None),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}
