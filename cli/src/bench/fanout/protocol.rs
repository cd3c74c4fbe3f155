//! What the generator must know of a protocol: how to open a connection and how to publish. Everything that a
//! subscriber receives after that is searched for stamps, in whatever protocol it comes.

use std::{fmt::Debug, time::Duration};

/// What a connection is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    Publisher,
    /// Subscribes to the topic of this number.
    Subscriber(u32),
}

/// How far a connection's opening has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Progress {
    /// More bytes are needed.
    Waiting,
    /// This many bytes are dealt with; call again with the rest.
    Step(usize),
    /// The connection is ready for its role. Bytes after this many are not part of the opening.
    Ready(usize),
}

/// One way to speak to a server that fans out.
pub(super) trait Protocol: Debug {
    /// What to send as soon as the connection stands.
    fn open(&self, role: Role, out: &mut Vec<u8>);

    /// Looks at what was `received` and not dealt with so far. `step` counts the [`Progress::Step`]s before. The error
    /// says what the server sent instead of what was due.
    fn advance(&mut self, role: Role, step: u32, received: &[u8], out: &mut Vec<u8>) -> Result<Progress, String>;

    /// Adds what publishes `value` at the topic of this number.
    fn publish(&mut self, topic: u32, value: &[u8], out: &mut Vec<u8>);

    /// Takes what the publisher `received` after it was ready, and adds what there is to say to it. The error says what
    /// the server complained about.
    fn answer(&mut self, _received: &[u8], _out: &mut Vec<u8>) -> Result<(), String> {
        Ok(())
    }

    /// Publishes that the server has yet to confirm, and bytes of those that had to be held back for that.
    fn unsettled(&self) -> (u64, usize) {
        (0, 0)
    }

    /// Adds what takes the topic of this number away, if topics outlive their use.
    fn remove(&mut self, _topic: u32, _out: &mut Vec<u8>) {}

    /// Whether a topic has a current value, so that a subscriber may be spared values that are no longer current.
    fn conflates(&self) -> bool {
        false
    }

    /// What every connection must send now and then so that the server does not take it for dead.
    fn heartbeat(&self) -> Option<(Duration, Vec<u8>)> {
        None
    }
}
