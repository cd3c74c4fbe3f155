//! Updates as records. One is
//!
//! ```text
//! kind u8, flags u8, type u8, path length u16, value length u32, wire bytes u32,
//! version u64, sequence f64, last f64, [ epoch 16 ], path, value
//! ```

use outpour_core::Epoch;
use outpour_core::session::{Replica, Update, UpdateKind};

use crate::records::Records;

const VALUE: u8 = 1;
const EVENT: u8 = 2;
const REMOVED: u8 = 3;
const GAP: u8 = 4;
/// Flags.
const STALE: u8 = 1;
const NEW_EPOCH: u8 = 2;

impl Records {
    /// Appends an update. Its epoch is written where it is another than that of the one before.
    pub(crate) fn update(&mut self, update: &Update, epoch: &mut Option<Epoch>) {
        let none: &[u8] = &[];
        let (kind, value_type, value, version, sequence, last) = match &update.kind {
            UpdateKind::Value { value, version } => {
                (VALUE, value.value_type().code(), value.bytes().as_ref(), version.0, 0, 0)
            }
            UpdateKind::Event { value, version, sequence } => {
                (EVENT, value.value_type().code(), value.bytes().as_ref(), version.0, *sequence, 0)
            }
            UpdateKind::Gap { first, last } => (GAP, 0, none, 0, *first, *last),
            _ => (REMOVED, 0, none, 0, 0, 0),
        };
        let is_new = *epoch != Some(update.epoch);
        self.u8(kind);
        self.u8((u8::from(update.stale) * STALE) | (u8::from(is_new) * NEW_EPOCH));
        self.u8(value_type);
        let path = update.path.as_str();
        self.u16(path.len() as u16);
        self.u32(value.len() as u32);
        self.u32(update.wire_bytes as u32);
        self.u64(version);
        self.f64(sequence as f64);
        self.f64(last as f64);
        if is_new {
            self.0.extend_from_slice(&update.epoch.0);
            *epoch = Some(update.epoch);
        }
        self.0.extend_from_slice(path.as_bytes());
        self.0.extend_from_slice(value);
    }

    /// Appends a replica: its age, whether it is stale, type, version, path and value.
    pub(crate) fn replica(&mut self, replica: &Replica, age: f64) {
        self.f64(age);
        self.u8(replica.stale.into());
        self.u8(replica.value.value_type().code());
        self.u64(replica.version.0);
        self.text(replica.path.as_str());
        self.bytes(replica.value.bytes());
    }
}
