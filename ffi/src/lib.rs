//! The Rust SDK for other languages, by way of UniFFI. The packages in `bindings/` are made around it, and hold no rule of
//! the protocol.
//!
//! The surface is small, and everything on it has one shape:
//!
//! - A call that takes time gives a [`Call`]; a stream gives something of the same kind. Both are pulled in two steps:
//!   `ready()` is awaited, carries nothing, and may be cancelled at any time; `take()` then hands over what is there. So a
//!   task that is cancelled between the two has lost nothing. Where a language has no way to await, `wait()` blocks
//!   instead, for so many milliseconds.
//! - Nothing calls back. Credentials and the log are pulled as well: [`CredentialsQuestions`], [`Log`].
//! - Updates, and the answers to calls, are handed over packed, a batch in one buffer ([`packed`]), which each language
//!   slices: what an object for each would cost is not paid.
//! - `end()` ends at once and may be called twice, from any thread. Freeing an object does the same, and never blocks.
//! - Errors are objects with a stable code ([`OutpourError`]).
//!
//! Sessions are driven by threads of this library, whichever thread calls. It has to be built with
//! `panic = "unwind"`: UniFFI makes a panic an exception of the language.

mod call;
mod connection;
mod credentials;
mod error;
mod feed;
mod log;
mod options;
mod ownership;
pub mod packed;
mod runtime;
mod session;
mod subscription;
mod update_stream;

pub use call::Call;
pub use connection::{ConnectionState, ConnectionStates, MissedEvents, Resumption, ResumptionOutcome, Resumptions};
pub use credentials::{CredentialsQuestion, CredentialsQuestions};
pub use error::{ErrorFault, ErrorInfo, OutpourError};
pub use log::{Log, LogLevel, LogRecord};
pub use options::{
    Change, Condition, HistoryStart, Options, Publication, SubscribeOptions, TopicKind, TopicProperties, ValueType,
    WhenFull,
};
pub use session::{Session, Statistics};
pub use subscription::Subscription;
pub use update_stream::UpdateStream;

#[cfg(panic = "abort")]
compile_error!("outpour-ffi is built with panic = \"unwind\": a panic must not take down the program that loaded it");

uniffi::setup_scaffolding!("outpour_ffi");
