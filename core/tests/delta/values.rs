//! Values like those that are published, and what becomes of them.

use proptest::collection::vec;
use proptest::prelude::*;

/// One change to a value.
#[derive(Debug, Clone)]
pub(crate) enum Edit {
    Insert(usize, Vec<u8>),
    Delete(usize, usize),
    Replace(usize, Vec<u8>),
    Move { from: usize, len: usize, to: usize },
    Double(usize, usize),
}

impl Edit {
    pub(crate) fn any() -> impl Strategy<Value = Self> {
        let bytes = || prop_oneof![vec(any::<u8>(), 0..40), vec(b'0'..b'4', 0..8)];
        prop_oneof![
            (any::<usize>(), bytes()).prop_map(|(at, with)| Self::Insert(at, with)),
            (any::<usize>(), 0..60_usize).prop_map(|(at, len)| Self::Delete(at, len)),
            (any::<usize>(), bytes()).prop_map(|(at, with)| Self::Replace(at, with)),
            (any::<usize>(), 0..200_usize, any::<usize>()).prop_map(|(from, len, to)| Self::Move { from, len, to }),
            (any::<usize>(), 0..100_usize).prop_map(|(at, len)| Self::Double(at, len)),
        ]
    }

    pub(crate) fn apply(&self, value: &mut Vec<u8>) {
        let place = |at: usize, value: &[u8]| at % (value.len() + 1);
        let range = |at: usize, len: usize, value: &[u8]| {
            let start = place(at, value);
            start..(start + len).min(value.len())
        };
        match self {
            Self::Insert(at, with) => {
                let at = place(*at, value);
                value.splice(at..at, with.iter().copied());
            }
            Self::Delete(at, len) => {
                value.drain(range(*at, *len, value));
            }
            Self::Replace(at, with) => {
                value.splice(range(*at, with.len(), value), with.iter().copied());
            }
            Self::Move { from, len, to } => {
                let moved: Vec<u8> = value.drain(range(*from, *len, value)).collect();
                let to = place(*to, value);
                value.splice(to..to, moved);
            }
            Self::Double(at, len) => {
                let range = range(*at, *len, value);
                let copied = value[range.clone()].to_vec();
                value.splice(range.end..range.end, copied);
            }
        }
    }
}

/// Values like those that are published: JSON records, text with few letters, noise.
pub(crate) fn any_value() -> impl Strategy<Value = Vec<u8>> {
    let record = (any::<u16>(), any::<i32>(), any::<bool>())
        .prop_map(|(id, level, on)| format!(r#"{{"id":{id},"level":{level},"on":{on}}},"#).into_bytes());
    prop_oneof![
        vec(record, 0..40).prop_map(|records| records.concat()),
        vec(b'a'..b'd', 0..1_500),
        vec(any::<u8>(), 0..600),
        (vec(any::<u8>(), 1..9), 0..200_usize).prop_map(|(pattern, times)| pattern.repeat(times)),
    ]
}
