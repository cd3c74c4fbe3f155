//! What a client says, written when its transport can take it.

use alloc::vec::Vec;

use super::event::TransportId;
use super::link::Phase;
use super::{Outgoing, Session};
use crate::position::TopicNumber;
use crate::time::Timestamp;
use crate::wire::{ClientFrame, Hello, MIN_MESSAGE_BYTES, PROTOCOL_MAJOR, PROTOCOL_MINOR, Welcome};

/// About how long a message gets before the rest is left to the next one.
const MESSAGE_BYTES: usize = 64 << 10;
/// The longest message that is offered in the WebSocket handshake: in base64 it takes 4 KiB.
const EARLY_BYTES: usize = 3 << 10;

impl Session {
    /// Writes the next message into `message`, which is to be empty, and names the transport to send
    /// it over. To be called only while that can take bytes: what changes until then is written as it
    /// is by then.
    #[must_use]
    pub fn poll_transmit(&mut self, message: &mut Vec<u8>, now: Timestamp) -> Option<TransportId> {
        self.link.advance(now);
        let transport = match self.link.take_last_message(message) {
            Some(transport) => transport,
            None => {
                let transport = self.link.open_transport()?;
                self.write(message);
                transport
            }
        };
        if message.is_empty() {
            return None;
        }
        self.statistics.bytes_out += message.len() as u64;
        Some(transport)
    }

    fn write(&mut self, message: &mut Vec<u8>) {
        match (&mut self.link.phase, self.welcome) {
            (Phase::Greeting { is_hello_due, .. }, known) if *is_hello_due => {
                *is_hello_due = false;
                // A gateway whose limit is not known takes at least so much.
                let limit = known
                    .map_or(MIN_MESSAGE_BYTES, |welcome| usize::try_from(welcome.max_message).unwrap_or(usize::MAX));
                if !self.write_hello(true, limit, message) {
                    message.clear();
                    self.write_hello(false, limit, message);
                }
                self.write_subscriptions(MESSAGE_BYTES.min(limit / 2), message);
            }
            (Phase::Live { .. }, Some(welcome)) => self.write_due(message, &welcome),
            _ => {}
        }
    }

    /// The first message, as far as it can be offered in the WebSocket handshake.
    pub(super) fn compose_early(&mut self) -> Option<Vec<u8>> {
        // What a request says may be written to the logs of proxies.
        if !self.keyring.is_empty() {
            return None;
        }
        let mut message = Vec::new();
        let fits = self.write_hello(true, EARLY_BYTES, &mut message);
        self.write_subscriptions(EARLY_BYTES / 2, &mut message);
        (fits && message.len() <= EARLY_BYTES).then_some(message)
    }

    /// Writes the hello, and queues what has to be said of subscriptions. `false` if it is longer than
    /// `limit`.
    fn write_hello(&mut self, may_resume: bool, limit: usize, message: &mut Vec<u8>) -> bool {
        self.subscriptions.claim_stored();
        let resume = if may_resume { self.settle_resume_point() } else { None };
        self.has_resumed = resume.is_some();
        self.asks_late = resume.is_none() && self.subscriptions.any_resumable();
        ClientFrame::Hello(Hello {
            major: PROTOCOL_MAJOR,
            minor: PROTOCOL_MINOR,
            publisher: self.publisher,
            settled: self.publishing.settled(),
            max_message: self.config.max_message as u64,
            agent: &self.config.agent,
            resume,
            credentials: self.keyring.bytes(),
        })
        .encode(message);
        self.outgoing.clear();
        if !self.asks_late {
            self.resubscribe();
        }
        message.len() <= limit
    }

    fn write_subscriptions(&mut self, limit: usize, message: &mut Vec<u8>) {
        while message.len() < limit
            && let Some(outgoing) = self.outgoing.pop_front()
        {
            match outgoing {
                Outgoing::Subscribe(id) => self.write_subscribe(id, message),
                Outgoing::Unsubscribe(id) => ClientFrame::Unsubscribe { id }.encode(message),
            }
        }
    }

    pub(super) fn write_due(&mut self, message: &mut Vec<u8>, welcome: &Welcome<'_>) {
        let room = usize::try_from(welcome.max_message).unwrap_or(usize::MAX);
        // Frames but those of publishes are short: with half of the room left the next one fits.
        let limit = MESSAGE_BYTES.min(room / 2);
        if let Some(token) = self.pong.take() {
            ClientFrame::Pong { token }.encode(message);
        }
        let says_more = !self.outgoing.is_empty()
            || !self.repairs.is_empty()
            || self.fetches.is_due()
            || self.publishing.is_due(welcome.max_in_flight);
        self.write_ping(says_more, message);
        self.write_subscriptions(limit, message);
        while message.len() < limit
            && let Some((number, _)) = self.repairs.pop_first()
        {
            ClientFrame::Repair { topic: TopicNumber(number as u32) }.encode(message);
        }
        while message.len() < limit && self.write_fetch(message) {}
        while message.len() < limit && self.publishing.is_due(welcome.max_in_flight) {
            // A large value that comes last must not take the message past the gateway's limit.
            if !message.is_empty() && message.len() + self.publishing.next_size() > limit {
                break;
            }
            if let Some(verdict) = self.publishing.transmit(message, welcome) {
                self.settle(verdict);
            }
        }
        self.close_if_settled();
    }
}
