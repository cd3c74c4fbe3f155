//! Typed values: bytes with a declared type.

use alloc::string::String;
use alloc::vec::Vec;
use bytes::Bytes;
use core::fmt;

use crate::error::ErrorCode;

/// What the bytes of a topic mean. A topic keeps its type for life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum ValueType {
    /// UTF-8 JSON text, exactly as the publisher wrote it.
    Json,
    /// UTF-8 text.
    Text,
    /// Any bytes.
    Binary,
    /// A signed 64-bit integer: 8 bytes, least significant first.
    Int64,
    /// An IEEE 754 double: 8 bytes, least significant first.
    Double,
}

impl ValueType {
    /// Every type, in the order of their codes.
    pub const ALL: [Self; 5] = [Self::Json, Self::Text, Self::Binary, Self::Int64, Self::Double];

    /// The number on the wire.
    #[must_use]
    pub const fn code(self) -> u8 {
        match self {
            Self::Json => 0,
            Self::Text => 1,
            Self::Binary => 2,
            Self::Int64 => 3,
            Self::Double => 4,
        }
    }

    /// The type with this number on the wire.
    #[must_use]
    pub fn from_code(code: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.code() == code)
    }

    /// The name used in configuration, on the command line and in errors.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Json => "json",
            Self::Text => "text",
            Self::Binary => "binary",
            Self::Int64 => "int64",
            Self::Double => "double",
        }
    }

    /// The type with this name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }

    /// Whether these bytes can be a value of this type, as far as their form tells: UTF-8 for
    /// `json` and `text`, 8 bytes for the numbers. That JSON is well formed is the gateway's check.
    #[must_use]
    pub fn admits(self, bytes: &[u8]) -> bool {
        match self {
            Self::Json => !bytes.is_empty() && core::str::from_utf8(bytes).is_ok(),
            Self::Text => core::str::from_utf8(bytes).is_ok(),
            Self::Binary => true,
            Self::Int64 | Self::Double => bytes.len() == 8,
        }
    }
}

impl fmt::Display for ValueType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Whether a topic has one current value or an ordered list of events.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum TopicKind {
    /// One current value: what matters is the newest.
    #[default]
    Value,
    /// An ordered list of events: every one matters.
    Event,
}

impl TopicKind {
    /// The number on the wire.
    #[must_use]
    pub const fn code(self) -> u8 {
        match self {
            Self::Value => 0,
            Self::Event => 1,
        }
    }

    /// The kind with this number on the wire.
    #[must_use]
    pub const fn from_code(code: u8) -> Option<Self> {
        match code {
            0 => Some(Self::Value),
            1 => Some(Self::Event),
            _ => None,
        }
    }

    /// The name used in configuration and in errors.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Value => "value",
            Self::Event => "event",
        }
    }
}

/// A value: a type and its bytes. Cloning shares the bytes.
///
/// ```
/// use outpour_core::Value;
///
/// assert_eq!(Value::from(7_i64).as_i64(), Some(7));
/// assert_eq!(Value::text("hello").as_str(), Some("hello"));
/// assert_eq!(Value::json(r#"{"bid":1.08}"#).as_str(), Some(r#"{"bid":1.08}"#));
/// assert_eq!(Value::text("hello").as_i64(), None);
/// ```
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Value {
    value_type: ValueType,
    bytes: Bytes,
}

impl Value {
    /// JSON text, sent exactly as given. Whether it is well formed is checked by the gateway.
    #[must_use]
    pub fn json(text: impl Into<String>) -> Self {
        Self { value_type: ValueType::Json, bytes: Bytes::from(text.into()) }
    }

    /// Text.
    #[must_use]
    pub fn text(text: impl Into<String>) -> Self {
        Self { value_type: ValueType::Text, bytes: Bytes::from(text.into()) }
    }

    /// Any bytes.
    #[must_use]
    pub fn binary(bytes: impl Into<Bytes>) -> Self {
        Self { value_type: ValueType::Binary, bytes: bytes.into() }
    }

    /// A value of this type from its bytes.
    ///
    /// # Errors
    /// [`ErrorCode::BadValue`] if the bytes can't be a value of the type: see [`ValueType::admits`].
    pub fn from_bytes(value_type: ValueType, bytes: impl Into<Bytes>) -> Result<Self, ErrorCode> {
        let bytes = bytes.into();
        if value_type.admits(&bytes) { Ok(Self { value_type, bytes }) } else { Err(ErrorCode::BadValue) }
    }

    /// The declared type.
    #[must_use]
    pub const fn value_type(&self) -> ValueType {
        self.value_type
    }

    /// The bytes, whatever the type.
    #[must_use]
    pub const fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// The text of a `json` or `text` value.
    #[must_use]
    pub fn as_str(&self) -> Option<&str> {
        match self.value_type {
            ValueType::Json | ValueType::Text => core::str::from_utf8(&self.bytes).ok(),
            ValueType::Binary | ValueType::Int64 | ValueType::Double => None,
        }
    }

    /// The number of an `int64` value.
    #[must_use]
    pub fn as_i64(&self) -> Option<i64> {
        let bytes = <[u8; 8]>::try_from(self.bytes.as_ref()).ok()?;
        (self.value_type == ValueType::Int64).then(|| i64::from_le_bytes(bytes))
    }

    /// The number of a `double` value.
    #[must_use]
    pub fn as_f64(&self) -> Option<f64> {
        let bytes = <[u8; 8]>::try_from(self.bytes.as_ref()).ok()?;
        (self.value_type == ValueType::Double).then(|| f64::from_le_bytes(bytes))
    }
}

impl From<i64> for Value {
    fn from(number: i64) -> Self {
        Self { value_type: ValueType::Int64, bytes: Bytes::copy_from_slice(&number.to_le_bytes()) }
    }
}

impl From<f64> for Value {
    fn from(number: f64) -> Self {
        Self { value_type: ValueType::Double, bytes: Bytes::copy_from_slice(&number.to_le_bytes()) }
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::text(text)
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::text(text)
    }
}

impl From<Vec<u8>> for Value {
    fn from(bytes: Vec<u8>) -> Self {
        Self::binary(bytes)
    }
}

impl fmt::Debug for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}({self})", self.value_type)
    }
}

/// Text as it is, numbers in decimal, binary values as their size.
impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(text) = self.as_str() {
            f.write_str(text)
        } else if let Some(number) = self.as_i64() {
            number.fmt(f)
        } else if let Some(number) = self.as_f64() {
            number.fmt(f)
        } else {
            write!(f, "<{} bytes>", self.bytes.len())
        }
    }
}
