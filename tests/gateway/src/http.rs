//! Bytes on a plain socket: requests and frames that no library would send.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};

use crate::client::PATIENCE;

/// A plain socket to a gateway.
#[derive(Debug)]
pub struct Raw(pub TcpStream);

/// A good request for an upgrade, with more headers: each ends in `\r\n`.
#[must_use]
pub fn upgrade_request(more: &str) -> String {
    format!(
        "GET / HTTP/1.1\r\nHost: gateway.test\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
         Sec-WebSocket-Protocol: outpour.v1\r\n{more}\r\n"
    )
}

/// A frame as a client must send it: its first byte, and a payload that is masked here.
#[must_use]
pub fn masked(first: u8, payload: &[u8]) -> Vec<u8> {
    let mask = [0x12, 0x34, 0x56, 0x78];
    let mut frame = vec![first];
    match payload.len() {
        length @ 0..126 => frame.push(0x80 | length as u8),
        length @ 126..0x1_0000 => {
            frame.push(0x80 | 126);
            frame.extend_from_slice(&(length as u16).to_be_bytes());
        }
        length => {
            frame.push(0x80 | 127);
            frame.extend_from_slice(&(length as u64).to_be_bytes());
        }
    }
    frame.extend_from_slice(&mask);
    frame.extend(payload.iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask));
    frame
}

impl Raw {
    /// A socket that has said nothing.
    #[must_use]
    pub fn open(address: SocketAddr) -> Self {
        let socket = TcpStream::connect(address).expect("the gateway listens");
        socket.set_nodelay(true).expect("no delay");
        socket.set_read_timeout(Some(PATIENCE)).expect("a timeout");
        socket.set_write_timeout(Some(PATIENCE)).expect("a timeout");
        Self(socket)
    }

    /// A socket that has been upgraded, with nothing said since.
    #[must_use]
    pub fn upgraded(address: SocketAddr) -> Self {
        let mut raw = Self::open(address);
        raw.write(upgrade_request("").as_bytes());
        let head = raw.head();
        assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
        raw
    }

    /// Sends bytes.
    pub fn write(&mut self, bytes: &[u8]) {
        self.0.write_all(bytes).expect("the gateway takes bytes");
    }

    /// Sends bytes to a gateway that may have closed already.
    pub fn try_write(&mut self, bytes: &[u8]) -> bool {
        self.0.write_all(bytes).is_ok()
    }

    /// The head of a response.
    pub fn head(&mut self) -> String {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            self.0.read_exact(&mut byte).expect("a head");
            head.extend_from_slice(&byte);
        }
        String::from_utf8(head).expect("a head is text")
    }

    /// All that comes until the gateway closes. A reset after the last byte is no fault of its.
    pub fn rest(&mut self) -> Vec<u8> {
        let mut all = Vec::new();
        let mut bytes = [0; 4096];
        loop {
            match self.0.read(&mut bytes) {
                Ok(0) => return all,
                Ok(length) => all.extend(bytes.iter().take(length)),
                Err(error) if error.kind() == ErrorKind::ConnectionReset => return all,
                Err(error) => panic!("the gateway did not close: {error}"),
            }
        }
    }

    /// Reads until these bytes have come.
    pub fn read_until(&mut self, wanted: &[u8]) {
        let mut all: Vec<u8> = Vec::new();
        let mut bytes = [0; 4096];
        while !all.windows(wanted.len()).any(|window| window == wanted) {
            let length = self.0.read(&mut bytes).expect("the gateway answers");
            assert!(length > 0, "the gateway closed after {all:?}");
            all.extend(bytes.iter().take(length));
        }
    }

    /// The close code and reason that end the connection.
    pub fn close_frame(&mut self) -> (u16, String) {
        let rest = self.rest();
        let mut left = rest.as_slice();
        while let [first, second, after @ ..] = left {
            let (length, after) = match *second {
                126 => (usize::from(u16::from_be_bytes([after[0], after[1]])), &after[2..]),
                127 => panic!("no message here is so long"),
                length => (usize::from(length), after),
            };
            let (payload, after) = after.split_at(length);
            if *first == 0x88 {
                assert!(after.is_empty(), "bytes came after the close frame");
                let [high, low, reason @ ..] = payload else { panic!("a close frame without a code") };
                return (u16::from_be_bytes([*high, *low]), String::from_utf8(reason.to_vec()).expect("text"));
            }
            left = after;
        }
        panic!("no close frame in {rest:?}");
    }
}
