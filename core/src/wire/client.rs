//! What a client says.

use alloc::vec::Vec;

use super::fields::{Goodbye, HistoryStart, write_bytes, write_extension, write_text};
use super::reader::{RawFrame, Reader};
use super::varint::write_varint;
use super::{MAX_CREDENTIALS_BYTES, MAX_MESSAGE_BYTES, MAX_TEXT_BYTES, WireError, write_frame};
use crate::position::{FetchId, PublishNumber, PublisherId, ResumePoint, SubscriptionId, TopicNumber, Version};
use crate::value::{TopicKind, ValueType};

/// A frame from client to gateway.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ClientFrame<'a> {
    /// The first frame of a connection.
    Hello(Hello<'a>),
    /// Asks to be told of every topic that a selector matches, now and later.
    Subscribe(Subscribe<'a>),
    /// Ends a subscription.
    Unsubscribe {
        /// The subscription.
        id: SubscriptionId,
    },
    /// Asks for a change to a topic.
    Publish(Publish<'a>),
    /// Asks once for current values or past events.
    Fetch {
        /// Comes back with the answer.
        id: FetchId,
        /// Which topics: a selector as sent, not yet checked.
        selector: &'a [u8],
        /// `None`: the current values of value topics. Otherwise: past events of event topics.
        history: Option<HistoryStart>,
        /// The most values or events to answer with.
        limit: u64,
    },
    /// Asks for a snapshot of a topic whose replica can't take the deltas it is sent.
    Repair {
        /// The topic.
        topic: TopicNumber,
    },
    /// The answer to a ping.
    Pong {
        /// The ping's.
        token: u64,
    },
    /// The orderly end.
    Goodbye(Goodbye<'a>),
    /// Asks for a pong: is the gateway still there?
    Ping {
        /// Comes back with the pong.
        token: u64,
    },
}

/// Who connects, what it can take, and where it goes on from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hello<'a> {
    /// The major version spoken.
    pub major: u64,
    /// The minor version spoken.
    pub minor: u64,
    /// Names the publisher across connections.
    pub publisher: PublisherId,
    /// Every publish up to this number has been answered as far as the client knows.
    pub settled: PublishNumber,
    /// The largest message the client takes, in bytes.
    pub max_message: u64,
    /// What the client is, for logs.
    pub agent: &'a str,
    /// Where the subscriptions that say so go on from.
    pub resume: Option<ResumePoint>,
    /// Shows who the client is, in a form that the gateway's operator chose; empty for none.
    pub credentials: &'a [u8],
}

/// Interest in the topics a selector matches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Subscribe<'a> {
    /// Chosen by the client; new in its session.
    pub id: SubscriptionId,
    /// Which topics: a selector as sent, not yet checked.
    pub selector: &'a [u8],
    /// The most updates per topic and 1,000 seconds; 0 for no limit.
    pub max_rate_millihertz: u64,
    /// From where event topics are told.
    pub from: HistoryStart,
    /// What of the resume point of the hello it goes on from.
    pub resume: Resume,
}

/// What a subscription goes on from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Resume {
    /// Nothing: it is a new one.
    #[default]
    No,
    /// What the exceptions say, and nothing else: it was cut short before it was complete. Every topic is
    /// announced, those that stand among the exceptions with the version that the client was told.
    Partly,
    /// Marks and exceptions, if the gateway can. Then `from` counts only if the log began anew.
    Fully,
}

/// A change to a topic, asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Publish<'a> {
    /// One more than the publisher's last.
    pub number: PublishNumber,
    /// The topic.
    pub path: PublishPath<'a>,
    /// When the change may be made.
    pub condition: Condition,
    /// The change.
    pub operation: Operation<'a>,
}

/// How a publish names its topic: a path often used is sent once and spoken of by an alias then.
/// Paths stand here as sent, not yet checked, so that a bad one is refused and not the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PublishPath<'a> {
    /// The path itself.
    Whole(&'a [u8]),
    /// The path itself, which from now on goes by this alias on this connection.
    Define(u32, &'a [u8]),
    /// The path that goes by this alias.
    Alias(u32),
}

/// When a change may be made. Judged where the record is applied, alike on every gateway.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Condition {
    /// In any case.
    #[default]
    Always,
    /// Only if there is no such topic.
    IfAbsent,
    /// Only if the topic's version is this one.
    IfVersion(Version),
}

/// A change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Operation<'a> {
    /// Sets a value topic, creating it if need be.
    Set {
        /// The value's type.
        value_type: ValueType,
        /// The value.
        value: &'a [u8],
    },
    /// Appends an event to an event topic, creating it if need be.
    Append {
        /// The event's type.
        value_type: ValueType,
        /// The event.
        value: &'a [u8],
    },
    /// Changes the value that an earlier publish of the same publisher set.
    Delta {
        /// That publish.
        base: PublishNumber,
        /// The CRC-32 of the resulting value.
        check: u32,
        /// The delta.
        delta: &'a [u8],
    },
    /// Applies an RFC 6902 JSON Patch to a JSON value.
    JsonPatch {
        /// The patch, as JSON text.
        patch: &'a [u8],
    },
    /// Applies an RFC 7386 JSON Merge Patch to a JSON value.
    MergePatch {
        /// The patch, as JSON text.
        patch: &'a [u8],
    },
    /// Removes a topic.
    Remove,
    /// Creates a topic that has no value or event yet.
    Create(TopicProperties),
}

/// What is fixed about a topic when it is created.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TopicProperties {
    /// Value or event topic.
    pub kind: TopicKind,
    /// The type of its values or events.
    pub value_type: ValueType,
    /// Whether someone who subscribes later is told the current value.
    pub retain: bool,
    /// Whether a slow subscriber may be told fewer, newer values.
    pub conflate: bool,
    /// How many past events (or past updates of a value) are kept at the most.
    pub history: u64,
    /// How long past events are kept at the most, in milliseconds; 0 for no limit.
    pub history_age_ms: u64,
}

const HELLO: u64 = 1;
const SUBSCRIBE: u64 = 2;
const UNSUBSCRIBE: u64 = 3;
const PUBLISH: u64 = 4;
const FETCH: u64 = 5;
const REPAIR: u64 = 6;
const PONG: u64 = 7;
const GOODBYE: u64 = 8;
const PING: u64 = 9;

/// Extensions of a hello.
const HELLO_RESUME: u64 = 1;
const HELLO_CREDENTIALS: u64 = 2;
/// Extensions of a subscribe.
const SUBSCRIBE_RESUME: u64 = 1;
const SUBSCRIBE_RESUME_PARTLY: u64 = 2;

impl<'a> ClientFrame<'a> {
    /// Appends the frame to a message.
    pub fn encode(&self, out: &mut Vec<u8>) {
        match self {
            Self::Hello(hello) => write_frame(out, HELLO, |out| hello.write(out)),
            Self::Subscribe(subscribe) => write_frame(out, SUBSCRIBE, |out| subscribe.write(out)),
            Self::Unsubscribe { id } => write_frame(out, UNSUBSCRIBE, |out| write_varint(out, id.0.into())),
            Self::Publish(publish) => write_frame(out, PUBLISH, |out| publish.write(out)),
            Self::Fetch { id, selector, history, limit } => write_frame(out, FETCH, |out| {
                write_varint(out, id.0.into());
                write_bytes(out, selector);
                write_varint(out, *limit);
                if let Some(start) = history {
                    out.push(1);
                    start.write(out);
                } else {
                    out.push(0);
                }
            }),
            Self::Repair { topic } => write_frame(out, REPAIR, |out| write_varint(out, topic.0.into())),
            Self::Pong { token } => write_frame(out, PONG, |out| write_varint(out, *token)),
            Self::Goodbye(goodbye) => write_frame(out, GOODBYE, |out| goodbye.write(out)),
            Self::Ping { token } => write_frame(out, PING, |out| write_varint(out, *token)),
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
            HELLO => Self::Hello(Hello::read(reader)?),
            SUBSCRIBE => Self::Subscribe(Subscribe::read(reader)?),
            UNSUBSCRIBE => Self::Unsubscribe { id: SubscriptionId(reader.small("subscription")) },
            PUBLISH => Self::Publish(Publish::read(reader)?),
            FETCH => {
                let id = FetchId(reader.small("fetch"));
                let selector = reader.bytes("selector", MAX_MESSAGE_BYTES);
                let limit = reader.varint();
                let history = match reader.byte() {
                    0 => None,
                    1 => Some(HistoryStart::read(reader)?),
                    other => return Err(WireError::Unknown { field: "fetch", number: other.into() }),
                };
                reader.skip_extensions();
                Self::Fetch { id, selector, history, limit }
            }
            REPAIR => Self::Repair { topic: TopicNumber(reader.small("topic")) },
            PONG => Self::Pong { token: reader.varint() },
            GOODBYE => {
                let goodbye = Goodbye::read(reader)?;
                reader.skip_extensions();
                Self::Goodbye(goodbye)
            }
            PING => Self::Ping { token: reader.varint() },
            _ => {
                reader.rest();
                return Ok(None);
            }
        }))
    }
}

impl<'a> Hello<'a> {
    fn write(&self, out: &mut Vec<u8>) {
        write_varint(out, self.major);
        write_varint(out, self.minor);
        out.extend_from_slice(&self.publisher.0);
        write_varint(out, self.settled.0);
        write_varint(out, self.max_message);
        write_text(out, self.agent);
        if let Some(point) = &self.resume {
            let mut content = Vec::new();
            point.write(&mut content);
            write_extension(out, HELLO_RESUME, &content);
        }
        if !self.credentials.is_empty() {
            write_extension(out, HELLO_CREDENTIALS, self.credentials);
        }
    }

    fn read(reader: &mut Reader<'a>) -> Result<Self, WireError> {
        let major = reader.varint();
        let minor = reader.varint();
        // Another major version may have other fields: only the versions can be read.
        if major != super::PROTOCOL_MAJOR {
            reader.rest();
            return Ok(Self {
                major,
                minor,
                publisher: PublisherId::default(),
                settled: PublishNumber(0),
                max_message: 0,
                agent: "",
                resume: None,
                credentials: &[],
            });
        }
        let mut hello = Self {
            major,
            minor,
            publisher: PublisherId(reader.array()),
            settled: PublishNumber(reader.varint()),
            max_message: reader.varint(),
            agent: reader.text("agent", MAX_TEXT_BYTES),
            resume: None,
            credentials: &[],
        };
        while let Some((tag, content)) = reader.extension() {
            match tag {
                HELLO_RESUME => hello.resume = Some(ResumePoint::read(content)?),
                HELLO_CREDENTIALS if content.len() > MAX_CREDENTIALS_BYTES => {
                    return Err(WireError::TooLong { field: "credentials", limit: MAX_CREDENTIALS_BYTES });
                }
                HELLO_CREDENTIALS => hello.credentials = content,
                _ => {}
            }
        }
        Ok(hello)
    }
}

impl<'a> Subscribe<'a> {
    fn write(&self, out: &mut Vec<u8>) {
        write_varint(out, self.id.0.into());
        write_bytes(out, self.selector);
        write_varint(out, self.max_rate_millihertz);
        self.from.write(out);
        match self.resume {
            Resume::No => {}
            Resume::Partly => write_extension(out, SUBSCRIBE_RESUME_PARTLY, &[]),
            Resume::Fully => write_extension(out, SUBSCRIBE_RESUME, &[]),
        }
    }

    fn read(reader: &mut Reader<'a>) -> Result<Self, WireError> {
        let mut subscribe = Self {
            id: SubscriptionId(reader.small("subscription")),
            selector: reader.bytes("selector", MAX_MESSAGE_BYTES),
            max_rate_millihertz: reader.varint(),
            from: HistoryStart::read(reader)?,
            resume: Resume::No,
        };
        while let Some((tag, _)) = reader.extension() {
            match tag {
                SUBSCRIBE_RESUME => subscribe.resume = Resume::Fully,
                SUBSCRIBE_RESUME_PARTLY => subscribe.resume = Resume::Partly,
                _ => {}
            }
        }
        Ok(subscribe)
    }
}

impl<'a> Publish<'a> {
    fn write(&self, out: &mut Vec<u8>) {
        write_varint(out, self.number.0);
        match &self.path {
            PublishPath::Whole(path) => {
                write_varint(out, 0);
                write_bytes(out, path);
            }
            PublishPath::Define(alias, path) => {
                write_varint(out, u64::from(*alias) * 2 + 1);
                write_bytes(out, path);
            }
            PublishPath::Alias(alias) => write_varint(out, u64::from(*alias) * 2 + 2),
        }
        match self.condition {
            Condition::Always => out.push(0),
            Condition::IfAbsent => out.push(1),
            Condition::IfVersion(version) => {
                out.push(2);
                write_varint(out, version.0);
            }
        }
        self.operation.write(out);
    }

    fn read(reader: &mut Reader<'a>) -> Result<Self, WireError> {
        let number = PublishNumber(reader.varint());
        let path = match reader.varint() {
            0 => PublishPath::Whole(reader.bytes("path", MAX_MESSAGE_BYTES)),
            tag => {
                let alias =
                    u32::try_from((tag - 1) / 2).map_err(|_| WireError::Unknown { field: "alias", number: tag })?;
                if tag % 2 == 1 {
                    PublishPath::Define(alias, reader.bytes("path", MAX_MESSAGE_BYTES))
                } else {
                    PublishPath::Alias(alias)
                }
            }
        };
        let condition = match reader.byte() {
            0 => Condition::Always,
            1 => Condition::IfAbsent,
            2 => Condition::IfVersion(Version(reader.varint())),
            other => return Err(WireError::Unknown { field: "condition", number: other.into() }),
        };
        Ok(Self { number, path, condition, operation: Operation::read(reader)? })
    }
}

impl<'a> Operation<'a> {
    fn write(&self, out: &mut Vec<u8>) {
        match self {
            Self::Set { value_type, value } => {
                out.extend_from_slice(&[0, value_type.code()]);
                out.extend_from_slice(value);
            }
            Self::Append { value_type, value } => {
                out.extend_from_slice(&[1, value_type.code()]);
                out.extend_from_slice(value);
            }
            Self::Delta { base, check, delta } => {
                out.push(2);
                write_varint(out, base.0);
                out.extend_from_slice(&check.to_le_bytes());
                out.extend_from_slice(delta);
            }
            Self::JsonPatch { patch } => {
                out.push(3);
                out.extend_from_slice(patch);
            }
            Self::MergePatch { patch } => {
                out.push(4);
                out.extend_from_slice(patch);
            }
            Self::Remove => out.push(5),
            Self::Create(properties) => {
                out.push(6);
                properties.write(out);
            }
        }
    }

    fn read(reader: &mut Reader<'a>) -> Result<Self, WireError> {
        Ok(match reader.byte() {
            0 => Self::Set { value_type: read_value_type(reader), value: reader.rest() },
            1 => Self::Append { value_type: read_value_type(reader), value: reader.rest() },
            2 => Self::Delta {
                base: PublishNumber(reader.varint()),
                check: u32::from_le_bytes(reader.array()),
                delta: reader.rest(),
            },
            3 => Self::JsonPatch { patch: reader.rest() },
            4 => Self::MergePatch { patch: reader.rest() },
            5 => Self::Remove,
            6 => Self::Create(TopicProperties::read(reader)?),
            other => return Err(WireError::Unknown { field: "operation", number: other.into() }),
        })
    }
}

impl TopicProperties {
    fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&[self.kind.code(), self.value_type.code()]);
        out.push(u8::from(self.retain) | (u8::from(self.conflate) << 1));
        write_varint(out, self.history);
        write_varint(out, self.history_age_ms);
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, WireError> {
        let kind = read_kind(reader);
        let value_type = read_value_type(reader);
        let flags = reader.byte();
        if flags > 3 {
            return Err(WireError::Unknown { field: "topic flags", number: flags.into() });
        }
        let properties = Self {
            kind,
            value_type,
            retain: flags & 1 != 0,
            conflate: flags & 2 != 0,
            history: reader.varint(),
            history_age_ms: reader.varint(),
        };
        reader.skip_extensions();
        Ok(properties)
    }
}

pub(super) fn read_kind(reader: &mut Reader<'_>) -> TopicKind {
    let code = reader.byte();
    TopicKind::from_code(code).unwrap_or_else(|| {
        reader.fail(WireError::Unknown { field: "topic kind", number: code.into() });
        TopicKind::Value
    })
}

pub(super) fn read_value_type(reader: &mut Reader<'_>) -> ValueType {
    let code = reader.byte();
    ValueType::from_code(code).unwrap_or_else(|| {
        reader.fail(WireError::Unknown { field: "value type", number: code.into() });
        ValueType::Binary
    })
}
