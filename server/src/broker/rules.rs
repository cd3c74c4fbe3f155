//! The properties that topics get when their first value or event creates them.

use outpour_core::peer::History;
use outpour_core::wire::TopicProperties;
use outpour_core::{Path, Selector, TopicKind, ValueType};

/// Events kept of an event topic, and updates of a value topic that is not conflated, unless a rule
/// or the topic's creator says otherwise.
const DEFAULT_HISTORY: u64 = 1_000;
/// Bytes of these kept at the most, unless a rule says otherwise.
const DEFAULT_HISTORY_BYTES: u64 = 1 << 20;
/// The most updates that a topic's creator, or a rule, may ask to be kept.
pub const MAX_HISTORY: u64 = 1_000_000;

/// Properties for the topics that a selector matches. What is `None` is left to the publish that
/// creates the topic, and the defaults.
#[derive(Clone, Debug)]
pub struct TopicRule {
    /// Which topics.
    pub selector: Selector,
    /// Value or event topics: publishes of the other kind are refused.
    pub kind: Option<TopicKind>,
    /// The type of values: publishes of other types are refused.
    pub value_type: Option<ValueType>,
    /// The most past events or updates kept.
    pub history: Option<u64>,
    /// How long they are kept at the most, in milliseconds; 0 for no limit.
    pub history_age_ms: Option<u64>,
    /// The most bytes of them kept.
    pub history_bytes: Option<u64>,
    /// Whether someone who subscribes later is told the current value.
    pub retain: Option<bool>,
    /// Whether a slow subscriber may be told fewer, newer values.
    pub conflate: Option<bool>,
}

/// What a new topic is to be like.
#[derive(Clone, Copy, Debug)]
pub(super) struct Properties {
    pub(super) retain: bool,
    pub(super) conflate: bool,
    pub(super) history: History,
}

/// The properties of a topic that its first publish creates; `None` if a rule wants another kind
/// or type.
pub(super) fn implied(
    rules: &[TopicRule],
    path: &Path,
    kind: TopicKind,
    value_type: ValueType,
) -> Result<Properties, outpour_core::ErrorCode> {
    let rule = rules.iter().find(|rule| rule.selector.matches(path.as_str()));
    if rule.and_then(|rule| rule.kind).is_some_and(|wanted| wanted != kind) {
        return Err(outpour_core::ErrorCode::KindMismatch);
    }
    if rule.and_then(|rule| rule.value_type).is_some_and(|wanted| wanted != value_type) {
        return Err(outpour_core::ErrorCode::TypeMismatch);
    }
    Ok(Properties {
        retain: rule.and_then(|rule| rule.retain).unwrap_or(true),
        conflate: rule.and_then(|rule| rule.conflate).unwrap_or(true),
        history: History {
            count: rule.and_then(|rule| rule.history).unwrap_or(DEFAULT_HISTORY),
            age_ms: rule.and_then(|rule| rule.history_age_ms).unwrap_or(0),
            bytes: rule.and_then(|rule| rule.history_bytes).unwrap_or(DEFAULT_HISTORY_BYTES),
        },
    })
}

/// The properties of a topic that is created with a say in them.
pub(super) fn explicit(
    rules: &[TopicRule],
    path: &Path,
    wanted: &TopicProperties,
) -> Result<Properties, outpour_core::ErrorCode> {
    if wanted.history > MAX_HISTORY {
        return Err(outpour_core::ErrorCode::BadOptions);
    }
    let implied = implied(rules, path, wanted.kind, wanted.value_type)?;
    Ok(Properties {
        retain: wanted.retain,
        conflate: wanted.conflate,
        history: History { count: wanted.history, age_ms: wanted.history_age_ms, ..implied.history },
    })
}
