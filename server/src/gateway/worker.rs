//! One worker thread: its sockets, its shard, and the loop between them.

use std::collections::{BTreeSet, VecDeque};
use std::io::ErrorKind;
use std::sync::Arc;
use std::time::Duration;

use mio::{Events, Interest, Poll, Token};
use outpour_core::peer::Batch;
use outpour_core::{ErrorCode, Timestamp};

use super::GatewayConfig;
use super::connection::{Connection, ReadOutcome, Receiver};
use super::drain::{Drain, Moves};
use super::shared::{NewConnection, Post, Shared, WAKE};
use crate::fanout::Shard;
use crate::websocket::Limits;

/// Bytes read from a socket at once. All connections share the buffer.
const READ_BYTES: usize = 64 << 10;
/// About how long a message to a client gets before the rest is left to the next one.
const MESSAGE_BYTES: usize = 64 << 10;
/// How many messages a session is sent before the others have their turn.
const MESSAGES_IN_A_ROW: usize = 16;
/// How many times a socket is read before the others have their turn.
const READS_IN_A_ROW: usize = 4;
/// How long a client has to close its side after the gateway closed its own.
const LINGER: Duration = Duration::from_secs(2);
/// How much longer it has for each KiB of a page that it has not taken yet: a slow line may have 4 KiB/s.
const PAGE_TIME_PER_KIB: Duration = Duration::from_millis(250);

pub(super) struct Worker {
    number: usize,
    poll: Poll,
    shared: Arc<Shared>,
    config: Arc<GatewayConfig>,
    limits: Limits,
    shard: Shard,
    /// By the key of the session.
    connections: Vec<Option<Box<Connection>>>,
    /// How many of them were not refused.
    open: usize,
    /// Who is still to be asked to go elsewhere, while the gateway is drained.
    moves: Option<Moves>,
    /// Sessions whose sockets may have more to read.
    readable: VecDeque<u32>,
    /// Sessions whose clients are gone, but may have left requests.
    gone: Vec<u32>,
    /// Connections that are over, by when they are dropped.
    lingering: BTreeSet<(Timestamp, u32)>,
    batch: Batch,
    post: Post,
    leaving_until: Option<Timestamp>,
}

/// Hands what a connection reads to its session.
struct ToSession<'a> {
    shard: &'a mut Shard,
    key: u32,
    now: Timestamp,
}

impl Receiver for ToSession<'_> {
    fn message(&mut self, message: &[u8]) {
        self.shard.handle_message(self.key, message, self.now);
    }

    fn text(&mut self) {
        self.shard.handle_text(self.key);
    }

    fn control(&mut self) {
        self.shard.handle_control(self.key, self.now);
    }

    fn is_full(&self) -> bool {
        self.shard.is_congested(self.key)
    }
}

impl Worker {
    pub(super) fn new(number: usize, poll: Poll, shared: Arc<Shared>, config: Arc<GatewayConfig>) -> Self {
        let limits = Limits { max_message: config.shard.peer.max_message, ..Limits::default() };
        Self {
            number,
            poll,
            shared,
            limits,
            shard: Shard::new(number as u32, config.shard.clone()),
            config,
            connections: Vec::new(),
            open: 0,
            moves: None,
            readable: VecDeque::new(),
            gone: Vec::new(),
            lingering: BTreeSet::new(),
            batch: Batch::default(),
            post: Post::default(),
            leaving_until: None,
        }
    }

    pub(super) fn run(mut self) {
        let mut events = Events::with_capacity(1024);
        let mut scratch = vec![0; READ_BYTES];
        loop {
            let timeout = self.timeout();
            if let Err(error) = self.poll.poll(&mut events, timeout)
                && error.kind() != ErrorKind::Interrupted
            {
                tracing::error!(%error, "a worker can't wait for its sockets");
                return;
            }
            let now = self.shared.now();
            for event in &events {
                if event.token() == WAKE {
                    continue;
                }
                let key = event.token().0 as u32;
                let ended = event.is_read_closed() || event.is_error();
                if event.is_readable() || ended {
                    self.note_readable(key, ended);
                }
                if event.is_writable() {
                    self.shard.wake(key);
                    self.flush(key, now);
                }
            }
            self.read(&mut scratch, now);
            if self.shard.wants_broker() {
                self.shared.with_broker(self.number, |broker| self.shard.serve(broker, Shared::wall_ms(), now));
            }
            for key in std::mem::take(&mut self.gone) {
                self.drop_connection(key);
            }
            // Everything that the broker had decided when it was lent is known before anyone is told.
            self.take_post(now);
            self.shard.handle_timeout(now);
            self.move_sessions(now);
            self.transmit(now);
            self.drop_lingering(now);
            if self.shared.is_stopping() && self.leave(now) {
                return;
            }
        }
    }

    fn timeout(&self) -> Option<Duration> {
        let now = self.shared.now();
        if !self.readable.is_empty() || self.shard.has_ready() || self.shard.wants_broker() {
            return Some(Duration::ZERO);
        }
        let alarm = self.shard.poll_timeout();
        let lingering = self.lingering.first().map(|(until, _)| *until);
        let moving = self.moves.as_ref().and_then(Moves::next_at);
        let next = alarm.into_iter().chain(lingering).chain(self.leaving_until).chain(moving).min()?;
        // The poll counts in whole milliseconds: wake a little late rather than early and again.
        Some(next - now + Duration::from_millis(1))
    }

    fn note_readable(&mut self, key: u32, ended: bool) {
        let Some(Some(connection)) = self.connections.get_mut(key as usize) else { return };
        connection.ended |= ended;
        if !connection.readable {
            connection.readable = true;
            self.readable.push_back(key);
        }
    }

    /// Gives every readable socket a turn.
    fn read(&mut self, scratch: &mut [u8], now: Timestamp) {
        for _ in 0..self.readable.len() {
            let Some(key) = self.readable.pop_front() else { return };
            let Some(Some(connection)) = self.connections.get_mut(key as usize) else { continue };
            let mut session = ToSession { shard: &mut self.shard, key, now };
            let mut outcome = ReadOutcome::More;
            for _ in 0..READS_IN_A_ROW {
                if outcome != ReadOutcome::More || session.is_full() {
                    break;
                }
                outcome = connection.read(scratch, &self.config, self.limits, &mut session);
            }
            match outcome {
                ReadOutcome::Gone => self.gone.push(key),
                // A session that asks for more than it reads is left alone until it has read.
                ReadOutcome::More if session.is_full() => connection.readable = false,
                ReadOutcome::More => {
                    connection.readable = true;
                    self.readable.push_back(key);
                }
                ReadOutcome::Drained => {}
            }
            self.shard.wake(key);
        }
    }

    fn take_post(&mut self, now: Timestamp) {
        let mut post = std::mem::take(&mut self.post);
        self.shared.take_post(self.number, &mut post);
        for outcome in post.outcomes.drain(..) {
            self.shard.handle_outcome(&outcome);
        }
        for NewConnection { socket, address, refused } in post.connections.drain(..) {
            if self.leaving_until.is_some() {
                self.shared.gone(self.number, refused);
                continue;
            }
            let mut connection = Box::new(Connection::new(socket, address));
            connection.refused = refused;
            if self.shared.drain().is_some() {
                connection.refuse(ErrorCode::ShuttingDown, self.config.retry_after);
            } else if refused {
                connection.refuse(ErrorCode::TooManyConnections, self.config.retry_after);
            }
            self.accept(connection, now);
        }
        self.post = post;
    }

    fn accept(&mut self, mut connection: Box<Connection>, now: Timestamp) {
        let key = self.shard.open(now);
        let interest = Interest::READABLE | Interest::WRITABLE;
        if let Err(error) = self.poll.registry().register(&mut connection.socket, Token(key as usize), interest) {
            tracing::warn!(%error, "a connection can't be watched");
            self.shard.close(key);
            self.shared.gone(self.number, connection.refused);
            return;
        }
        let place = key as usize;
        if self.connections.len() <= place {
            self.connections.resize_with(place + 1, || None);
        }
        if let Some(slot) = self.connections.get_mut(place) {
            self.open += usize::from(!connection.refused);
            *slot = Some(connection);
        }
        self.note_readable(key, false);
        self.shard.wake(key);
    }

    /// Tells every session that has something to be told, as far as its socket takes it.
    fn transmit(&mut self, now: Timestamp) {
        let mut again = Vec::new();
        while let Some(key) = self.shard.poll_ready() {
            // The response to an upgrade and the first message make one packet, if there is one already.
            let holds_response =
                |connection: &Option<Box<Connection>>| connection.as_ref().is_some_and(|it| it.holds_response());
            if !self.connections.get(key as usize).is_some_and(holds_response) && !self.flush(key, now) {
                continue;
            }
            let Some(Some(connection)) = self.connections.get_mut(key as usize) else { continue };
            if !connection.is_open() {
                if !connection.is_closing() && self.shard.poll_transmit(key, &mut self.batch, MESSAGE_BYTES, now) {
                    // Whatever a session has to say before the upgrade is that it is over.
                    let code = self.shard.poll_close(key).unwrap_or_default();
                    connection.close(code, self.config.retry_after);
                    self.flush(key, now);
                }
                continue;
            }
            let was_congested = self.shard.is_congested(key);
            let mut sent = Ok(true);
            let mut messages = 0;
            let (mut bytes, mut own) = (0, 0);
            while messages < MESSAGES_IN_A_ROW
                && matches!(sent, Ok(true))
                && self.shard.poll_transmit(key, &mut self.batch, MESSAGE_BYTES, now)
            {
                sent = connection.send(&self.batch);
                messages += 1;
                bytes += self.batch.len();
                own += self.batch.own_bytes();
            }
            if messages == 0 {
                sent = connection.flush();
            }
            self.shared.count(messages as u64, bytes as u64, own as u64);
            match sent {
                Err(_) => self.drop_connection(key),
                Ok(all) => {
                    if let Some(code) = self.shard.poll_close(key) {
                        connection.close(code, self.config.retry_after);
                        self.flush(key, now);
                    } else if all && messages == MESSAGES_IN_A_ROW {
                        again.push(key);
                    }
                    if was_congested {
                        self.note_readable(key, false);
                    }
                }
            }
        }
        for key in again {
            self.shard.wake(key);
        }
    }

    /// Sends what a connection could not send before. `true` if nothing of it is left and the
    /// connection goes on.
    fn flush(&mut self, key: u32, now: Timestamp) -> bool {
        let Some(Some(connection)) = self.connections.get_mut(key as usize) else { return false };
        let Ok(flushed) = connection.flush() else {
            self.drop_connection(key);
            return false;
        };
        if connection.is_closing() && flushed {
            connection.finish();
        }
        // A client that does not even take the last word is not waited for any longer either.
        if connection.linger.is_none() && (connection.is_closing() || !flushed && self.shard.is_over(key)) {
            let until = now + LINGER + PAGE_TIME_PER_KIB * (connection.page_bytes() / 1024) as u32;
            connection.linger = Some(until);
            self.lingering.insert((until, key));
        }
        flushed
    }

    fn drop_lingering(&mut self, now: Timestamp) {
        while let Some((until, key)) = self.lingering.first().copied()
            && until <= now
        {
            self.lingering.pop_first();
            if let Some(Some(connection)) = self.connections.get(key as usize)
                && connection.linger == Some(until)
            {
                self.drop_connection(key);
            }
        }
    }

    fn drop_connection(&mut self, key: u32) {
        let Some(mut connection) = self.connections.get_mut(key as usize).and_then(Option::take) else { return };
        if let Err(error) = self.poll.registry().deregister(&mut connection.socket) {
            tracing::debug!(%error, "a socket was not watched");
        }
        tracing::debug!(address = %connection.address, "disconnected");
        self.shard.close(key);
        self.shared.gone(self.number, connection.refused);
        self.open -= usize::from(!connection.refused);
    }

    /// Asks the sessions whose turn it is to go elsewhere, once the gateway is drained.
    fn move_sessions(&mut self, now: Timestamp) {
        let Some(drain) = self.shared.drain() else { return };
        if self.leaving_until.is_some() {
            return;
        }
        let moves = self.moves.get_or_insert_with(|| {
            let mut sessions = Vec::new();
            for (key, connection) in (0..).zip(&mut self.connections) {
                match connection {
                    Some(connection) if connection.is_open() => sessions.push(key),
                    Some(connection) if !connection.is_closing() => {
                        connection.refuse(ErrorCode::ShuttingDown, self.config.retry_after);
                        self.shard.wake(key);
                    }
                    _ => {}
                }
            }
            Moves::new(sessions.into_iter(), drain, now)
        });
        while let Some(key) = moves.pop(now) {
            let still = |connection: &Option<Box<Connection>>| connection.as_ref().is_some_and(|it| it.is_open());
            if self.connections.get(key as usize).is_some_and(still)
                && !self.shard.move_away(key, drain.deadline - now, || drain.next_redirect())
            {
                moves.postpone(key, now);
            }
        }
    }

    /// Tells every session to come back to another gateway, or to this one when it may be there again: not all at once.
    fn say_goodbyes(&mut self) {
        let code = ErrorCode::ShuttingDown;
        let count = u32::try_from(self.open).unwrap_or(u32::MAX).max(1);
        let sessions = (0..).zip(&self.connections).filter(|(_, connection)| connection.is_some());
        for (turn, (key, _)) in (0..).zip(sessions) {
            let spread = self.config.retry_after * (turn % count) / count;
            let redirect = self.shared.drain().map_or("", Drain::next_redirect);
            let retry_after = if redirect.is_empty() { self.config.retry_after + spread } else { spread };
            self.shard.send_away(key, code, code.message(), retry_after, redirect);
        }
    }

    /// Takes leave of all sessions. `true` when the worker is done.
    fn leave(&mut self, now: Timestamp) -> bool {
        let Some(grace) = self.shared.grace().filter(|_| self.open > 0) else { return true };
        let Some(until) = self.leaving_until else {
            self.leaving_until = Some(now + grace);
            self.moves = None;
            self.say_goodbyes();
            self.transmit(now);
            return self.open == 0;
        };
        until <= now
    }
}
