//! The client's side of WebSocket, as much of it as the generator needs.

use super::protocol::Progress;
pub(super) use crate::bench::frame::{CLOSE, server_frame};

/// The upgrade request for `path`. The key is fixed: nothing caches on loopback, and it saves randomness.
pub(super) fn upgrade(host: &str, path: &str, subprotocol: Option<&str>, out: &mut Vec<u8>) {
    let subprotocol = subprotocol.map(|name| format!("Sec-WebSocket-Protocol: {name}\r\n")).unwrap_or_default();
    out.extend_from_slice(
        format!(
            "GET {path} HTTP/1.1\r\nHost: {host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n{subprotocol}\r\n"
        )
        .as_bytes(),
    );
}

/// Passes over the answer to an upgrade request.
pub(super) fn upgraded(received: &[u8]) -> Result<Progress, String> {
    let Some(end) = memchr::memmem::find(received, b"\r\n\r\n") else {
        return Ok(Progress::Waiting);
    };
    if received.starts_with(b"HTTP/1.1 101") {
        return Ok(Progress::Step(end + 4));
    }
    let head = String::from_utf8_lossy(received);
    Err(format!("the upgrade to WebSocket was answered with {:?}", head.lines().next().unwrap_or_default()))
}

/// Adds a binary message. The masking key is zero, so that masking costs the generator nothing; the server unmasks as
/// ever.
pub(super) fn binary_message(parts: &[&[u8]], out: &mut Vec<u8>) {
    const FIN_BINARY: u8 = 0x82;
    const MASKED: u8 = 0x80;
    let length: usize = parts.iter().map(|part| part.len()).sum();
    out.push(FIN_BINARY);
    match (u8::try_from(length), u16::try_from(length)) {
        (Ok(short @ ..=125), _) => out.push(MASKED | short),
        (_, Ok(medium)) => {
            out.push(MASKED | 126);
            out.extend_from_slice(&medium.to_be_bytes());
        }
        _ => {
            out.push(MASKED | 127);
            out.extend_from_slice(&(length as u64).to_be_bytes());
        }
    }
    out.extend_from_slice(&[0; 4]);
    for part in parts {
        out.extend_from_slice(part);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_of_every_length_class_have_the_right_header() {
        for (length, header) in [(0, 6), (125, 6), (126, 8), (65_535, 8), (65_536, 14)] {
            let mut out = Vec::new();
            binary_message(&[&vec![7; length]], &mut out);
            assert_eq!(out.len(), header + length);
            assert_eq!(out[0], 0x82);
            assert_eq!(out[1] & 0x80, 0x80);
        }
    }

    #[test]
    fn an_upgrade_is_recognised_only_when_whole() {
        let answer = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n\x82\x01x";
        assert_eq!(upgraded(&answer[..20]), Ok(Progress::Waiting));
        assert_eq!(upgraded(answer), Ok(Progress::Step(answer.len() - 3)));
        assert!(upgraded(b"HTTP/1.1 503 Full\r\n\r\n").unwrap_err().contains("503 Full"));
        assert_eq!(server_frame(&answer[answer.len() - 3..]), Some((2, &b"x"[..], 3)));
        assert_eq!(server_frame(&[0x82, 126, 0]), None);
    }
}
