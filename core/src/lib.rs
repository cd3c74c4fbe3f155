//! The Outpour protocol and nothing else: no sockets, no clock, no tasks, no randomness.
//!
//! Both halves of the conversation live here: [`session`] is the client's, [`peer`] the gateway's.
//! A driver feeds in what happened and when, and drains what follows from it; the same inputs
//! always give the same outputs.
#![no_std]

extern crate alloc;

pub mod check;
#[cfg(any(test, target_arch = "wasm32"))]
mod crc;
mod decimal;
pub mod delta;
mod error;
mod path;
pub mod peer;
mod position;
mod selector;
pub mod session;
mod time;
mod value;
pub mod wire;

pub use error::{ErrorCode, Fault};
pub use path::{MAX_PATH_BYTES, MAX_PATH_SEGMENTS, Path, PathError};
pub use position::{
    Epoch, FetchId, Partition, Position, PublishNumber, PublisherId, ResumePoint, SubscriptionId, TopicNumber, Version,
};
pub use selector::{MAX_DEEP_WILDCARDS, Selector, SelectorError};
pub use time::Timestamp;
pub use value::{TopicKind, Value, ValueType};
