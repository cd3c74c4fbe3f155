//! The close codes of RFC 6455 §7.4 that the gateway uses, and the rule which codes may travel.

/// The purpose of the connection is fulfilled.
pub const NORMAL: u16 = 1000;
/// The endpoint goes away: a server that shuts down, a page that is left.
pub const GOING_AWAY: u16 = 1001;
/// The peer broke the WebSocket protocol.
pub const PROTOCOL_ERROR: u16 = 1002;
/// The peer sent a type of message that is not accepted here, such as text where binary is due.
pub const UNSUPPORTED_DATA: u16 = 1003;
/// A text message or a close reason is not UTF-8.
pub const INVALID_DATA: u16 = 1007;
/// The peer broke a rule that no other code names, such as a limit on the rate of pings.
pub const POLICY_VIOLATION: u16 = 1008;
/// A message is larger than the receiver takes.
pub const MESSAGE_TOO_BIG: u16 = 1009;
/// The server met a condition that it did not expect.
pub const INTERNAL_ERROR: u16 = 1011;
/// The server restarts; come back.
pub const SERVICE_RESTART: u16 = 1012;
/// The server is overloaded; come back later.
pub const TRY_AGAIN_LATER: u16 = 1013;

/// Whether a close frame may carry `code`: the codes that RFC 6455 and the IANA registry define for the wire, and the
/// ranges for libraries (3000 to 3999) and applications (4000 to 4999).
///
/// 1004, 1005, 1006 and 1015 are names for situations in which no code was sent, and so are errors when sent.
#[must_use]
pub const fn is_valid(code: u16) -> bool {
    matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999)
}
