//! A record as bytes, as segments keep it.
//!
//! Numbers are varints; texts and values stand behind their length, except what is last.
//!
//! | field | |
//! |---|---|
//! | durable | by how many positions the newest record known to be on the disk was behind, when this one was written; 0 if that was not known |
//! | time | milliseconds |
//! | author | 16 bytes |
//! | number | |
//! | path | length and bytes |
//! | condition | 0 always, 1 if absent, 2 if the version is the one that follows |
//! | change | its kind, then what belongs to it |

use bytes::Bytes;
use outpour_core::peer::Change;
use outpour_core::wire::{Condition, TopicProperties};
use outpour_core::{PublishNumber, PublisherId, TopicKind, ValueType, Version};

use super::super::Record;
use super::super::fields::{Fields, write_bytes, write_varint};

const SET: u64 = 0;
const APPEND: u64 = 1;
const DELTA: u64 = 2;
const JSON_PATCH: u64 = 3;
const MERGE_PATCH: u64 = 4;
const REMOVE: u64 = 5;
const CREATE: u64 = 6;

/// Appends a record. `durable` is how far behind it the newest one is that is on the disk for certain;
/// 0 if that is not known.
///
/// `false` if the condition or the change is of a kind that this log does not know.
pub(super) fn encode(record: &Record, durable: u64, out: &mut Vec<u8>) -> bool {
    write_varint(out, durable);
    write_varint(out, record.at_ms);
    out.extend(record.author.0);
    write_varint(out, record.number.0);
    write_bytes(out, record.path.as_str().as_bytes());
    match record.condition {
        Condition::Always => write_varint(out, 0),
        Condition::IfAbsent => write_varint(out, 1),
        Condition::IfVersion(version) => {
            write_varint(out, 2);
            write_varint(out, version.0);
        }
        _ => return false,
    }
    match &record.change {
        Change::Set(value_type, value) => typed(out, SET, *value_type, value),
        Change::Append(value_type, value) => typed(out, APPEND, *value_type, value),
        Change::Delta { base, check, delta } => {
            write_varint(out, DELTA);
            write_varint(out, base.0);
            out.extend(check.to_le_bytes());
            out.extend_from_slice(delta);
        }
        Change::JsonPatch(patch) => {
            write_varint(out, JSON_PATCH);
            out.extend_from_slice(patch);
        }
        Change::MergePatch(patch) => {
            write_varint(out, MERGE_PATCH);
            out.extend_from_slice(patch);
        }
        Change::Remove => write_varint(out, REMOVE),
        Change::Create(properties) => {
            write_varint(out, CREATE);
            out.extend([properties.kind.code(), properties.value_type.code()]);
            out.extend([u8::from(properties.retain), u8::from(properties.conflate)]);
            write_varint(out, properties.history);
            write_varint(out, properties.history_age_ms);
        }
        _ => return false,
    }
    true
}

fn typed(out: &mut Vec<u8>, change: u64, value_type: ValueType, value: &[u8]) {
    write_varint(out, change);
    out.push(value_type.code());
    out.extend_from_slice(value);
}

/// How far behind it the newest record was that was on the disk for certain.
pub(super) fn durable(bytes: &[u8]) -> Option<u64> {
    Fields::new(bytes).varint().filter(|behind| *behind > 0)
}

/// Reads a record back; `None` if the bytes are not one.
pub(super) fn decode(bytes: &[u8]) -> Option<Record> {
    let mut fields = Fields::new(bytes);
    fields.varint()?;
    let at_ms = fields.varint()?;
    let author = PublisherId(fields.array()?);
    let number = PublishNumber(fields.varint()?);
    let path = fields.path()?;
    let condition = match fields.varint()? {
        0 => Condition::Always,
        1 => Condition::IfAbsent,
        2 => Condition::IfVersion(Version(fields.varint()?)),
        _ => return None,
    };
    let change = match fields.varint()? {
        SET => Change::Set(fields.value_type()?, Bytes::copy_from_slice(fields.rest())),
        APPEND => Change::Append(fields.value_type()?, Bytes::copy_from_slice(fields.rest())),
        DELTA => {
            let base = PublishNumber(fields.varint()?);
            let check = u32::from_le_bytes(fields.array()?);
            Change::Delta { base, check, delta: Bytes::copy_from_slice(fields.rest()) }
        }
        JSON_PATCH => Change::JsonPatch(Bytes::copy_from_slice(fields.rest())),
        MERGE_PATCH => Change::MergePatch(Bytes::copy_from_slice(fields.rest())),
        REMOVE => Change::Remove,
        CREATE => Change::Create(TopicProperties {
            kind: TopicKind::from_code(fields.byte()?)?,
            value_type: fields.value_type()?,
            retain: fields.flag()?,
            conflate: fields.flag()?,
            history: fields.varint()?,
            history_age_ms: fields.varint()?,
        }),
        _ => return None,
    };
    fields.is_empty().then_some(Record { path, author, number, condition, change, at_ms })
}
