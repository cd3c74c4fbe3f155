use proptest::prelude::*;

use super::*;

fn selector(text: &str) -> Selector {
    Selector::new(text).unwrap()
}

fn matching(index: &SelectorIndex<u32>, path: &str) -> Vec<u32> {
    let mut found = Vec::new();
    index.matching(path, &mut found);
    found.sort_unstable();
    found
}

fn any_selector() -> impl Strategy<Value = Selector> {
    prop::collection::vec(prop::sample::select(vec!["a", "b", "c", "*", "**", "**"]), 1..8)
        .prop_map(|segments| selector(&segments.join("/")))
}

fn any_path() -> impl Strategy<Value = String> {
    prop::collection::vec(prop::sample::select(vec!["a", "b", "c", "d"]), 1..9).prop_map(|segments| segments.join("/"))
}

proptest! {
    #[test]
    fn finds_what_a_scan_of_all_selectors_finds(
        steps in prop::collection::vec((any::<bool>(), any_selector(), 0_u32..4, any_path()), 1..60),
    ) {
        let mut index = SelectorIndex::new();
        let mut scanned: Vec<(Selector, u32)> = Vec::new();
        for (add, selector, id, path) in steps {
            let known = scanned.iter().position(|entry| *entry == (selector.clone(), id));
            match (add, known) {
                (true, None) => scanned.push((selector.clone(), id)),
                (false, Some(place)) => drop(scanned.swap_remove(place)),
                _ => {}
            }
            if add {
                index.insert(&selector, id);
            } else {
                index.remove(&selector, id);
            }
            let mut expected: Vec<u32> =
                scanned.iter().filter(|(selector, _)| selector.matches(&path)).map(|(_, id)| *id).collect();
            expected.sort_unstable();
            prop_assert_eq!(matching(&index, &path), &expected[..], "{} in {:?}", path, scanned);
            let mut tried = Vec::new();
            index.exact.get(path.as_str()).inspect(|ids| ids.append_to(&mut tried));
            index.scan(&path, &mut tried);
            tried.sort_unstable();
            prop_assert_eq!(tried, expected, "{} in {:?}, one by one", path, scanned);
        }
        for (selector, id) in scanned {
            index.remove(&selector, id);
        }
        prop_assert!(index.is_empty());
        prop_assert!(index.literals.is_empty() && index.nodes.is_empty());
    }
}

#[test]
fn a_selector_that_was_not_added_is_not_removed() {
    let mut index = SelectorIndex::new();
    index.insert(&selector("a/*/c"), 1);
    index.insert(&selector("a/b"), 1);
    for other in ["a/*", "a/*/c/d", "a/**", "b/*/c", "a/b/c"] {
        index.remove(&selector(other), 1);
    }
    index.remove(&selector("a/*/c"), 2);
    index.remove(&selector("a/b"), 2);
    assert_eq!(matching(&index, "a/b/c"), [1]);
    assert_eq!(matching(&index, "a/b"), [1]);
}

#[test]
fn the_same_selector_of_many_sessions_is_cheap_to_take_out() {
    const SESSIONS: u32 = 16_000;
    for text in ["prices/eurusd", "prices/**"] {
        let (mut index, selector) = (SelectorIndex::new(), selector(text));
        for id in 0..SESSIONS {
            index.insert(&selector, id);
        }
        assert_eq!(matching(&index, "prices/eurusd").len(), SESSIONS as usize);
        // A scan for each would take over a hundred million steps.
        for id in (0..SESSIONS).rev() {
            index.remove(&selector, id);
        }
        assert!(index.is_empty());
    }
}

#[test]
fn hostile_patterns_take_no_exponential_time() {
    let mut index = SelectorIndex::new();
    for id in 0..1_000 {
        let bomb = format!("**/a/**/a/**/a/**/a/**/a/**/a/**/a/**/{id}");
        index.insert(&selector(&bomb), id);
    }
    // Backtracking would take 64^8 steps, and never end.
    assert!(matching(&index, &["a"; 64].join("/")).is_empty());
    assert_eq!(matching(&index, &format!("{}/7", ["a"; 63].join("/"))), [7]);
}

#[test]
fn selectors_made_to_share_nothing_are_tried_one_by_one() {
    const SELECTORS: u32 = 300;
    let mut index = SelectorIndex::new();
    for id in 0..SELECTORS {
        // Nodes of their own for each, all of which a path of nothing but `a` reaches.
        let choices: Vec<&str> = (0..62).map(|bit| if id.rotate_left(bit) & 1 == 0 { "a" } else { "*" }).collect();
        index.insert(&selector(&format!("**/{}", choices.join("/"))), id);
    }
    let long = ["a"; 64].join("/");
    let mut given_up = Vec::new();
    assert!(!index.walk(&long, &mut given_up));
    assert_eq!(matching(&index, &long), (0..SELECTORS).collect::<Vec<_>>());
    // What is usual is found by the walk among them.
    index.insert(&selector("prices/*"), 7_000);
    assert!(index.walk("prices/eurusd", &mut Vec::new()));
    assert_eq!(matching(&index, "prices/eurusd"), [7_000]);
}
