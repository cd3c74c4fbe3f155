//! Fan-out: which sessions follow which topics, and what each is told when.
//!
//! A [`Shard`] is the part of it that one worker thread owns: its sessions, and a view of every
//! topic that they select. Like the broker it is a pure state machine.

mod fetching;
mod greeting;
mod matching;
mod session;
mod shard;
mod views;

pub use shard::{Shard, ShardConfig};
