//! Core NATS: a line-based protocol, at most once.

use super::super::protocol::{Progress, Protocol, Role};

#[derive(Debug)]
pub(super) struct Nats;

impl Protocol for Nats {
    fn open(&self, _role: Role, _out: &mut Vec<u8>) {
        // The server speaks first.
    }

    fn advance(&mut self, role: Role, step: u32, received: &[u8], out: &mut Vec<u8>) -> Result<Progress, String> {
        let Some(end) = memchr::memmem::find(received, b"\r\n") else {
            return Ok(Progress::Waiting);
        };
        let (line, length) = (&received[..end], end + 2);
        match step {
            0 if line.starts_with(b"INFO ") => {
                out.extend_from_slice(b"CONNECT {\"verbose\":false,\"pedantic\":false,\"lang\":\"outpour-bench\"}\r\n");
                if let Role::Subscriber(topic) = role {
                    out.extend_from_slice(format!("SUB bench.{topic} 1\r\n").as_bytes());
                }
                // The answer to it says that everything before is done.
                out.extend_from_slice(b"PING\r\n");
                Ok(Progress::Step(length))
            }
            _ if line == b"PONG" => Ok(Progress::Ready(length)),
            _ if line == b"PING" => {
                out.extend_from_slice(b"PONG\r\n");
                Ok(Progress::Step(length))
            }
            _ => Err(format!("instead of a greeting it sent {:?}", String::from_utf8_lossy(line))),
        }
    }

    fn publish(&mut self, topic: u32, value: &[u8], out: &mut Vec<u8>) {
        out.extend_from_slice(format!("PUB bench.{topic} {}\r\n", value.len()).as_bytes());
        out.extend_from_slice(value);
        out.extend_from_slice(b"\r\n");
    }
}
