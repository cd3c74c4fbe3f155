//! Steps as they are written in scenarios.

use outpour::{HistoryStart, TopicKind, TopicProperties, Value, ValueType, Version};
use serde::Deserialize;

#[derive(Debug, Deserialize)]
#[serde(tag = "do", rename_all = "kebab-case", rename_all_fields = "camelCase")]
pub(crate) enum Step {
    Reset,
    Connect(Connect),
    State { session: String, is: String },
    Resumed { session: String },
    Suspend { session: String },
    Resume { session: String },
    Statistics { session: String },
    Close { session: String },
    Closed { session: String },
    Subscribe(Subscribe),
    Next { subscription: String, count: usize },
    Until { subscription: String, path: String, value: Datum },
    Ended { subscription: String },
    Unsubscribe { subscription: String },
    AbandonNext { subscription: String },
    Set(Publication),
    Append(Publication),
    Patch(Publication),
    JsonPatch(Publication),
    Remove(Publication),
    Create(Publication),
    OpenStream { session: String, stream: String, path: String },
    StreamSet(Publication),
    CloseStream { stream: String },
    Burst { session: String, change: String, path: String, count: i64 },
    Settled { call: String },
    Cancel { call: String },
    Get { session: String, path: String },
    Fetch { session: String, selector: String },
    FetchEvents { session: String, selector: String, from: From, limit: u64 },
    Replica { session: String, path: String },
    Replicas { session: String, selector: String },
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Connect {
    pub(crate) session: String,
    pub(crate) to: Vec<String>,
    #[serde(default = "yes")]
    pub(crate) wait: bool,
    pub(crate) credentials: Option<String>,
    pub(crate) store: Option<String>,
    pub(crate) queue: Option<usize>,
    pub(crate) reconnect: Option<bool>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Subscribe {
    pub(crate) session: String,
    pub(crate) subscription: String,
    pub(crate) selector: String,
    pub(crate) from: Option<From>,
    pub(crate) max_rate: Option<f64>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Publication {
    #[serde(default)]
    pub(crate) session: String,
    #[serde(default)]
    pub(crate) stream: String,
    #[serde(default)]
    pub(crate) path: String,
    pub(crate) value: Option<Datum>,
    /// A patch, as JSON text.
    pub(crate) patch: Option<String>,
    pub(crate) properties: Option<Properties>,
    pub(crate) if_version: Option<String>,
    #[serde(default)]
    pub(crate) if_absent: bool,
    /// The name under which its verdict is asked for later.
    pub(crate) call: Option<String>,
}

/// A value in the notation of scenarios.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Datum {
    Json(String),
    Text(String),
    /// Hexadecimal digits.
    Binary(String),
    /// Decimal digits.
    Int64(String),
    /// The hexadecimal digits of its 64 bits, most significant first.
    Double(String),
}

impl Datum {
    pub(crate) fn value(&self) -> Value {
        match self {
            Self::Json(text) => Value::json(text.as_str()),
            Self::Text(text) => Value::text(text.as_str()),
            Self::Binary(digits) => {
                let byte = |at| u8::from_str_radix(&digits[at..at + 2], 16).unwrap();
                Value::from((0..digits.len()).step_by(2).map(byte).collect::<Vec<u8>>())
            }
            Self::Int64(digits) => Value::from(digits.parse::<i64>().unwrap()),
            Self::Double(digits) => Value::from(f64::from_bits(u64::from_str_radix(digits, 16).unwrap())),
        }
    }
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum From {
    Live,
    All,
    Last(u64),
    After(String),
}

impl From {
    pub(crate) fn start(&self) -> HistoryStart {
        match self {
            Self::Live => HistoryStart::Live,
            Self::All => HistoryStart::All,
            Self::Last(count) => HistoryStart::Last(*count),
            Self::After(version) => HistoryStart::After(version_of(version)),
        }
    }
}

pub(crate) fn version_of(digits: &str) -> Version {
    Version(digits.parse().unwrap())
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Properties {
    kind: String,
    #[serde(default = "json")]
    r#type: String,
    #[serde(default = "yes")]
    retain: bool,
    #[serde(default = "yes")]
    conflate: bool,
    #[serde(default = "hundred")]
    history: u64,
    #[serde(default)]
    history_age_ms: u64,
}

impl Properties {
    pub(crate) fn properties(&self) -> TopicProperties {
        TopicProperties {
            kind: if self.kind == "event" { TopicKind::Event } else { TopicKind::Value },
            value_type: ValueType::from_name(&self.r#type).unwrap(),
            retain: self.retain,
            conflate: self.conflate,
            history: self.history,
            history_age_ms: self.history_age_ms,
        }
    }
}

const fn yes() -> bool {
    true
}

const fn hundred() -> u64 {
    100
}

fn json() -> String {
    "json".to_owned()
}
