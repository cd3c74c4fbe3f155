//! JSON as a tree whose leaves are the text as it was written.

use std::borrow::Cow;

use indexmap::IndexMap;
use outpour_core::ErrorCode;

use crate::broker::json;

/// A JSON value. It borrows from the texts that it came from.
#[derive(Clone, Debug)]
pub(super) enum Node<'a> {
    /// A string with its quotes, a number, `true`, `false` or `null`.
    Leaf(&'a str),
    Array(Vec<Self>),
    Object(IndexMap<Cow<'a, str>, Member<'a>>),
}

#[derive(Clone, Debug)]
pub(super) struct Member<'a> {
    /// The name as it was written, with its quotes; `None` if it came from a pointer.
    written: Option<&'a str>,
    pub(super) value: Node<'a>,
}

impl<'a> Member<'a> {
    /// A member whose name is to be written in the usual way.
    pub(super) const fn new(value: Node<'a>) -> Self {
        Self { written: None, value }
    }
}

impl<'a> Node<'a> {
    /// The value that a text spells.
    ///
    /// # Errors
    /// [`ErrorCode::BadPatch`] if it is not JSON, or nested deeper than 127 levels.
    pub(super) fn parse(text: &'a [u8]) -> Result<Self, ErrorCode> {
        let text = std::str::from_utf8(text).map_err(|_| ErrorCode::BadPatch)?;
        if !json::is_well_formed(text.as_bytes()) {
            return Err(ErrorCode::BadPatch);
        }
        Scanner { rest: text }.value().ok_or(ErrorCode::Internal)
    }

    pub(super) fn to_vec(&self) -> Vec<u8> {
        let mut out = Vec::new();
        self.write(&mut out);
        out
    }

    fn write(&self, out: &mut Vec<u8>) {
        match self {
            Self::Leaf(text) => out.extend_from_slice(text.as_bytes()),
            Self::Array(values) => {
                out.push(b'[');
                for (index, value) in values.iter().enumerate() {
                    if index > 0 {
                        out.push(b',');
                    }
                    value.write(out);
                }
                out.push(b']');
            }
            Self::Object(members) => {
                out.push(b'{');
                for (index, (name, member)) in members.iter().enumerate() {
                    if index > 0 {
                        out.push(b',');
                    }
                    match member.written {
                        Some(written) => out.extend_from_slice(written.as_bytes()),
                        None => out.extend_from_slice(serde_json::Value::from(name.as_ref()).to_string().as_bytes()),
                    }
                    out.push(b':');
                    member.value.write(out);
                }
                out.push(b'}');
            }
        }
    }

    /// The text of a string.
    pub(super) fn as_string(&self) -> Option<Cow<'a, str>> {
        match self {
            Self::Leaf(written) if written.starts_with('"') => unquote(written),
            _ => None,
        }
    }

    /// The member of an object with this name.
    pub(super) fn member(&self, name: &str) -> Option<&Self> {
        match self {
            Self::Object(members) => members.get(name).map(|member| &member.value),
            Self::Array(_) | Self::Leaf(_) => None,
        }
    }

    /// Whether both mean the same: the order of members and the spelling of strings and numbers don't matter.
    pub(super) fn equals(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Leaf(one), Self::Leaf(two)) => {
                one == two || leaf_value(one).is_some_and(|one| leaf_value(two) == Some(one))
            }
            (Self::Array(one), Self::Array(two)) => {
                one.len() == two.len() && one.iter().zip(two).all(|(one, two)| one.equals(two))
            }
            (Self::Object(one), Self::Object(two)) => {
                let same = |(name, member): (&Cow<'_, str>, &Member<'_>)| {
                    two.get(name.as_ref()).is_some_and(|other| member.value.equals(&other.value))
                };
                one.len() == two.len() && one.iter().all(same)
            }
            _ => false,
        }
    }

    /// Merges an RFC 7386 patch into the value.
    pub(super) fn merge(&mut self, patch: Self) {
        let Self::Object(patch) = patch else {
            *self = patch;
            return;
        };
        if !matches!(self, Self::Object(_)) {
            *self = Self::Object(IndexMap::new());
        }
        let Self::Object(members) = self else { return };
        let mut removed = hashbrown::HashSet::<_, foldhash::fast::RandomState>::default();
        for (name, Member { written, value }) in patch {
            if matches!(value, Self::Leaf("null")) {
                removed.insert(name);
            } else {
                let blank = || Member { written, value: Self::Leaf("null") };
                members.entry(name).or_insert_with(blank).value.merge(value);
            }
        }
        if !removed.is_empty() {
            members.retain(|name, _| !removed.contains(name));
        }
    }
}

/// A leaf as a value that can be compared.
fn leaf_value(written: &str) -> Option<serde_json::Value> {
    // As numbers of 64 bits: 1.0 equals 1, and so do 1e2 and 100.
    if let Ok(number) = written.parse::<f64>() {
        return match written.parse::<i128>() {
            Ok(whole) if whole.unsigned_abs() > 1 << 53 => Some(whole.to_string().into()),
            _ => Some((number + 0.0).to_bits().into()),
        };
    }
    unquote(written).map(|text| serde_json::Value::String(format!("\"{text}")))
}

fn unquote(written: &str) -> Option<Cow<'_, str>> {
    let inner = written.strip_prefix('"')?.strip_suffix('"')?;
    if inner.contains('\\') {
        serde_json::from_str::<String>(written).ok().map(Cow::Owned)
    } else {
        Some(Cow::Borrowed(inner))
    }
}

/// Takes JSON apart that is known to be well formed.
struct Scanner<'a> {
    rest: &'a str,
}

impl<'a> Scanner<'a> {
    fn value(&mut self) -> Option<Node<'a>> {
        match self.peek()? {
            b'[' => {
                self.take(1)?;
                let mut values = Vec::new();
                while self.peek()? != b']' {
                    values.push(self.value()?);
                    self.skip_comma()?;
                }
                self.take(1)?;
                Some(Node::Array(values))
            }
            b'{' => {
                self.take(1)?;
                let mut members = IndexMap::new();
                while self.peek()? != b'}' {
                    let written = self.string()?;
                    self.peek()?;
                    self.take(1)?;
                    let value = self.value()?;
                    members.insert(unquote(written)?, Member { written: Some(written), value });
                    self.skip_comma()?;
                }
                self.take(1)?;
                Some(Node::Object(members))
            }
            b'"' => self.string().map(Node::Leaf),
            _ => {
                let ends = |byte| matches!(byte, b',' | b']' | b'}' | b' ' | b'\t' | b'\n' | b'\r');
                let length = self.rest.bytes().position(ends).unwrap_or(self.rest.len());
                self.take(length).map(Node::Leaf)
            }
        }
    }

    /// The first byte that is not white space.
    fn peek(&mut self) -> Option<u8> {
        self.rest = self.rest.trim_ascii_start();
        self.rest.bytes().next()
    }

    fn skip_comma(&mut self) -> Option<()> {
        if self.peek()? == b',' {
            self.take(1)?;
        }
        Some(())
    }

    fn string(&mut self) -> Option<&'a str> {
        self.peek()?;
        let mut escaped = false;
        let end = self.rest.bytes().skip(1).position(|byte| {
            let ends = byte == b'"' && !escaped;
            escaped = byte == b'\\' && !escaped;
            ends
        })?;
        self.take(end + 2)
    }

    fn take(&mut self, length: usize) -> Option<&'a str> {
        let (taken, rest) = self.rest.split_at_checked(length)?;
        self.rest = rest;
        Some(taken)
    }
}
