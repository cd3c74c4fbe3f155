//! Redis's publish and subscribe in RESP 2.

use super::super::protocol::{Progress, Protocol, Role};

#[derive(Debug)]
pub(super) struct Redis;

impl Protocol for Redis {
    fn open(&self, role: Role, out: &mut Vec<u8>) {
        match role {
            Role::Publisher => command(&[b"PING"], out),
            Role::Subscriber(topic) => command(&[b"SUBSCRIBE", name(topic).as_bytes()], out),
        }
    }

    fn advance(&mut self, role: Role, _step: u32, received: &[u8], _out: &mut Vec<u8>) -> Result<Progress, String> {
        if received.starts_with(b"-") {
            return Err(format!("it sent the error {:?}", String::from_utf8_lossy(received).trim_end()));
        }
        let end: &[u8] = match role {
            Role::Publisher => b"+PONG\r\n",
            Role::Subscriber(_) => b"\r\n:1\r\n",
        };
        Ok(memchr::memmem::find(received, end).map_or(Progress::Waiting, |at| Progress::Ready(at + end.len())))
    }

    fn publish(&mut self, topic: u32, value: &[u8], out: &mut Vec<u8>) {
        command(&[b"PUBLISH", name(topic).as_bytes(), value], out);
    }
}

fn name(topic: u32) -> String {
    format!("bench/{topic}")
}

fn command(words: &[&[u8]], out: &mut Vec<u8>) {
    out.extend_from_slice(format!("*{}\r\n", words.len()).as_bytes());
    for word in words {
        out.extend_from_slice(format!("${}\r\n", word.len()).as_bytes());
        out.extend_from_slice(word);
        out.extend_from_slice(b"\r\n");
    }
}
