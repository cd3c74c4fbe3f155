//! What counts as a JSON value.

use serde::de::IgnoredAny;

/// The deepest nesting of arrays and objects: what parsers that recurse take by default.
pub(super) const MAX_DEPTH: usize = 127;

/// Whether bytes that are known to be UTF-8 are one JSON value that any parser can take.
pub(super) fn is_well_formed(text: &[u8]) -> bool {
    depth(text) <= MAX_DEPTH && serde_json::from_slice::<IgnoredAny>(text).is_ok()
}

/// How deep brackets nest, if the text is JSON.
fn depth(text: &[u8]) -> usize {
    let (mut depth, mut deepest) = (0_usize, 0);
    let (mut quoted, mut escaped) = (false, false);
    for byte in text {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = quoted,
            b'"' => quoted = !quoted,
            b'[' | b'{' if !quoted => {
                depth += 1;
                deepest = deepest.max(depth);
            }
            b']' | b'}' if !quoted => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    deepest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_json_and_nothing_else() {
        for text in ["1", " {\"a\" : [1e5, null]} ", r#""[[\"[""#, "{\"a\":1,\"a\":2}", "-0.0", &"9".repeat(100_000)] {
            assert!(is_well_formed(text.as_bytes()), "{text}");
        }
        for text in ["", " ", "NaN", "Infinity", "01", "1 2", "[1", "{'a':1}", "\"\u{1}\"", "[1,]", "\u{feff}1"] {
            assert!(!is_well_formed(text.as_bytes()), "{text}");
        }
    }

    #[test]
    fn bounds_the_nesting() {
        let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        assert!(is_well_formed(nested(MAX_DEPTH).as_bytes()));
        assert!(!is_well_formed(nested(MAX_DEPTH + 1).as_bytes()));
        assert!(!is_well_formed(nested(1_000_000).as_bytes()));
        assert!(is_well_formed(format!("\"{}\"", "[".repeat(1000)).as_bytes()));
    }
}
