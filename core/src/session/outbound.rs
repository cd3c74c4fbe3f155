//! What a client says, written when its transport can take it.

use alloc::vec::Vec;

use super::event::{TransportId, UpdateKind};
use super::link::Phase;
use super::{Outgoing, Session};
use crate::error::ErrorCode;
use crate::time::Timestamp;
use crate::wire::{ClientFrame, Hello, PROTOCOL_MAJOR, PROTOCOL_MINOR};

/// About how long a message gets before the rest is left to the next one.
const MESSAGE_BYTES: usize = 64 << 10;

impl Session {
    /// Writes the next message into `message`, which is to be empty, and names the transport to send
    /// it over. To be called only while that can take bytes.
    #[must_use]
    pub fn poll_transmit(&mut self, message: &mut Vec<u8>, _now: Timestamp) -> Option<TransportId> {
        let transport = match self.link.take_last_words(message) {
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
        let limit = self.welcome.map_or(MESSAGE_BYTES, |welcome| MESSAGE_BYTES.min(welcome.max_message as usize / 2));
        while message.len() < limit
            && let Some(outgoing) = self.outgoing.pop_front()
        {
            self.write_outgoing(outgoing, message);
        }
        if !self.is_live() {
            return;
        }
        if let Some(token) = self.pong.take() {
            ClientFrame::Pong { token }.encode(message);
        }
        let Some(welcome) = self.welcome else { return };
        let room = welcome.max_message as usize;
        while message.len() < limit && self.publishing.is_due(welcome.max_in_flight) {
            // A large value that comes last must not take the message past the gateway's limit.
            if !message.is_empty() && message.len() + self.publishing.next_size() > room {
                break;
            }
            let verdict = self.publishing.transmit(message, welcome.max_in_flight, welcome.max_value);
            if let Some(verdict) = verdict {
                self.settle(verdict);
            }
        }
    }

    fn write_outgoing(&mut self, outgoing: Outgoing, message: &mut Vec<u8>) {
        match outgoing {
            Outgoing::Hello => ClientFrame::Hello(Hello {
                major: PROTOCOL_MAJOR,
                minor: PROTOCOL_MINOR,
                publisher: self.publisher,
                settled: self.publishing.settled(),
                max_message: self.config.max_message as u64,
                agent: &self.config.agent,
            })
            .encode(message),
            Outgoing::Subscribe(id) => self.write_subscribe(id, message),
            Outgoing::Unsubscribe(id) => ClientFrame::Unsubscribe { id }.encode(message),
            Outgoing::Repair(topic) => ClientFrame::Repair { topic }.encode(message),
            Outgoing::Fetch(id) => {
                if let Some(fetch) = self.fetches.get(&id) {
                    let selector = fetch.selector.as_str().as_bytes();
                    ClientFrame::Fetch { id, selector, history: fetch.history, limit: fetch.limit }.encode(message);
                }
            }
        }
    }

    /// When the last publish is settled, a session that is to be closed is.
    pub(super) fn close_if_settled(&mut self) {
        if matches!(self.link.phase, Phase::Closing { .. }) && self.publishing.is_empty() {
            self.finish(ErrorCode::Closed, alloc::string::String::new());
        }
    }
}

/// How many bytes the value of an update has.
pub(super) fn value_bytes(kind: &UpdateKind) -> usize {
    match kind {
        UpdateKind::Value { value, .. } | UpdateKind::Event { value, .. } => value.bytes().len(),
        UpdateKind::Gap { .. } | UpdateKind::Removed => 0,
    }
}
