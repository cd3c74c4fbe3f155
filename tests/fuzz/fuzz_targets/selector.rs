//! Any texts as selectors and paths: a match is what the definition says, and the tree of topics and
//! the index of selectors find neither less nor more. The input is text: a selector a line, an empty
//! line, and a path a line.
#![no_main]

use libfuzzer_sys::fuzz_target;
use outpour_core::{Path, Selector, TopicNumber};
use outpour_server::topics::{SelectorIndex, TopicTree};

/// More would make an input slow, and show nothing new.
const MAX_LINES: usize = 100;

fuzz_target!(|input: &[u8]| {
    let mut lines = input.split(|byte| *byte == b'\n').take(MAX_LINES);
    let patterns = lines.by_ref().take_while(|line| !line.is_empty());
    let selectors: Vec<Selector> = patterns.filter_map(|text| Selector::from_bytes(text).ok()).collect();
    let paths: Vec<Path> = lines.filter_map(|text| Path::from_bytes(text).ok()).collect();
    let limit = 1 + input.len() % 5;

    let mut index = SelectorIndex::new();
    for (number, selector) in selectors.iter().enumerate() {
        assert_eq!(Selector::new(selector.as_str()).as_ref(), Ok(selector));
        assert_eq!(selector.exact().is_some(), Path::new(selector.as_str()).is_ok());
        index.insert(selector, number);
    }
    let mut tree = TopicTree::new();
    for (number, path) in (0..).zip(&paths) {
        tree.insert(path, TopicNumber(number));
    }
    for path in &paths {
        let mut found = Vec::new();
        index.matching(path.as_str(), &mut found);
        found.sort_unstable();
        let matches = |number: &usize| selectors[*number].matches(path.as_str());
        assert_eq!(found, (0..selectors.len()).filter(matches).collect::<Vec<_>>());
        for selector in &selectors {
            assert_eq!(selector.matches(path.as_str()), defined_to_match(selector, path), "{selector} {path}");
        }
    }
    for selector in &selectors {
        let mut found = Vec::new();
        let mut cursor = tree.matching(selector, None, limit, &mut found);
        while let Some(after) = cursor {
            cursor = tree.matching(selector, Some(&after), limit, &mut found);
        }
        let mut expected: Vec<&Path> = paths.iter().filter(|path| selector.matches(path.as_str())).collect();
        expected.sort_by_key(|path| path.segments().collect::<Vec<_>>());
        expected.dedup();
        let found: Vec<&Path> = found.iter().map(|number| &paths[number.0 as usize]).collect();
        assert_eq!(found, expected, "{selector}");
    }
    for (number, selector) in selectors.iter().enumerate() {
        index.remove(selector, number);
    }
    assert!(index.is_empty());
});

/// Segment by segment: which beginnings of the path the pattern so far matches.
fn defined_to_match(selector: &Selector, path: &Path) -> bool {
    let segments: Vec<&str> = path.segments().collect();
    let mut matched = vec![false; segments.len() + 1];
    matched[0] = true;
    for wanted in selector.segments() {
        if wanted == "**" {
            for end in 1..matched.len() {
                matched[end] |= matched[end - 1];
            }
        } else {
            for end in (1..matched.len()).rev() {
                matched[end] = matched[end - 1] && (wanted == "*" || wanted == segments[end - 1]);
            }
            matched[0] = false;
        }
    }
    matched[segments.len()]
}
