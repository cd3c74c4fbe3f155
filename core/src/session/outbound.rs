//! What a client says, written when its transport can take it.

use alloc::vec::Vec;

use super::event::TransportId;
use super::link::Phase;
use super::{Outgoing, Session};
use crate::time::Timestamp;
use crate::wire::{ClientFrame, Hello, PROTOCOL_MAJOR, PROTOCOL_MINOR, Welcome};

/// About how long a message gets before the rest is left to the next one.
const MESSAGE_BYTES: usize = 64 << 10;

impl Session {
    /// Writes the next message into `message`, which is to be empty, and names the transport to send
    /// it over. To be called only while that can take bytes: what changes until then is written as it
    /// is by then.
    #[must_use]
    pub fn poll_transmit(&mut self, message: &mut Vec<u8>, _now: Timestamp) -> Option<TransportId> {
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
            (Phase::Greeting { is_hello_due, .. }, _) if *is_hello_due => {
                *is_hello_due = false;
                self.write_hello(message);
            }
            (Phase::Live { .. }, Some(welcome)) => self.write_due(message, &welcome),
            _ => {}
        }
    }

    fn write_hello(&self, message: &mut Vec<u8>) {
        ClientFrame::Hello(Hello {
            major: PROTOCOL_MAJOR,
            minor: PROTOCOL_MINOR,
            publisher: self.publisher,
            settled: self.publishing.settled(),
            max_message: self.config.max_message as u64,
            agent: &self.config.agent,
        })
        .encode(message);
    }

    fn write_due(&mut self, message: &mut Vec<u8>, welcome: &Welcome) {
        let room = usize::try_from(welcome.max_message).unwrap_or(usize::MAX);
        // Frames but those of publishes are short: with half of the room left the next one fits.
        let limit = MESSAGE_BYTES.min(room / 2);
        if let Some(token) = self.pong.take() {
            ClientFrame::Pong { token }.encode(message);
        }
        while message.len() < limit
            && let Some(outgoing) = self.outgoing.pop_front()
        {
            match outgoing {
                Outgoing::Subscribe(id) => self.write_subscribe(id, message),
                Outgoing::Unsubscribe(id) => ClientFrame::Unsubscribe { id }.encode(message),
            }
        }
        while message.len() < limit
            && let Some(topic) = self.repairs.pop_first()
        {
            ClientFrame::Repair { topic }.encode(message);
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
