//! The server side of the WebSocket protocol (RFC 6455), with no sockets and no clock: bytes in, events and bytes out.
//!
//! A worker owns many connections and reads each socket into one scratch buffer that all of them share. [`Upgrade`]
//! judges the HTTP request that opens a connection, [`Reader`] turns what follows into [`Event`]s, and
//! [`header`], [`pong`] and [`close_frame`] format what goes out.
//!
//! Nothing is buffered for an idle connection: a message that arrives whole is unmasked inside the scratch buffer
//! and lent from there; only the rest of a frame that has not arrived yet is kept, within [`Limits`]. Outgoing
//! application messages are encoded once for all sessions, so only their [`header`] is written here and the payload
//! follows it by reference.
//!
//! Extensions are not negotiated: permessage-deflate costs memory per connection, and the deltas are small already.
//!
//! # Example
//!
//! ```
//! use outpour_server::websocket::{Event, Limits, Reader, pong};
//!
//! let mut reader = Reader::new(Limits::default());
//! // A masked ping with the payload "hi", as a client sends it. The mask is 1, 2, 3, 4.
//! let mut scratch = [0x89, 0x82, 1, 2, 3, 4, b'h' ^ 1, b'i' ^ 2];
//!
//! let mut input = &mut scratch[..];
//! while let Some(event) = reader.next_event(&mut input)? {
//!     match event {
//!         Event::Ping(payload) => assert_eq!(&*pong(&payload), b"\x8a\x02hi"),
//!         other => unreachable!("{other:?}"),
//!     }
//! }
//! # Ok::<(), outpour_server::websocket::ReadError>(())
//! ```

pub mod close_code;
mod error;
mod frame;
mod origin;
mod outgoing;
mod reader;
mod refusal;
mod upgrade;

pub use error::ReadError;
pub use frame::Opcode;
pub use outgoing::{ControlFrame, FrameHead, MAX_CONTROL_PAYLOAD, close_frame, header, ping, pong};
pub use reader::{Event, Limits, MessageKind, Reader};
pub use refusal::{Refusal, http_response, unavailable};
pub use upgrade::{Request, Upgrade, UpgradePolicy, UpgradeStatus, Wanted};
