//! A broker on a disk: what survives a restart, a crash at any step, and damage.

#![allow(clippy::unwrap_used, reason = "a test may end in a panic")]

mod crashes;
mod damage;
mod directory;
mod refusals;
mod restarts;
mod workload;
