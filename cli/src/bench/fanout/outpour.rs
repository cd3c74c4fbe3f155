//! How to speak to an Outpour gateway: its frames come from `outpour-core`, and only what opens a connection and what
//! answers a publish is looked at.

use std::{
    collections::VecDeque,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use outpour_core::{
    PublishNumber, PublisherId, SubscriptionId, ValueType,
    wire::{
        Ack, ClientFrame, Condition, Frames, GatewayFrame, Hello, HistoryStart, MAX_MESSAGE_BYTES, Operation,
        PROTOCOL_MAJOR, PROTOCOL_MINOR, Publish, PublishPath, Resume, SUBPROTOCOL, Subscribe,
    },
};

use super::{
    protocol::{Progress, Protocol, Role},
    websocket,
};

/// Far below what makes a gateway give a silent client up.
const HEARTBEAT: Duration = Duration::from_secs(15);
/// Topics that are given an alias. More than gateways allow would end the connection.
const ALIASES: u32 = 512;

#[derive(Debug)]
pub(super) struct Outpour {
    host: String,
    events: bool,
    publisher: PublisherId,
    published: u64,
    /// Topics whose path the gateway has been told.
    aliases: u32,
    /// How many publishes may wait for their verdict, and how many do.
    max_in_flight: u64,
    in_flight: u64,
    /// What may not be sent yet, a message each.
    held: VecDeque<Vec<u8>>,
    held_bytes: usize,
    /// The part of a message that the publisher has received so far.
    received: Vec<u8>,
}

impl Outpour {
    /// Publishes values, or events, at topics of its own.
    pub(super) fn new(host: String, events: bool) -> Self {
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos();
        Self {
            host,
            events,
            // Unique enough for a benchmark: nobody else runs in this process at this moment.
            publisher: PublisherId((since_epoch ^ (u128::from(std::process::id()) << 96)).to_le_bytes()),
            published: 0,
            aliases: 0,
            max_in_flight: 1,
            in_flight: 0,
            held: VecDeque::new(),
            held_bytes: 0,
            received: Vec::new(),
        }
    }

    fn path(&self, topic: u32) -> String {
        let kind = if self.events { "events" } else { "values" };
        format!("bench/{kind}/{}/{topic}", std::process::id())
    }

    fn publish_frame(&mut self, topic: u32, operation: Operation<'_>, out: &mut Vec<u8>) {
        self.published += 1;
        let path = self.path(topic);
        let path = if topic < self.aliases {
            PublishPath::Alias(topic)
        } else if topic == self.aliases && topic < ALIASES {
            self.aliases += 1;
            PublishPath::Define(topic, path.as_bytes())
        } else {
            PublishPath::Whole(path.as_bytes())
        };
        let publish = Publish { number: PublishNumber(self.published), path, condition: Condition::Always, operation };
        let message = message(&ClientFrame::Publish(publish));
        if self.in_flight < self.max_in_flight {
            self.in_flight += 1;
            out.extend_from_slice(&message);
        } else {
            self.held_bytes += message.len();
            self.held.push_back(message);
        }
    }

    fn settle(&mut self, ack: Ack, out: &mut Vec<u8>) -> Result<(), String> {
        if ack.code != 0 {
            return Err(format!("publish {} was refused with code {}", ack.number.0, ack.code));
        }
        self.in_flight = self.in_flight.saturating_sub(1);
        if let Some(message) = self.held.pop_front() {
            self.held_bytes -= message.len();
            self.in_flight += 1;
            out.extend_from_slice(&message);
        }
        Ok(())
    }
}

impl Protocol for Outpour {
    fn open(&self, _role: Role, out: &mut Vec<u8>) {
        websocket::upgrade(&self.host, "/", Some(SUBPROTOCOL), out);
    }

    fn advance(&mut self, role: Role, step: u32, received: &[u8], out: &mut Vec<u8>) -> Result<Progress, String> {
        if step == 0 {
            let progress = websocket::upgraded(received)?;
            if let Progress::Step(_) = progress {
                // A subscriber publishes nothing, but the gateway may keep state for every publisher: one name for all
                // of them would make it one publisher.
                let publisher = match role {
                    Role::Publisher => self.publisher,
                    Role::Subscriber(_) => PublisherId::default(),
                };
                let hello = ClientFrame::Hello(Hello {
                    major: PROTOCOL_MAJOR,
                    minor: PROTOCOL_MINOR,
                    publisher,
                    settled: PublishNumber(0),
                    max_message: MAX_MESSAGE_BYTES as u64,
                    agent: "outpour bench",
                    resume: None,
                    credentials: &[],
                });
                out.extend_from_slice(&message(&hello));
                if let Role::Subscriber(topic) = role {
                    let selector = self.path(topic);
                    let subscribe = ClientFrame::Subscribe(Subscribe {
                        id: SubscriptionId(1),
                        selector: selector.as_bytes(),
                        max_rate_millihertz: 0,
                        from: HistoryStart::Live,
                        resume: Resume::No,
                    });
                    out.extend_from_slice(&message(&subscribe));
                }
            }
            return Ok(progress);
        }
        let Some((opcode, payload, length)) = websocket::server_frame(received) else { return Ok(Progress::Waiting) };
        if opcode == websocket::CLOSE {
            let reason = String::from_utf8_lossy(payload.get(2..).unwrap_or_default());
            return Err(format!("it closed the connection: {reason}"));
        }
        for frame in frames(payload) {
            match (frame?, role) {
                (GatewayFrame::Welcome(welcome), Role::Publisher) => {
                    self.max_in_flight = welcome.max_in_flight.max(1);
                    return Ok(Progress::Ready(length));
                }
                (GatewayFrame::Subscribed { .. }, Role::Subscriber(_)) => return Ok(Progress::Ready(length)),
                (GatewayFrame::Refused(refused), _) => return Err(format!("it refused: {}", refused.reason)),
                (GatewayFrame::Goodbye(goodbye), _) => return Err(format!("it said goodbye: {}", goodbye.reason)),
                _ => {}
            }
        }
        Ok(Progress::Step(length))
    }

    fn publish(&mut self, topic: u32, value: &[u8], out: &mut Vec<u8>) {
        let value_type = ValueType::Text;
        let operation =
            if self.events { Operation::Append { value_type, value } } else { Operation::Set { value_type, value } };
        self.publish_frame(topic, operation, out);
    }

    fn answer(&mut self, received: &[u8], out: &mut Vec<u8>) -> Result<(), String> {
        let mut bytes = std::mem::take(&mut self.received);
        bytes.extend_from_slice(received);
        let mut done = 0;
        while let Some((opcode, payload, length)) = websocket::server_frame(&bytes[done..]) {
            if opcode == websocket::CLOSE {
                return Err("it closed the publisher's connection".to_owned());
            }
            for frame in frames(payload) {
                match frame? {
                    GatewayFrame::Ack(ack) => self.settle(ack, out)?,
                    GatewayFrame::Ping { token } => out.extend_from_slice(&message(&ClientFrame::Pong { token })),
                    GatewayFrame::Goodbye(goodbye) => return Err(format!("it said goodbye: {}", goodbye.reason)),
                    _ => {}
                }
            }
            done += length;
        }
        bytes.drain(..done);
        self.received = bytes;
        Ok(())
    }

    fn unsettled(&self) -> (u64, usize) {
        (self.in_flight, self.held_bytes)
    }

    fn remove(&mut self, topic: u32, out: &mut Vec<u8>) {
        self.publish_frame(topic, Operation::Remove, out);
    }

    fn conflates(&self) -> bool {
        !self.events
    }

    fn heartbeat(&self) -> Option<(Duration, Vec<u8>)> {
        Some((HEARTBEAT, message(&ClientFrame::Pong { token: 0 })))
    }
}

fn message(frame: &ClientFrame<'_>) -> Vec<u8> {
    let (mut body, mut message) = (Vec::new(), Vec::new());
    frame.encode(&mut body);
    websocket::binary_message(&[&body], &mut message);
    message
}

/// The frames of a message that are known.
fn frames(payload: &[u8]) -> impl Iterator<Item = Result<GatewayFrame<'_>, String>> {
    Frames::new(payload).filter_map(|frame| {
        frame
            .and_then(GatewayFrame::decode)
            .map_err(|error| format!("it sent a frame that can't be decoded: {error}"))
            .transpose()
    })
}

#[cfg(test)]
mod tests {
    use outpour_core::{Epoch, Version, wire::Welcome};

    use super::*;

    fn from_gateway(frames: &[GatewayFrame<'_>]) -> Vec<u8> {
        let mut payload = Vec::new();
        for frame in frames {
            frame.encode(&mut payload);
        }
        let mut out = vec![0x82, u8::try_from(payload.len()).unwrap()];
        out.extend_from_slice(&payload);
        out
    }

    fn welcome(max_in_flight: u64) -> GatewayFrame<'static> {
        GatewayFrame::Welcome(Welcome {
            major: 1,
            minor: 0,
            epoch: Epoch::default(),
            heartbeat_ms: 10_000,
            max_message: 1 << 20,
            max_value: 1 << 20,
            max_in_flight,
            max_subscriptions: 10,
            applied: PublishNumber(0),
            resumed: false,
            principal: "",
        })
    }

    #[test]
    fn a_subscriber_is_ready_when_all_has_been_told() {
        let mut outpour = Outpour::new("localhost".into(), false);
        let (role, mut out) = (Role::Subscriber(3), Vec::new());
        let answer = b"HTTP/1.1 101 Switching Protocols\r\n\r\n";
        assert_eq!(outpour.advance(role, 0, answer, &mut out), Ok(Progress::Step(answer.len())));
        assert!(memchr::memmem::find(&out, outpour.path(3).as_bytes()).is_some(), "hello and subscribe leave together");
        let first = from_gateway(&[welcome(8)]);
        assert_eq!(outpour.advance(role, 1, &first, &mut out), Ok(Progress::Step(first.len())));
        let second = from_gateway(&[GatewayFrame::Subscribed { id: SubscriptionId(1), topics: 0 }]);
        assert_eq!(outpour.advance(role, 2, &second[..1], &mut out), Ok(Progress::Waiting));
        assert_eq!(outpour.advance(role, 2, &second, &mut out), Ok(Progress::Ready(second.len())));
    }

    #[test]
    fn no_more_is_published_than_the_gateway_takes() {
        let mut outpour = Outpour::new("localhost".into(), true);
        let mut out = Vec::new();
        outpour.advance(Role::Publisher, 1, &from_gateway(&[welcome(2)]), &mut out).unwrap();
        for _ in 0..3 {
            outpour.publish(0, b"x", &mut out);
        }
        let sent = out.len();
        let (in_flight, held) = outpour.unsettled();
        assert_eq!(in_flight, 2);
        assert!(held > 0);
        let ack = |code| Ack { number: PublishNumber(1), code, version: Version(1) };
        let message = from_gateway(&[GatewayFrame::Ack(ack(0))]);
        // In two reads, as it may come.
        outpour.answer(&message[..2], &mut out).unwrap();
        assert_eq!(out.len(), sent);
        outpour.answer(&message[2..], &mut out).unwrap();
        assert_eq!((outpour.unsettled(), out.len()), ((2, 0), sent + held));
        assert!(outpour.answer(&from_gateway(&[GatewayFrame::Ack(ack(7))]), &mut out).unwrap_err().contains("code 7"));
    }
}
