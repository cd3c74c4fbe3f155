//! What a client can do wrong after the upgrade.

use super::close_code;

/// Why a connection's bytes can't be read any further. It is always the client's fault.
///
/// The text is one sentence for the client's author and fits into a close frame; [`close_code`](Self::close_code)
/// is the code that goes with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ReadError {
    /// The mask bit is not set, although a client must mask every frame.
    #[error("The frame is not masked; a client must mask every frame it sends.")]
    Unmasked,
    /// One of the bits RSV1 to RSV3 is set, although no extension was negotiated.
    #[error("A reserved bit (RSV1-3) is set, but no extension such as permessage-deflate was negotiated.")]
    ReservedBits,
    /// The opcode is one of 3-7 or 11-15.
    #[error("The opcode {0} is reserved; use 0, 1, 2, 8, 9 or 10.")]
    ReservedOpcode(u8),
    /// A close, ping or pong without the FIN bit.
    #[error("A control frame is fragmented; close, ping and pong must come in one frame.")]
    FragmentedControl,
    /// A close, ping or pong with more than 125 bytes of payload.
    #[error("A control frame has more than 125 bytes of payload.")]
    ControlTooLong,
    /// A continuation frame while no fragmented message is open.
    #[error("A continuation frame came, but there is no fragmented message to continue.")]
    UnexpectedContinuation,
    /// A text or binary frame while a fragmented message is open.
    #[error("A new message began before the fragmented one was finished.")]
    ExpectedContinuation,
    /// The payload length is written with more bytes than it needs.
    #[error("The payload length is not in its shortest form.")]
    NonMinimalLength,
    /// The most significant bit of a 64-bit payload length is set.
    #[error("The highest bit of the 64-bit payload length must be 0.")]
    LengthHighBit,
    /// A close frame with a payload of one byte.
    #[error("The close frame has one byte of payload; it must have none, or a code of two bytes.")]
    TruncatedCloseCode,
    /// A close code that must not be sent, such as 1005 or 1006.
    #[error("The close code {0} must not be sent; use 1000, or one between 3000 and 4999.")]
    InvalidCloseCode(u16),
    /// A text message is not UTF-8.
    #[error("The text message is not UTF-8; send bytes as a binary message.")]
    TextNotUtf8,
    /// The reason in a close frame is not UTF-8.
    #[error("The reason in the close frame is not UTF-8.")]
    CloseReasonNotUtf8,
    /// A message is larger than [`Limits::max_message`](super::Limits::max_message); found from the declared length,
    /// before memory is taken for it.
    #[error("The message has {length} bytes or more, the limit is {limit}; send smaller messages.")]
    MessageTooBig {
        /// The bytes known so far: those received plus those the newest frame declares.
        length: u64,
        /// The limit in bytes.
        limit: usize,
    },
    /// A message has more fragments than [`Limits::max_fragments`](super::Limits::max_fragments).
    #[error("The message has more than {limit} fragments; send it in fewer, larger frames.")]
    TooManyFragments {
        /// The limit.
        limit: u32,
    },
}

impl ReadError {
    /// The close code to send with the error: 1002, 1007 or 1009.
    #[must_use]
    pub const fn close_code(self) -> u16 {
        match self {
            Self::Unmasked
            | Self::ReservedBits
            | Self::ReservedOpcode(_)
            | Self::FragmentedControl
            | Self::ControlTooLong
            | Self::UnexpectedContinuation
            | Self::ExpectedContinuation
            | Self::NonMinimalLength
            | Self::LengthHighBit
            | Self::TruncatedCloseCode
            | Self::InvalidCloseCode(_) => close_code::PROTOCOL_ERROR,
            Self::TextNotUtf8 | Self::CloseReasonNotUtf8 => close_code::INVALID_DATA,
            Self::MessageTooBig { .. } | Self::TooManyFragments { .. } => close_code::MESSAGE_TOO_BIG,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::websocket::outgoing::MAX_CLOSE_REASON;

    #[test]
    fn the_longest_sentences_fit_into_a_close_frame() {
        let errors = [
            ReadError::ReservedBits,
            ReadError::FragmentedControl,
            ReadError::ReservedOpcode(15),
            ReadError::UnexpectedContinuation,
            ReadError::TruncatedCloseCode,
            ReadError::InvalidCloseCode(u16::MAX),
            ReadError::MessageTooBig { length: u64::MAX, limit: usize::MAX },
            ReadError::TooManyFragments { limit: u32::MAX },
        ];
        for error in errors {
            assert!(error.to_string().len() <= MAX_CLOSE_REASON, "{error}");
        }
    }
}
