//! Paths: the names of topics.

use alloc::sync::Arc;
use core::borrow::Borrow;
use core::fmt;

/// The longest path or selector, in bytes.
pub const MAX_PATH_BYTES: usize = 1024;
/// The most segments of a path or selector.
pub const MAX_PATH_SEGMENTS: usize = 64;

/// A topic's name: UTF-8 segments joined by `/`. Cloning shares the text.
///
/// A path has 1 to [`MAX_PATH_BYTES`] bytes and at most [`MAX_PATH_SEGMENTS`] segments. No segment
/// is empty, `.`, `..`, `*` or `**`, and there are no control characters. Paths are compared byte
/// by byte: there is no Unicode normalisation and no percent-decoding.
///
/// ```
/// use outpour_core::Path;
///
/// let path = Path::new("prices/eurusd").unwrap();
/// assert_eq!(path.segments().collect::<Vec<_>>(), ["prices", "eurusd"]);
/// assert!(Path::new("/prices").is_err());
/// ```
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Path(Arc<str>);

/// Why a text is not a path. The caller is at fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PathError {
    /// There is nothing.
    Empty,
    /// More than [`MAX_PATH_BYTES`] bytes.
    TooLong,
    /// More than [`MAX_PATH_SEGMENTS`] segments.
    TooDeep,
    /// The bytes are UTF-8 only up to this one.
    NotUtf8(usize),
    /// The segment that starts at this byte is empty.
    EmptySegment(usize),
    /// The segment that starts at this byte is `.`, `..`, `*` or `**`.
    ReservedSegment(usize),
    /// There is a control character at this byte.
    ControlCharacter(usize),
}

impl fmt::Display for PathError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("the path is empty"),
            Self::TooLong => write!(f, "the path is longer than {MAX_PATH_BYTES} bytes"),
            Self::TooDeep => write!(f, "the path has more than {MAX_PATH_SEGMENTS} segments"),
            Self::NotUtf8(at) => write!(f, "the path is not UTF-8 at byte {at}"),
            Self::EmptySegment(at) => {
                write!(f, "the path has an empty segment at byte {at}: remove the surplus '/'")
            }
            Self::ReservedSegment(at) => {
                write!(f, "the path has a segment '.', '..', '*' or '**' at byte {at}, which can't name a topic")
            }
            Self::ControlCharacter(at) => write!(f, "the path has a control character at byte {at}"),
        }
    }
}

impl core::error::Error for PathError {}

impl Path {
    /// The path that `text` spells.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn new(text: &str) -> Result<Self, PathError> {
        check_text(text)?;
        match segments_with_start(text).find(|(_, segment)| matches!(*segment, "." | ".." | "*" | "**")) {
            Some((at, _)) => Err(PathError::ReservedSegment(at)),
            None => Ok(Self(Arc::from(text))),
        }
    }

    /// The path that these bytes spell.
    ///
    /// # Errors
    /// What is wrong with them.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, PathError> {
        Self::new(utf8(bytes)?)
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The segments, from the first to the last.
    pub fn segments(&self) -> impl DoubleEndedIterator<Item = &str> {
        self.0.split('/')
    }
}

pub(crate) fn utf8(bytes: &[u8]) -> Result<&str, PathError> {
    core::str::from_utf8(bytes).map_err(|error| PathError::NotUtf8(error.valid_up_to()))
}

/// What paths and selectors have in common.
pub(crate) fn check_text(text: &str) -> Result<(), PathError> {
    if text.is_empty() {
        return Err(PathError::Empty);
    }
    if text.len() > MAX_PATH_BYTES {
        return Err(PathError::TooLong);
    }
    if let Some(at) = control_character(text) {
        return Err(PathError::ControlCharacter(at));
    }
    if let Some((at, _)) = segments_with_start(text).find(|(_, segment)| segment.is_empty()) {
        return Err(PathError::EmptySegment(at));
    }
    if segments(text).count() > MAX_PATH_SEGMENTS { Err(PathError::TooDeep) } else { Ok(()) }
}

/// The segments, each with the byte it starts at.
pub(crate) fn segments_with_start(text: &str) -> impl Iterator<Item = (usize, &str)> {
    segments(text).scan(0, |next, segment| {
        let start = *next;
        *next += segment.len() + 1;
        Some((start, segment))
    })
}

/// Segments, from the first to the last. They are short: what looks at many bytes at a time takes longer to begin, and is
/// a part of the standard library that browsers would have to load.
pub(crate) struct Segments<'a>(Option<&'a str>);

pub(crate) const fn segments(text: &str) -> Segments<'_> {
    Segments(Some(text))
}

impl<'a> Iterator for Segments<'a> {
    type Item = &'a str;

    fn next(&mut self) -> Option<&'a str> {
        let (first, rest) = first_segment(self.0?);
        self.0 = rest;
        Some(first)
    }
}

/// The first segment, and what follows it.
pub(crate) fn first_segment(text: &str) -> (&str, Option<&str>) {
    let end = text.bytes().position(|byte| byte == b'/').unwrap_or(text.len());
    text.split_at_checked(end).map_or((text, None), |(first, rest)| (first, rest.get(1..)))
}

/// Where the first control character is: an ASCII one, or one from U+0080 to U+009F.
fn control_character(text: &str) -> Option<usize> {
    let mut last = 0;
    let at = text.bytes().position(|byte| {
        let before = core::mem::replace(&mut last, byte);
        byte.is_ascii_control() || before == 0xc2 && byte < 0xa0
    })?;
    Some(if text.is_char_boundary(at) { at } else { at - 1 })
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

impl TryFrom<&str> for Path {
    type Error = PathError;
    fn try_from(text: &str) -> Result<Self, PathError> {
        Self::new(text)
    }
}

impl AsRef<str> for Path {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl Borrow<str> for Path {
    fn borrow(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use alloc::string::ToString;
    use alloc::vec::Vec;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_path_keeps_the_rules_and_its_bytes(bytes in "([ab*.\u{1}\u{7f}é]{0,3}/){0,4}[ab*.é]{0,3}") {
            let Ok(path) = Path::from_bytes(bytes.as_bytes()) else {
                let broken = bytes.split('/').any(|segment| matches!(segment, "" | "." | ".." | "*" | "**"));
                prop_assert!(broken || bytes.contains(char::is_control), "{:?}", bytes);
                return Ok(());
            };
            prop_assert_eq!(path.as_str(), &bytes);
            prop_assert!(path.segments().all(|segment| !segment.is_empty()));
            prop_assert_eq!(path.segments().collect::<Vec<_>>().join("/"), bytes);
        }

        #[test]
        fn any_bytes_are_a_path_or_a_sentence(bytes in prop::collection::vec(any::<u8>(), 0..2_000)) {
            match Path::from_bytes(&bytes) {
                Ok(path) => prop_assert!(path.as_str().len() <= MAX_PATH_BYTES),
                Err(error) => prop_assert!(error.to_string().starts_with("the path ")),
            }
        }
    }

    #[test]
    fn may_be_as_long_and_deep_as_the_limits() {
        assert!(Path::new(&"a".repeat(MAX_PATH_BYTES)).is_ok());
        assert!(Path::new(&["a"; MAX_PATH_SEGMENTS].join("/")).is_ok());
    }

    #[test]
    fn tells_what_is_wrong_and_where() {
        assert_eq!(Path::new(""), Err(PathError::Empty));
        assert_eq!(Path::new("/a"), Err(PathError::EmptySegment(0)));
        assert_eq!(Path::new("a/"), Err(PathError::EmptySegment(2)));
        assert_eq!(Path::new("a//b"), Err(PathError::EmptySegment(2)));
        assert_eq!(Path::new("a/../b"), Err(PathError::ReservedSegment(2)));
        assert_eq!(Path::new("a/*"), Err(PathError::ReservedSegment(2)));
        assert_eq!(Path::new("a/\0b"), Err(PathError::ControlCharacter(2)));
        assert_eq!(Path::new("a/\u{9f}b"), Err(PathError::ControlCharacter(2)));
        assert_eq!(Path::from_bytes(b"a\xff"), Err(PathError::NotUtf8(1)));
        assert_eq!(Path::new(&"a".repeat(MAX_PATH_BYTES + 1)), Err(PathError::TooLong));
        let deep = ["a"; MAX_PATH_SEGMENTS + 1].join("/");
        assert_eq!(Path::new(&deep), Err(PathError::TooDeep));
    }

    #[test]
    fn takes_any_other_text() {
        for text in ["a", "a/b", "präise/€", "a*b/c..d", "...", " a "] {
            assert_eq!(Path::new(text).unwrap().as_str(), text);
        }
    }
}
