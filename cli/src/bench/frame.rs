//! Frames of a WebSocket as servers write them: unmasked.

/// The opcode of a close frame.
pub(super) const CLOSE: u8 = 8;

/// The first whole frame a server sent: its opcode, its payload, and the bytes of the frame.
pub(super) fn server_frame(received: &[u8]) -> Option<(u8, &[u8], usize)> {
    let (opcode, length) = (received.first()? & 15, received.get(1)? & 127);
    let (header, length) = match length {
        126 => (4, u64::from(u16::from_be_bytes(received.get(2..4)?.try_into().ok()?))),
        127 => (10, u64::from_be_bytes(received.get(2..10)?.try_into().ok()?)),
        short => (2, u64::from(short)),
    };
    let end = usize::try_from(length).ok()?.checked_add(header)?;
    Some((opcode, received.get(header..end)?, end))
}
