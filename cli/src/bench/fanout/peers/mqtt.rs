//! MQTT 3.1.1 at QoS 0: what a subscriber gets once is all it gets, as with the other protocols here.

use super::super::protocol::{Progress, Protocol, Role};

const CONNECT: u8 = 0x10;
const CONNACK: u8 = 0x20;
const PUBLISH: u8 = 0x30;
const SUBSCRIBE: u8 = 0x82;
const SUBACK: u8 = 0x90;

#[derive(Debug)]
pub(super) struct Mqtt;

impl Protocol for Mqtt {
    fn open(&self, _role: Role, out: &mut Vec<u8>) {
        // Protocol name and level, clean session, no keep-alive, an empty client identifier.
        packet(CONNECT, &[&[0, 4], b"MQTT", &[4, 2, 0, 0, 0, 0]], out);
    }

    fn advance(&mut self, role: Role, step: u32, received: &[u8], out: &mut Vec<u8>) -> Result<Progress, String> {
        let (due, length) = if step == 0 { (CONNACK, 4) } else { (SUBACK, 5) };
        let Some(answer) = received.get(..length) else {
            return Ok(Progress::Waiting);
        };
        if answer.first() != Some(&due) || answer.last().is_some_and(|code| *code != 0) {
            return Err(format!("instead of an acknowledgement it sent {answer:02x?}"));
        }
        match role {
            Role::Subscriber(topic) if step == 0 => {
                let topic = name(topic);
                let topic_length = (topic.len() as u16).to_be_bytes();
                packet(SUBSCRIBE, &[&[0, 1], &topic_length, topic.as_bytes(), &[0]], out);
                Ok(Progress::Step(length))
            }
            _ => Ok(Progress::Ready(length)),
        }
    }

    fn publish(&mut self, topic: u32, value: &[u8], out: &mut Vec<u8>) {
        let topic = name(topic);
        packet(PUBLISH, &[&(topic.len() as u16).to_be_bytes(), topic.as_bytes(), value], out);
    }
}

fn name(topic: u32) -> String {
    format!("bench/{topic}")
}

fn packet(kind: u8, parts: &[&[u8]], out: &mut Vec<u8>) {
    out.push(kind);
    let mut length: usize = parts.iter().map(|part| part.len()).sum();
    loop {
        let more = length > 127;
        out.push((length & 127) as u8 | if more { 128 } else { 0 });
        length >>= 7;
        if !more {
            break;
        }
    }
    for part in parts {
        out.extend_from_slice(part);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_packet_says_its_length_in_groups_of_seven_bits() {
        let mut out = Vec::new();
        Mqtt.publish(3, &[b'x'; 200], &mut out);
        assert_eq!(out[..12], [0x30, 0xd1, 0x01, 0, 7, b'b', b'e', b'n', b'c', b'h', b'/', b'3']);
        assert_eq!(out.len(), 3 + 9 + 200);
    }
}
