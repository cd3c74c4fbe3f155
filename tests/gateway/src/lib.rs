//! A small client with which tests drive a real gateway over real sockets, below any SDK: it says
//! what it is told to, however wrong, and takes what it is told apart with the wire codec alone.
//!
//! Whatever a gateway says is checked on the way: checks and versions of values, sequence numbers of
//! events, the size of messages and the mark. Every wait ends after [`PATIENCE`].

mod client;
mod gateway;
mod http;
mod replica;
mod told;

pub use client::{Client, PATIENCE, Setup, hello};
pub use gateway::{Bystander, TestGateway, gateway, gateway_with};
pub use http::{Raw, masked, upgrade_request};
pub use told::{Goodbye, Told};

use outpour_core::wire::{ClientFrame, Condition, HistoryStart, Operation, Publish, PublishPath, Resume, Subscribe};
use outpour_core::{PublishNumber, SubscriptionId, ValueType};

/// A subscription without a rate, told of events yet to come.
#[must_use]
pub fn subscribe(id: u32, selector: &str) -> ClientFrame<'_> {
    subscribe_from(id, selector, HistoryStart::Live)
}

/// A subscription without a rate.
#[must_use]
pub fn subscribe_from(id: u32, selector: &str, from: HistoryStart) -> ClientFrame<'_> {
    let selector = selector.as_bytes();
    ClientFrame::Subscribe(Subscribe {
        id: SubscriptionId(id),
        selector,
        max_rate_millihertz: 0,
        from,
        resume: Resume::No,
    })
}

/// A publish of any kind.
#[must_use]
pub fn publish<'a>(number: u64, path: &'a str, condition: Condition, operation: Operation<'a>) -> ClientFrame<'a> {
    let path = PublishPath::Whole(path.as_bytes());
    ClientFrame::Publish(Publish { number: PublishNumber(number), path, condition, operation })
}

/// A publish that sets a text.
#[must_use]
pub fn set<'a>(number: u64, path: &'a str, value: &'a str) -> ClientFrame<'a> {
    let operation = Operation::Set { value_type: ValueType::Text, value: value.as_bytes() };
    publish(number, path, Condition::Always, operation)
}

/// A publish that sets a JSON value.
#[must_use]
pub fn set_json<'a>(number: u64, path: &'a str, value: &'a str) -> ClientFrame<'a> {
    let operation = Operation::Set { value_type: ValueType::Json, value: value.as_bytes() };
    publish(number, path, Condition::Always, operation)
}

/// A publish that appends a text.
#[must_use]
pub fn append<'a>(number: u64, path: &'a str, value: &'a str) -> ClientFrame<'a> {
    let operation = Operation::Append { value_type: ValueType::Text, value: value.as_bytes() };
    publish(number, path, Condition::Always, operation)
}

/// A publish that removes a topic.
#[must_use]
pub fn remove(number: u64, path: &str) -> ClientFrame<'_> {
    publish(number, path, Condition::Always, Operation::Remove)
}

/// A whole message of these frames.
#[must_use]
pub fn message(frames: &[ClientFrame<'_>]) -> Vec<u8> {
    frames.iter().fold(Vec::new(), |mut message, frame| {
        frame.encode(&mut message);
        message
    })
}
