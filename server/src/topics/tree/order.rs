//! The order of topics: that of their segments, one after the other.

use std::borrow::Borrow;
use std::cmp::Ordering;

use outpour_core::Path;

/// A path by its segments.
///
/// `a` stands right before `a/b`, and both before `a!`: what lies below a topic follows it
/// without a gap, and can be stepped over.
#[derive(Debug)]
pub(super) struct Key(pub(super) Path);

/// What can be compared with a path: it need not be one.
pub(super) trait Ordered {
    fn bytes(&self) -> &[u8];
}

impl Ordered for Key {
    fn bytes(&self) -> &[u8] {
        self.0.as_str().as_bytes()
    }
}

impl Ordered for &[u8] {
    fn bytes(&self) -> &[u8] {
        self
    }
}

impl<'a> Borrow<dyn Ordered + 'a> for Key {
    fn borrow(&self) -> &(dyn Ordered + 'a) {
        self
    }
}

impl Ord for dyn Ordered + '_ {
    fn cmp(&self, other: &Self) -> Ordering {
        compare(self.bytes(), other.bytes())
    }
}

impl PartialOrd for dyn Ordered + '_ {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for dyn Ordered + '_ {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for dyn Ordered + '_ {}

impl Ord for Key {
    fn cmp(&self, other: &Self) -> Ordering {
        compare(self.bytes(), other.bytes())
    }
}

impl PartialOrd for Key {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Key {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Key {}

/// Byte by byte, with `/` as the lowest.
pub(super) fn compare(a: &[u8], b: &[u8]) -> Ordering {
    // Paths have much in common: look at 8 bytes at once until they differ.
    let (a_words, b_words) = (a.as_chunks::<8>().0, b.as_chunks::<8>().0);
    let same = 8 * a_words.iter().zip(b_words).take_while(|(a, b)| a == b).count();
    let (a_rest, b_rest) = (a.get(same..).unwrap_or_default(), b.get(same..).unwrap_or_default());
    match a_rest.iter().zip(b_rest).find(|(a, b)| a != b) {
        Some((a, b)) => rank(*a).cmp(&rank(*b)),
        None => a.len().cmp(&b.len()),
    }
}

const fn rank(byte: u8) -> u8 {
    if byte == b'/' { 0 } else { byte }
}
