//! Selectors: patterns over paths.

use alloc::string::String;
use alloc::sync::Arc;
use core::fmt;

use crate::path::{PathError, check_text};

/// The most `**` of a selector, after neighbours have been joined.
pub const MAX_DEEP_WILDCARDS: usize = 8;

/// A pattern over paths: `*` matches one segment, `**` any number of segments, also none;
/// everything else is literal. Cloning shares the text.
///
/// Neighbouring `**` mean the same as one and are joined. A selector has at most
/// [`MAX_DEEP_WILDCARDS`] of them, and the limits of a [`Path`](crate::Path).
///
/// ```
/// use outpour_core::Selector;
///
/// let selector = Selector::new("prices/**").unwrap();
/// assert!(selector.matches("prices/eurusd"));
/// assert!(selector.matches("prices"));
/// assert!(!selector.matches("orders/7"));
/// assert_eq!(Selector::new("prices/eurusd").unwrap().exact(), Some("prices/eurusd"));
/// ```
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Selector {
    text: Arc<str>,
    exact: bool,
}

/// Why a text is not a selector. The caller is at fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SelectorError {
    /// It breaks a rule that paths keep too.
    Path(PathError),
    /// The segment that starts at this byte is `.` or `..`, which no path has.
    ReservedSegment,
    /// More than [`MAX_DEEP_WILDCARDS`] `**`.
    TooManyWildcards,
}

impl fmt::Display for SelectorError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Path(PathError::Empty) => f.write_str("the selector is empty: '**' selects every topic"),
            Self::Path(error) => write!(f, "as a selector: {error}"),
            Self::ReservedSegment => f.write_str("the selector has a segment '.' or '..', which no path has"),
            Self::TooManyWildcards => write!(f, "the selector has more than {MAX_DEEP_WILDCARDS} '**'"),
        }
    }
}

impl core::error::Error for SelectorError {}

impl Selector {
    /// The selector that `text` spells.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn new(text: &str) -> Result<Self, SelectorError> {
        check_text(text).map_err(SelectorError::Path)?;
        if text.split('/').any(|segment| matches!(segment, "." | "..")) {
            return Err(SelectorError::ReservedSegment);
        }
        let mut canonical = String::with_capacity(text.len());
        let mut last = "";
        for segment in text.split('/') {
            if segment == "**" && last == "**" {
                continue;
            }
            if !canonical.is_empty() {
                canonical.push('/');
            }
            canonical.push_str(segment);
            last = segment;
        }
        if canonical.split('/').filter(|segment| *segment == "**").count() > MAX_DEEP_WILDCARDS {
            return Err(SelectorError::TooManyWildcards);
        }
        let exact = !canonical.split('/').any(|segment| matches!(segment, "*" | "**"));
        Ok(Self { text: Arc::from(canonical), exact })
    }

    /// The selector that these bytes spell.
    ///
    /// # Errors
    /// What is wrong with them.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, SelectorError> {
        Self::new(core::str::from_utf8(bytes).map_err(|_| SelectorError::Path(PathError::NotUtf8))?)
    }

    /// The text, with neighbouring `**` joined.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The one path that a selector without wildcards matches.
    #[must_use]
    pub fn exact(&self) -> Option<&str> {
        self.exact.then_some(&self.text)
    }

    /// The segments, from the first to the last.
    pub fn segments(&self) -> impl Iterator<Item = &str> {
        self.text.split('/')
    }

    /// Whether the selector matches a path. At the worst the time is that of comparing every
    /// segment of the one with every segment of the other.
    #[must_use]
    pub fn matches(&self, path: &str) -> bool {
        if self.exact {
            return &*self.text == path;
        }
        let mut pattern = Some(&*self.text);
        let mut path = Some(path);
        // Where to go on if what follows the last `**` fails: it then takes one segment more.
        let mut retry: Option<(Option<&str>, &str)> = None;
        while let Some(rest) = path {
            let (segment, path_after) = first_segment(rest);
            let matched = pattern.map(first_segment).and_then(|(wanted, pattern_after)| match wanted {
                "**" => {
                    retry = Some((pattern_after, rest));
                    Some((pattern_after, Some(rest)))
                }
                "*" => Some((pattern_after, path_after)),
                literal => (literal == segment).then_some((pattern_after, path_after)),
            });
            (pattern, path) = match (matched, retry) {
                (Some(matched), _) => matched,
                (None, Some((pattern_after, from))) => {
                    let (_, shorter) = first_segment(from);
                    let Some(shorter) = shorter else {
                        return pattern_after.is_none();
                    };
                    retry = Some((pattern_after, shorter));
                    (pattern_after, Some(shorter))
                }
                (None, None) => return false,
            };
        }
        matches!(pattern, None | Some("**"))
    }
}

/// The first segment, and what follows it.
fn first_segment(text: &str) -> (&str, Option<&str>) {
    match text.split_once('/') {
        Some((first, rest)) => (first, Some(rest)),
        None => (text, None),
    }
}

impl fmt::Display for Selector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Debug for Selector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.text, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;
    use proptest::prelude::*;

    fn naive(pattern: &[&str], path: &[&str]) -> bool {
        match (pattern.split_first(), path.split_first()) {
            (None, None) => true,
            (Some((&"**", rest)), None) => naive(rest, path),
            (Some((&"**", rest)), Some((_, shorter))) => naive(rest, path) || naive(pattern, shorter),
            (Some((&wanted, rest)), Some((&segment, shorter))) => {
                (wanted == "*" || wanted == segment) && naive(rest, shorter)
            }
            _ => false,
        }
    }

    proptest! {
        #[test]
        fn matches_like_the_definition(
            pattern in prop::collection::vec(prop::sample::select(alloc::vec!["a", "b", "*", "**"]), 1..7),
            path in prop::collection::vec(prop::sample::select(alloc::vec!["a", "b"]), 1..8),
        ) {
            let selector = Selector::new(&pattern.join("/")).unwrap();
            let expected = naive(&pattern, &path);
            prop_assert_eq!(selector.matches(&path.join("/")), expected, "{} on {:?}", selector, path);
        }
    }

    #[test]
    fn joins_neighbouring_wildcards() {
        assert_eq!(Selector::new("a/**/**/b/**").unwrap().as_str(), "a/**/b/**");
    }

    #[test]
    fn refuses_bombs() {
        let bomb = ["**/a"; MAX_DEEP_WILDCARDS + 1].join("/");
        assert_eq!(Selector::new(&bomb), Err(SelectorError::TooManyWildcards));
    }

    #[test]
    fn a_hostile_pattern_takes_no_more_than_quadratic_time() {
        // Backtracking over every `**` would take about 64^8 steps here and never end.
        let pattern: Vec<&str> = core::iter::repeat_n(["**", "a"], MAX_DEEP_WILDCARDS).flatten().collect();
        let selector = Selector::new(&[&pattern[..], &["b"]].concat().join("/")).unwrap();
        assert!(!selector.matches(&["a"; 64].join("/")));
    }
}
