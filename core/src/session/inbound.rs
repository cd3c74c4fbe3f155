//! What a gateway says, taken in frame by frame.

use alloc::string::String;
use alloc::vec::Vec;

use super::Session;
use super::event::Event;
use super::link::Phase;
use crate::decimal::decimal;
use crate::error::ErrorCode;
use crate::position::{Partition, Version};
use crate::time::Timestamp;
use crate::wire::{Frames, GatewayFrame, MIN_MESSAGE_BYTES, PROTOCOL_MAJOR, RequestRef, Welcome, varint_len};

/// What the gateway did wrong.
pub(super) type Violation = (ErrorCode, String);

/// A message on its way into the session.
pub(super) struct Arriving {
    /// How many bytes the frame at hand has.
    pub(super) size: usize,
    pub(super) now: Timestamp,
    newest: Vec<(Partition, Version)>,
    explicit: Vec<(Partition, Version)>,
}

impl Arriving {
    /// The message tells of this change. The newest one of each partition is its mark.
    pub(super) fn note(&mut self, partition: Partition, version: Version) {
        match self.newest.iter_mut().find(|(other, _)| *other == partition) {
            Some((_, newest)) => *newest = (*newest).max(version),
            None => self.newest.push((partition, version)),
        }
    }
}

impl Session {
    /// A message is a batch: it is taken in as a whole, and then the mark moves.
    pub(super) fn handle_message(&mut self, message: &[u8], now: Timestamp) {
        self.statistics.messages_in += 1;
        self.statistics.bytes_in += message.len() as u64;
        self.note_heard(now);
        if message.len() > self.config.max_message {
            let detail =
                ["a message of ", &decimal(message.len() as u64), " bytes exceeds the limit of this client"].concat();
            return self.fail(ErrorCode::MessageTooLarge, detail, now);
        }
        let connection = self.link.transport();
        let mut arriving = Arriving { size: 0, now, newest: Vec::new(), explicit: Vec::new() };
        for frame in Frames::new(message) {
            let taken = frame
                .and_then(|raw| {
                    arriving.size = raw.body.len() + varint_len((raw.body.len() as u64) << 4);
                    GatewayFrame::decode(raw)
                })
                .map_err(|error| {
                    (ErrorCode::MalformedFrame, ["a frame could not be decoded: ", &error.describe()].concat())
                })
                .and_then(|frame| frame.map_or(Ok(()), |frame| self.handle_frame(frame, &mut arriving)));
            if let Err((code, detail)) = taken {
                return self.fail(code, detail, now);
            }
            // A goodbye ends the connection, whatever stands behind it.
            if self.link.transport() != connection {
                return;
            }
        }
        self.move_marks(arriving);
        self.close_if_settled();
    }

    /// Everything up to the newest change in a message has been told, unless it says otherwise.
    fn move_marks(&mut self, arrived: Arriving) {
        let Arriving { newest, explicit, .. } = arrived;
        let implied = newest
            .into_iter()
            .filter(|(partition, _)| !explicit.iter().any(|(other, _)| other == partition))
            .collect::<Vec<_>>();
        for (partition, version) in implied.into_iter().chain(explicit.iter().copied()) {
            match self.marks.get_mut(&partition.0.into()) {
                Some(mark) => *mark = (*mark).max(version),
                None => {
                    self.marks.insert(partition.0.into(), version);
                }
            }
        }
    }

    fn handle_frame(&mut self, frame: GatewayFrame<'_>, arriving: &mut Arriving) -> Result<(), Violation> {
        let is_greeting = matches!(self.link.phase, Phase::Greeting { .. });
        let is_hello_due = matches!(self.link.phase, Phase::Greeting { is_hello_due: true, .. });
        match frame {
            GatewayFrame::Goodbye(goodbye) => self.handle_goodbye(&goodbye, arriving.now),
            _ if is_hello_due => return Err(unexpected("the gateway spoke before it was spoken to")),
            GatewayFrame::Welcome(welcome) if is_greeting => self.handle_welcome(welcome, arriving.now)?,
            GatewayFrame::Welcome(_) => return Err(unexpected("a second welcome")),
            _ if is_greeting => return Err(unexpected("the first frame must be a welcome")),
            GatewayFrame::Announce(announce) => self.handle_announce(announce, arriving)?,
            GatewayFrame::Snapshot { topic, version, check, value } => {
                self.handle_snapshot(topic, version, check, value, arriving)?;
            }
            GatewayFrame::Delta { topic, distance, check, delta } => {
                self.handle_delta(topic, distance, check, delta, arriving)?;
            }
            GatewayFrame::Event { topic, distance, value } => self.handle_event(topic, distance, value, arriving)?,
            GatewayFrame::Removed { topic, version } => self.handle_removed(topic, version, arriving)?,
            GatewayFrame::Gap { topic, version, sequence } => self.handle_gap(topic, version, sequence, arriving)?,
            GatewayFrame::Mark { partition, version } => arriving.explicit.push((partition, version)),
            GatewayFrame::Ack(ack) => {
                if let Some(verdict) = self.publishing.acknowledge(&ack) {
                    self.settle(verdict);
                }
            }
            GatewayFrame::Ping { token } => self.pong = Some(token),
            GatewayFrame::Pong { token } => self.handle_pong(token, arriving.now),
            GatewayFrame::Move(asked) => self.handle_move(&asked, arriving.now),
            GatewayFrame::Subscribed { id, topics } => self.handle_subscribed(id, topics),
            GatewayFrame::Unsubscribed { id } => self.handle_unsubscribed(id),
            GatewayFrame::Fetched(fetched) => self.handle_fetched(&fetched).map_err(unexpected)?,
            GatewayFrame::FetchEnd { id, more } => self.handle_fetch_end(id, Ok(more)),
            GatewayFrame::Refused(refused) => {
                let code = ErrorCode::from_number(refused.code).unwrap_or(ErrorCode::Internal);
                match refused.request {
                    RequestRef::Subscription(id) => self.handle_refusal(id, code),
                    RequestRef::Fetch(id) => self.handle_fetch_end(id, Err(code)),
                }
            }
        }
        Ok(())
    }

    fn handle_welcome(&mut self, welcome: Welcome<'_>, now: Timestamp) -> Result<(), Violation> {
        if welcome.major != PROTOCOL_MAJOR {
            let detail = ["the gateway speaks version ", &decimal(welcome.major), " of the protocol"].concat();
            return Err((ErrorCode::UnsupportedVersion, detail));
        }
        if welcome.max_message < MIN_MESSAGE_BYTES as u64 {
            return Err(unexpected("the gateway takes only messages smaller than the protocol allows"));
        }
        if self.epoch.is_some() && self.principal != welcome.principal {
            self.forget_everything();
            self.begins_afresh = true;
            // The hello spoke of what is forgotten: there has to be another one.
            return Err((ErrorCode::ConnectionLost, "the gateway knows the session as somebody else now".into()));
        }
        let before = self.epoch.replace(welcome.epoch);
        let is_afresh = before != self.epoch;
        if is_afresh {
            self.drop_unclaimed();
            self.replicas.begin_epoch();
            self.subscriptions.begin_epoch();
            self.resume_marks.clear();
        }
        self.is_resumed = welcome.resumed && self.has_resumed && !is_afresh;
        if self.is_resumed {
            // What this gateway has told begins where the last one's telling ended.
            self.marks = self.resume_marks.clone();
        } else {
            // It tells everything, as far as it knows: it may be behind the one before.
            self.marks.clear();
        }
        self.principal = welcome.principal.into();
        self.welcome = Some(Welcome { principal: "", ..welcome });
        self.statistics.connections += 1;
        self.go_live(now);
        let epoch = welcome.epoch;
        let is_moving = core::mem::take(&mut self.link.is_moving);
        self.push_event(if is_moving { Event::Moved { epoch } } else { Event::Connected { epoch } });
        if core::mem::take(&mut self.asks_late) {
            self.resubscribe();
        }
        if before.is_some() || core::mem::take(&mut self.begins_afresh) {
            self.begin_return(is_afresh);
        }
        Ok(())
    }
}

pub(super) fn unexpected(detail: &str) -> Violation {
    (ErrorCode::UnexpectedFrame, detail.into())
}
