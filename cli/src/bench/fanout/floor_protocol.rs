//! How to speak to the floor.

use super::{
    protocol::{Progress, Protocol, Role},
    websocket,
};

#[derive(Debug)]
pub(super) struct FloorProtocol {
    pub(super) host: String,
}

impl Protocol for FloorProtocol {
    fn open(&self, role: Role, out: &mut Vec<u8>) {
        let path = match role {
            Role::Publisher => "/publish".to_owned(),
            Role::Subscriber(topic) => format!("/{topic}"),
        };
        websocket::upgrade(&self.host, &path, None, out);
    }

    fn advance(&mut self, _role: Role, _step: u32, received: &[u8], _out: &mut Vec<u8>) -> Result<Progress, String> {
        Ok(match websocket::upgraded(received)? {
            Progress::Step(length) => Progress::Ready(length),
            other => other,
        })
    }

    fn publish(&mut self, topic: u32, value: &[u8], out: &mut Vec<u8>) {
        websocket::binary_message(&[&topic.to_be_bytes(), value], out);
    }
}
