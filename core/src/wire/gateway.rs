//! What a gateway says.

use alloc::vec::Vec;

use super::client::{read_kind, read_value_type};
use super::fields::{Goodbye, write_extension, write_text};
use super::reader::{RawFrame, Reader};
use super::varint::write_varint;
use super::{MAX_TEXT_BYTES, WireError, write_frame};
use crate::path::{MAX_PATH_BYTES, Path};
use crate::position::{Epoch, FetchId, Partition, PublishNumber, SubscriptionId, TopicNumber, Version};
use crate::value::{TopicKind, ValueType};

/// A frame from gateway to client.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum GatewayFrame<'a> {
    /// The answer to the client's hello.
    Welcome(Welcome<'a>),
    /// Gives a topic its number.
    Announce(Announce),
    /// A topic's whole value.
    Snapshot {
        /// The topic.
        topic: TopicNumber,
        /// The value's version.
        version: Version,
        /// The [`check`](crate::check::check) of value and version.
        check: u32,
        /// The value.
        value: &'a [u8],
    },
    /// The way from the version last told to a later one.
    Delta {
        /// The topic.
        topic: TopicNumber,
        /// From the version last told of the topic to the new one.
        distance: u64,
        /// The low half of the new value's check.
        check: u16,
        /// The delta.
        delta: &'a [u8],
    },
    /// The event that follows the one last told of the topic.
    Event {
        /// The topic.
        topic: TopicNumber,
        /// From the version last told of the topic to the event's.
        distance: u64,
        /// The event.
        value: &'a [u8],
    },
    /// A topic is no more.
    Removed {
        /// The topic.
        topic: TopicNumber,
        /// The position of the removal.
        version: Version,
    },
    /// Events of a topic are missing: those after the one last told, up to and with this one.
    Gap {
        /// The topic.
        topic: TopicNumber,
        /// The version of the last one missing.
        version: Version,
        /// The sequence number of the last one missing.
        sequence: u64,
    },
    /// The mark of a partition, where it isn't the newest version in the message.
    Mark {
        /// The partition.
        partition: Partition,
        /// All up to here has been told.
        version: Version,
    },
    /// The verdict on a publish.
    Ack(Ack),
    /// Asks for a pong.
    Ping {
        /// Comes back with the pong.
        token: u64,
    },
    /// All topics that matched a subscription when it was made have been told.
    Subscribed {
        /// The subscription.
        id: SubscriptionId,
        /// How many topics matched.
        topics: u64,
    },
    /// One value or event asked for by a fetch.
    Fetched(Fetched<'a>),
    /// The end of a fetch.
    FetchEnd {
        /// The fetch.
        id: FetchId,
        /// Whether the limit kept more back.
        more: bool,
    },
    /// A request can't be met.
    Refused(Refused<'a>),
    /// The orderly end.
    Goodbye(Goodbye<'a>),
    /// Asks the client to go on elsewhere. It is served on until it does, or the time is over.
    Move(Move<'a>),
    /// The answer to an unsubscribe: no topic that no other subscription selects is spoken of any more, unless it
    /// is announced again.
    Unsubscribed {
        /// The subscription.
        id: SubscriptionId,
    },
    /// The answer to a ping.
    Pong {
        /// The ping's.
        token: u64,
    },
}

/// The gateway's side of the handshake.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Welcome<'a> {
    /// The major version spoken.
    pub major: u64,
    /// The minor version spoken.
    pub minor: u64,
    /// The life of the log that versions and marks belong to.
    pub epoch: Epoch,
    /// How often the client hears from the gateway at the least, in milliseconds.
    pub heartbeat_ms: u64,
    /// The largest message the gateway takes, in bytes.
    pub max_message: u64,
    /// The largest value the gateway takes, in bytes.
    pub max_value: u64,
    /// How many publishes may wait for their verdict.
    pub max_in_flight: u64,
    /// How many subscriptions the session may have.
    pub max_subscriptions: u64,
    /// The last publish of this publisher that was applied.
    pub applied: PublishNumber,
    /// Whether subscriptions go on from the resume point of the hello, so that topics the client knows
    /// are spoken of only if something became of them. Otherwise every topic is announced.
    pub resumed: bool,
    /// Who the client is to the gateway; empty for anybody.
    pub principal: &'a str,
}

/// A topic's number, and where the telling of it starts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Announce {
    /// The number.
    pub topic: TopicNumber,
    /// The partition that its versions belong to.
    pub partition: Partition,
    /// Value or event topic.
    pub kind: TopicKind,
    /// The type of its values or events.
    pub value_type: ValueType,
    /// The version that the next delta or event counts from.
    pub version: Version,
    /// For event topics: the sequence number of the event with that version.
    pub sequence: u64,
    /// The topic's name.
    pub path: Path,
}

/// The verdict on a publish.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ack {
    /// The publish.
    pub number: PublishNumber,
    /// 0 if it was applied, otherwise the [`ErrorCode`](crate::ErrorCode)'s number.
    pub code: u16,
    /// The version it gave the topic; if it was not applied, the topic's version then.
    pub version: Version,
}

/// One value or event asked for by a fetch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fetched<'a> {
    /// The fetch.
    pub id: FetchId,
    /// The topic.
    pub path: Path,
    /// Value or event topic.
    pub kind: TopicKind,
    /// The type of the value.
    pub value_type: ValueType,
    /// The version.
    pub version: Version,
    /// For events: the sequence number.
    pub sequence: u64,
    /// The value or event.
    pub value: &'a [u8],
}

/// The request that a refusal is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RequestRef {
    /// A subscription; it ends.
    Subscription(SubscriptionId),
    /// A fetch; it ends.
    Fetch(FetchId),
}

/// Please go on elsewhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Move<'a> {
    /// For how long the client is served on, in milliseconds.
    pub within_ms: u64,
    /// Where to; empty for another of the client's endpoints.
    pub redirect: &'a str,
}

/// A request can't be met, and why.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refused<'a> {
    /// The request.
    pub request: RequestRef,
    /// The [`ErrorCode`](crate::ErrorCode)'s number.
    pub code: u16,
    /// What happened, in a sentence.
    pub reason: &'a str,
}

const DELTA: u64 = 1;
const SNAPSHOT: u64 = 2;
const EVENT: u64 = 3;
const ANNOUNCE: u64 = 4;
const REMOVED: u64 = 5;
const GAP: u64 = 6;
const MARK: u64 = 7;
const ACK: u64 = 8;
const PING: u64 = 9;
const WELCOME: u64 = 10;
const SUBSCRIBED: u64 = 11;
const FETCHED: u64 = 12;
const FETCH_END: u64 = 13;
const REFUSED: u64 = 14;
const GOODBYE: u64 = 16;
const MOVE: u64 = 17;
const PONG: u64 = 18;
const UNSUBSCRIBED: u64 = 19;

/// Extensions of a welcome.
const WELCOME_RESUMED: u64 = 1;
const WELCOME_PRINCIPAL: u64 = 2;

impl<'a> GatewayFrame<'a> {
    /// Appends the frame to a message.
    pub fn encode(&self, out: &mut Vec<u8>) {
        match self {
            Self::Welcome(welcome) => write_frame(out, WELCOME, |out| welcome.write(out)),
            Self::Announce(announce) => write_frame(out, ANNOUNCE, |out| announce.write(out)),
            Self::Snapshot { topic, version, check, value } => write_frame(out, SNAPSHOT, |out| {
                write_varint(out, topic.0.into());
                write_varint(out, version.0);
                out.extend_from_slice(&check.to_le_bytes());
                out.extend_from_slice(value);
            }),
            Self::Delta { topic, distance, check, delta } => write_frame(out, DELTA, |out| {
                write_varint(out, topic.0.into());
                write_varint(out, *distance);
                out.extend_from_slice(&check.to_le_bytes());
                out.extend_from_slice(delta);
            }),
            Self::Event { topic, distance, value } => write_frame(out, EVENT, |out| {
                write_varint(out, topic.0.into());
                write_varint(out, *distance);
                out.extend_from_slice(value);
            }),
            Self::Removed { topic, version } => write_frame(out, REMOVED, |out| {
                write_varint(out, topic.0.into());
                write_varint(out, version.0);
            }),
            Self::Gap { topic, version, sequence } => write_frame(out, GAP, |out| {
                write_varint(out, topic.0.into());
                write_varint(out, version.0);
                write_varint(out, *sequence);
            }),
            Self::Mark { partition, version } => write_frame(out, MARK, |out| {
                write_varint(out, partition.0.into());
                write_varint(out, version.0);
            }),
            Self::Ack(ack) => write_frame(out, ACK, |out| {
                write_varint(out, ack.number.0);
                write_varint(out, ack.code.into());
                write_varint(out, ack.version.0);
            }),
            Self::Ping { token } => write_frame(out, PING, |out| write_varint(out, *token)),
            Self::Subscribed { id, topics } => write_frame(out, SUBSCRIBED, |out| {
                write_varint(out, id.0.into());
                write_varint(out, *topics);
            }),
            Self::Unsubscribed { id } => write_frame(out, UNSUBSCRIBED, |out| write_varint(out, id.0.into())),
            Self::Fetched(fetched) => write_frame(out, FETCHED, |out| fetched.write(out)),
            Self::FetchEnd { id, more } => write_frame(out, FETCH_END, |out| {
                write_varint(out, id.0.into());
                out.push(u8::from(*more));
            }),
            Self::Refused(refused) => write_frame(out, REFUSED, |out| refused.write(out)),
            Self::Goodbye(goodbye) => write_frame(out, GOODBYE, |out| goodbye.write(out)),
            Self::Move(moving) => write_frame(out, MOVE, |out| moving.write(out)),
            Self::Pong { token } => write_frame(out, PONG, |out| write_varint(out, *token)),
        }
    }

    /// Reads a frame; `None` for a kind that a newer minor version added.
    ///
    /// # Errors
    /// What is wrong with the bytes.
    pub fn decode(frame: RawFrame<'a>) -> Result<Option<Self>, WireError> {
        let mut reader = Reader::new(frame.body);
        let read = Self::read(frame.kind, &mut reader);
        reader.end(read)
    }

    fn read(kind: u64, reader: &mut Reader<'a>) -> Result<Option<Self>, WireError> {
        Ok(Some(match kind {
            DELTA => Self::Delta {
                topic: read_topic(reader),
                distance: reader.varint(),
                check: u16::from_le_bytes(reader.array()),
                delta: reader.rest(),
            },
            SNAPSHOT => Self::Snapshot {
                topic: read_topic(reader),
                version: Version(reader.varint()),
                check: u32::from_le_bytes(reader.array()),
                value: reader.rest(),
            },
            EVENT => Self::Event { topic: read_topic(reader), distance: reader.varint(), value: reader.rest() },
            ANNOUNCE => Self::Announce(Announce::read(reader)?),
            REMOVED => Self::Removed { topic: read_topic(reader), version: Version(reader.varint()) },
            GAP => {
                Self::Gap { topic: read_topic(reader), version: Version(reader.varint()), sequence: reader.varint() }
            }
            MARK => Self::Mark { partition: Partition(reader.small("partition")), version: Version(reader.varint()) },
            ACK => Self::Ack(Ack {
                number: PublishNumber(reader.varint()),
                code: reader.small("code"),
                version: Version(reader.varint()),
            }),
            PING => Self::Ping { token: reader.varint() },
            WELCOME => Self::Welcome(Welcome::read(reader)?),
            SUBSCRIBED => {
                Self::Subscribed { id: SubscriptionId(reader.small("subscription")), topics: reader.varint() }
            }
            UNSUBSCRIBED => Self::Unsubscribed { id: SubscriptionId(reader.small("subscription")) },
            FETCHED => Self::Fetched(Fetched::read(reader)?),
            FETCH_END => {
                let id = FetchId(reader.small("fetch"));
                match reader.byte() {
                    more @ (0 | 1) => Self::FetchEnd { id, more: more == 1 },
                    other => return Err(WireError::Unknown { field: "fetch end", number: other.into() }),
                }
            }
            REFUSED => Self::Refused(Refused::read(reader)?),
            GOODBYE => {
                let goodbye = Goodbye::read(reader)?;
                reader.skip_extensions();
                Self::Goodbye(goodbye)
            }
            MOVE => Self::Move(Move::read(reader)),
            PONG => Self::Pong { token: reader.varint() },
            _ => {
                reader.rest();
                return Ok(None);
            }
        }))
    }
}

impl<'a> Welcome<'a> {
    fn write(&self, out: &mut Vec<u8>) {
        write_varint(out, self.major);
        write_varint(out, self.minor);
        out.extend_from_slice(&self.epoch.0);
        write_varint(out, self.heartbeat_ms);
        write_varint(out, self.max_message);
        write_varint(out, self.max_value);
        write_varint(out, self.max_in_flight);
        write_varint(out, self.max_subscriptions);
        write_varint(out, self.applied.0);
        if self.resumed {
            write_extension(out, WELCOME_RESUMED, &[]);
        }
        if !self.principal.is_empty() {
            write_extension(out, WELCOME_PRINCIPAL, self.principal.as_bytes());
        }
    }

    fn read(reader: &mut Reader<'a>) -> Result<Self, WireError> {
        let mut welcome = Self {
            major: reader.varint(),
            minor: reader.varint(),
            epoch: Epoch(reader.array()),
            heartbeat_ms: reader.varint(),
            max_message: reader.varint(),
            max_value: reader.varint(),
            max_in_flight: reader.varint(),
            max_subscriptions: reader.varint(),
            applied: PublishNumber(reader.varint()),
            resumed: false,
            principal: "",
        };
        while let Some((tag, content)) = reader.extension() {
            match tag {
                WELCOME_RESUMED => welcome.resumed = true,
                WELCOME_PRINCIPAL if content.len() > MAX_TEXT_BYTES => {
                    return Err(WireError::TooLong { field: "principal", limit: MAX_TEXT_BYTES });
                }
                WELCOME_PRINCIPAL => {
                    welcome.principal = core::str::from_utf8(content).map_err(|_| WireError::NotUtf8)?;
                }
                _ => {}
            }
        }
        Ok(welcome)
    }
}

impl Announce {
    fn write(&self, out: &mut Vec<u8>) {
        write_varint(out, self.topic.0.into());
        write_varint(out, self.partition.0.into());
        out.extend_from_slice(&[self.kind.code(), self.value_type.code()]);
        write_varint(out, self.version.0);
        write_varint(out, self.sequence);
        write_text(out, self.path.as_str());
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, WireError> {
        let announce = Self {
            topic: read_topic(reader),
            partition: Partition(reader.small("partition")),
            kind: read_kind(reader),
            value_type: read_value_type(reader),
            version: Version(reader.varint()),
            sequence: reader.varint(),
            path: read_path(reader)?,
        };
        reader.skip_extensions();
        Ok(announce)
    }
}

impl<'a> Fetched<'a> {
    fn write(&self, out: &mut Vec<u8>) {
        write_varint(out, self.id.0.into());
        write_text(out, self.path.as_str());
        out.extend_from_slice(&[self.kind.code(), self.value_type.code()]);
        write_varint(out, self.version.0);
        write_varint(out, self.sequence);
        out.extend_from_slice(self.value);
    }

    fn read(reader: &mut Reader<'a>) -> Result<Self, WireError> {
        Ok(Self {
            id: FetchId(reader.small("fetch")),
            path: read_path(reader)?,
            kind: read_kind(reader),
            value_type: read_value_type(reader),
            version: Version(reader.varint()),
            sequence: reader.varint(),
            value: reader.rest(),
        })
    }
}

impl<'a> Move<'a> {
    fn write(&self, out: &mut Vec<u8>) {
        write_varint(out, self.within_ms);
        write_text(out, self.redirect);
    }

    fn read(reader: &mut Reader<'a>) -> Self {
        let moving = Self { within_ms: reader.varint(), redirect: reader.text("redirect", MAX_TEXT_BYTES) };
        reader.skip_extensions();
        moving
    }
}

impl<'a> Refused<'a> {
    fn write(&self, out: &mut Vec<u8>) {
        let (request, id) = match self.request {
            RequestRef::Subscription(id) => (0, id.0),
            RequestRef::Fetch(id) => (1, id.0),
        };
        out.push(request);
        write_varint(out, id.into());
        write_varint(out, self.code.into());
        write_text(out, self.reason);
    }

    fn read(reader: &mut Reader<'a>) -> Result<Self, WireError> {
        let request = match reader.byte() {
            0 => RequestRef::Subscription(SubscriptionId(reader.small("subscription"))),
            1 => RequestRef::Fetch(FetchId(reader.small("fetch"))),
            other => return Err(WireError::Unknown { field: "request", number: other.into() }),
        };
        let refused = Self { request, code: reader.small("code"), reason: reader.text("reason", MAX_TEXT_BYTES) };
        reader.skip_extensions();
        Ok(refused)
    }
}

fn read_topic(reader: &mut Reader<'_>) -> TopicNumber {
    TopicNumber(reader.small("topic"))
}

fn read_path(reader: &mut Reader<'_>) -> Result<Path, WireError> {
    Path::from_bytes(reader.bytes("path", MAX_PATH_BYTES)).map_err(|_| WireError::Invalid { field: "path" })
}
