//! What an engine hands out: records one after the other in one buffer, read by `bindings/js/src/records.ts`.
//!
//! Numbers are little-endian. A text is its length in bytes (u32) and UTF-8. Counts, tickets and sequence numbers are
//! doubles, versions are u64. The first byte of a record is its kind.

use outpour_core::session::{Event, MissedEvents, ResumeOutcome};
use outpour_core::{ErrorCode, SubscriptionId, TopicKind};

use crate::clock::milliseconds;

pub(crate) mod kind {
    pub(crate) const CONNECTING: u8 = 16;
    pub(crate) const CONNECTED: u8 = 17;
    pub(crate) const DISCONNECTED: u8 = 18;
    pub(crate) const CLOSED: u8 = 19;
    pub(crate) const SUSPENDED: u8 = 20;
    pub(crate) const MOVING: u8 = 21;
    pub(crate) const RESUMED: u8 = 22;
    pub(crate) const SUBSCRIBED: u8 = 23;
    pub(crate) const REFUSED: u8 = 24;
    pub(crate) const SETTLED: u8 = 25;
    pub(crate) const FETCHED: u8 = 26;
    pub(crate) const READABLE: u8 = 27;
    pub(crate) const CREDENTIALS: u8 = 28;
    pub(crate) const MOVED: u8 = 29;
}

/// Appends fields.
#[derive(Debug, Default)]
pub(crate) struct Records(pub(crate) Vec<u8>);

impl Records {
    pub(crate) fn u8(&mut self, value: u8) {
        self.0.push(value);
    }

    pub(crate) fn u16(&mut self, value: u16) {
        self.0.extend_from_slice(&value.to_le_bytes());
    }

    pub(crate) fn u32(&mut self, value: u32) {
        self.0.extend_from_slice(&value.to_le_bytes());
    }

    pub(crate) fn u64(&mut self, value: u64) {
        self.0.extend_from_slice(&value.to_le_bytes());
    }

    pub(crate) fn f64(&mut self, value: f64) {
        self.0.extend_from_slice(&value.to_le_bytes());
    }

    pub(crate) fn text(&mut self, text: &str) {
        self.bytes(text.as_bytes());
    }

    pub(crate) fn bytes(&mut self, bytes: &[u8]) {
        self.u32(bytes.len() as u32);
        self.0.extend_from_slice(bytes);
    }

    pub(crate) fn readable(&mut self, id: SubscriptionId) {
        self.u8(kind::READABLE);
        self.u32(id.0);
    }

    pub(crate) fn credentials(&mut self, id: f64, expired: bool) {
        self.u8(kind::CREDENTIALS);
        self.f64(id);
        self.u8(expired.into());
    }

    pub(crate) fn event(&mut self, event: Event) {
        match event {
            Event::Connecting { attempt } => {
                self.u8(kind::CONNECTING);
                self.u32(attempt);
            }
            Event::Connected { epoch } | Event::Moved { epoch } => {
                self.u8(if matches!(event, Event::Connected { .. }) { kind::CONNECTED } else { kind::MOVED });
                self.0.extend_from_slice(&epoch.0);
            }
            Event::Moving { within } => {
                self.u8(kind::MOVING);
                self.f64(milliseconds(within));
            }
            Event::Suspended => self.u8(kind::SUSPENDED),
            Event::Disconnected { code, detail, retry_in } => {
                self.u8(kind::DISCONNECTED);
                self.u16(code.number());
                self.text(&detail);
                self.f64(retry_in.map_or(-1.0, milliseconds));
            }
            Event::Closed { code, detail } => {
                self.u8(kind::CLOSED);
                self.u16(code.number());
                self.text(&detail);
            }
            Event::Resumed { away, outcome } => {
                self.u8(kind::RESUMED);
                self.f64(milliseconds(away));
                self.outcome(&outcome);
            }
            Event::Subscribed { id, topics } => {
                self.u8(kind::SUBSCRIBED);
                self.u32(id.0);
                self.f64(topics as f64);
            }
            Event::SubscriptionRefused { id, code } => {
                self.u8(kind::REFUSED);
                self.u32(id.0);
                self.u16(code.number());
            }
            Event::PublishSettled { ticket, verdict } => {
                let (code, version) = match verdict {
                    Ok(version) => (0, version),
                    Err(refusal) => (refusal.code.number(), refusal.version),
                };
                self.u8(kind::SETTLED);
                self.f64(ticket.0 as f64);
                self.u16(code);
                self.u64(version.0);
            }
            Event::FetchEnded { id, items, more } => {
                self.u8(kind::FETCHED);
                self.f64(id.0 as f64);
                self.u16(0);
                self.u8(more.into());
                self.u32(items.len() as u32);
                for item in items {
                    self.text(item.path.as_str());
                    self.u8((item.kind == TopicKind::Event).into());
                    self.u8(item.value.value_type().code());
                    self.u64(item.version.0);
                    self.f64(item.sequence as f64);
                    self.bytes(item.value.bytes());
                }
            }
            Event::FetchFailed { id, code } => {
                self.u8(kind::FETCHED);
                self.f64(id.0 as f64);
                self.u16(code.number());
            }
            _ => {}
        }
    }

    fn outcome(&mut self, outcome: &ResumeOutcome) {
        let (number, missed, more): (u8, &[MissedEvents], u64) = match outcome {
            ResumeOutcome::Complete => (0, &[], 0),
            ResumeOutcome::Gaps { missed, more } => (1, missed, *more),
            _ => (2, &[], 0),
        };
        self.u8(number);
        self.f64(more as f64);
        self.u32(missed.len() as u32);
        for MissedEvents { path, first, last } in missed {
            self.text(path.as_str());
            self.f64(*first as f64);
            self.f64(*last as f64);
        }
    }
}

/// The number of a code as it is returned to JavaScript from calls that fail: negative.
pub(crate) fn refusal(code: ErrorCode) -> f64 {
    -f64::from(code.number())
}
