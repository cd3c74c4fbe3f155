//! Selectors: patterns over paths.

use alloc::string::String;
use alloc::sync::Arc;
use core::fmt;

use crate::path::{PathError, check_text, first_segment, segments, segments_with_start, utf8};

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
    ReservedSegment(usize),
    /// More than [`MAX_DEEP_WILDCARDS`] `**`.
    TooManyWildcards,
}

impl fmt::Display for SelectorError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Path(PathError::Empty) => f.write_str("the selector is empty: '**' selects every topic"),
            Self::Path(error) => write!(f, "as a selector: {error}"),
            Self::ReservedSegment(at) => {
                write!(f, "the selector has a segment '.' or '..' at byte {at}, which no path has")
            }
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
        if let Some((at, _)) = segments_with_start(text).find(|(_, segment)| matches!(*segment, "." | "..")) {
            return Err(SelectorError::ReservedSegment(at));
        }
        let mut canonical = String::with_capacity(text.len());
        let mut last = "";
        let (mut deep_wildcards, mut exact) = (0, true);
        for segment in segments(text) {
            if segment == "**" {
                if last == "**" {
                    continue;
                }
                deep_wildcards += 1;
            }
            exact &= !matches!(segment, "*" | "**");
            if !canonical.is_empty() {
                canonical.push('/');
            }
            canonical.push_str(segment);
            last = segment;
        }
        if deep_wildcards > MAX_DEEP_WILDCARDS {
            return Err(SelectorError::TooManyWildcards);
        }
        Ok(Self { text: Arc::from(canonical), exact })
    }

    /// The selector that these bytes spell.
    ///
    /// # Errors
    /// What is wrong with them.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, SelectorError> {
        Self::new(utf8(bytes).map_err(SelectorError::Path)?)
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
        segments(&self.text)
    }

    /// Whether the selector matches a path. At the worst the time is that of comparing every
    /// segment of the one with every segment of the other.
    #[must_use]
    pub fn matches(&self, path: &str) -> bool {
        if self.exact { &*self.text == path } else { self.matches_in_steps(path, || {}) }
    }

    /// Tells of each comparison of two segments, so that a test can count them.
    fn matches_in_steps(&self, path: &str, mut step: impl FnMut()) -> bool {
        let mut pattern = Some(&*self.text);
        let mut path = Some(path);
        // Where to go on if what follows the last `**` fails: it then takes one segment more.
        let mut retry: Option<(Option<&str>, &str)> = None;
        while let Some(rest) = path {
            step();
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

impl TryFrom<&str> for Selector {
    type Error = SelectorError;
    fn try_from(text: &str) -> Result<Self, SelectorError> {
        Self::new(text)
    }
}

impl AsRef<str> for Selector {
    fn as_ref(&self) -> &str {
        &self.text
    }
}

#[cfg(test)]
mod tests {
    use alloc::string::ToString;

    use proptest::prelude::*;

    use super::*;
    use crate::path::MAX_PATH_SEGMENTS;

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
    fn tells_what_is_wrong_and_where() {
        assert_eq!(Selector::new("a/./b"), Err(SelectorError::ReservedSegment(2)));
        assert_eq!(Selector::new(""), Err(SelectorError::Path(PathError::Empty)));
        assert_eq!(Selector::new("*//b"), Err(SelectorError::Path(PathError::EmptySegment(2))));
        assert_eq!(Selector::from_bytes(b"**/\xff"), Err(SelectorError::Path(PathError::NotUtf8(3))));
    }

    /// How many segments were compared, and how many that may be.
    fn count(selector: &Selector, path: &str) -> (usize, usize) {
        let mut steps = 0;
        selector.matches_in_steps(path, || steps += 1);
        (steps, (selector.segments().count() + 1) * (path.split('/').count() + 1))
    }

    #[test]
    fn hostile_patterns_take_no_more_steps_than_segments_times_segments() {
        let path = ["a"; MAX_PATH_SEGMENTS].join("/");
        let backtracking = [["**/a"; MAX_DEEP_WILDCARDS].join("/"), String::from("b")].join("/");
        let one_long_run = [String::from("**"), ["*"; 31].join("/"), String::from("b"), ["*"; 31].join("/")].join("/");
        for text in [&backtracking, &one_long_run] {
            let selector = Selector::new(text).unwrap();
            assert!(!selector.matches(&path));
            // Trying every place for every `**` would take about 64^8 steps, and never end.
            let (steps, most) = count(&selector, &path);
            assert!(steps <= most, "{text}: {steps} steps, {most} are allowed");
        }
    }

    proptest! {
        #[test]
        fn no_pattern_takes_more_steps_than_segments_times_segments(
            pattern in prop::collection::vec(prop::sample::select(alloc::vec!["a", "a", "b", "*", "**"]), 1..30),
            path in prop::collection::vec(prop::sample::select(alloc::vec!["a", "a", "a", "b"]), 1..64),
        ) {
            let Ok(selector) = Selector::new(&pattern.join("/")) else { return Ok(()) };
            let (steps, most) = count(&selector, &path.join("/"));
            prop_assert!(steps <= most, "{} on {:?}: {} steps, {} are allowed", selector, path, steps, most);
        }

        #[test]
        fn the_canonical_form_means_the_same_and_stays(text in "([ab]|\\*|\\*\\*|a\\*)(/([ab]|\\*|\\*\\*)){0,9}") {
            let Ok(selector) = Selector::new(&text) else { return Ok(()) };
            prop_assert_eq!(&Selector::new(selector.as_str()).unwrap(), &selector);
            prop_assert_eq!(selector.exact().is_some(), crate::Path::new(&text).is_ok());
        }

        #[test]
        fn any_bytes_are_a_selector_or_a_sentence(bytes in prop::collection::vec(any::<u8>(), 0..2_000)) {
            if let Err(error) = Selector::from_bytes(&bytes) {
                prop_assert!(error.to_string().contains("selector"));
            }
        }
    }
}
