use std::collections::{BTreeSet, HashMap};

use proptest::prelude::*;

use super::*;

fn path(text: &str) -> Path {
    Path::new(text).unwrap()
}

fn tree(paths: &[&str]) -> TopicTree {
    let mut tree = TopicTree::new();
    for (number, text) in paths.iter().enumerate() {
        tree.insert(&path(text), TopicNumber(number as u32));
    }
    tree
}

/// All that matches, and the pages it took.
fn search(tree: &TopicTree, selector: &str, limit: usize) -> (Vec<TopicNumber>, usize) {
    let selector = Selector::new(selector).unwrap();
    let (mut found, mut pages) = (Vec::new(), 1);
    let mut cursor = tree.matching(&selector, None, limit, &mut found);
    while let Some(after) = cursor {
        cursor = tree.matching(&selector, Some(&after), limit, &mut found);
        pages += 1;
    }
    (found, pages)
}

/// Few segments, so that much matches; with bytes below and above `/`.
fn any_path() -> impl Strategy<Value = String> {
    let segment = prop::sample::select(vec!["a", "b", "a!", "ab", "€", "c", "b-", "0"]);
    prop::collection::vec(segment, 1..6).prop_map(|segments| segments.join("/"))
}

fn any_selector() -> impl Strategy<Value = Selector> {
    let segment = prop::sample::select(vec!["a", "b", "a!", "c", "ab", "*", "*", "*", "**"]);
    prop::collection::vec(segment, 1..6).prop_map(|segments| Selector::new(&segments.join("/")).unwrap())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn orders_by_segments(a in any_path(), b in any_path()) {
        prop_assert_eq!(compare(a.as_bytes(), b.as_bytes()), a.split('/').cmp(b.split('/')));
    }

    /// Between any two pages topics come and go; those that stay are found once, the others at most once.
    #[test]
    fn finds_what_stays_exactly_once(
        paths in prop::collection::vec(any_path(), 0..150),
        selector in any_selector(),
        limit in 1_usize..10,
        changes in prop::collection::vec((any::<bool>(), any_path()), 0..40),
    ) {
        let mut tree = TopicTree::new();
        let mut names = HashMap::new();
        let mut add = |tree: &mut TopicTree, text: &str| {
            if tree.get(&path(text)).is_none() {
                let number = TopicNumber(names.len() as u32);
                names.insert(number, text.to_owned());
                tree.insert(&path(text), number);
            }
        };
        for text in &paths {
            add(&mut tree, text);
        }
        let mut stays: BTreeSet<String> =
            paths.into_iter().filter(|path| selector.matches(path)).collect();
        let mut found = Vec::new();
        let mut cursor = tree.matching(&selector, None, limit, &mut found);
        prop_assert!(found.len() <= limit);
        let mut changes = changes.into_iter();
        while let Some(after) = cursor {
            if let Some((added, text)) = changes.next() {
                if added {
                    add(&mut tree, &text);
                } else {
                    tree.remove(&path(&text));
                    stays.remove(&text);
                }
            }
            let mut page = Vec::new();
            cursor = tree.matching(&selector, Some(&after), limit, &mut page);
            prop_assert!(page.len() <= limit);
            found.extend(page);
        }
        let texts: Vec<&str> = found.iter().map(|number| names[number].as_str()).collect();
        prop_assert!(texts.iter().all(|text| selector.matches(text)), "{} found {:?}", selector, texts);
        prop_assert!(texts.is_sorted_by(|a, b| a.split('/').lt(b.split('/'))), "{:?}", texts);
        for text in stays {
            prop_assert!(texts.contains(&text.as_str()), "{} lost {} in {:?}", selector, text, texts);
        }
    }
}

#[test]
fn a_topic_is_there_until_it_is_removed() {
    let mut tree = tree(&["a", "a/b", "b"]);
    assert_eq!(tree.get(&path("a/b")), Some(TopicNumber(1)));
    assert_eq!(search(&tree, "a/b", 1), (vec![TopicNumber(1)], 1));
    assert_eq!(tree.remove(&path("a/b")), Some(TopicNumber(1)));
    assert_eq!(tree.remove(&path("a/b")), None);
    assert_eq!(tree.get(&path("a/b")), None);
    assert_eq!(search(&tree, "**", 10).0, [TopicNumber(0), TopicNumber(2)]);
    assert_eq!(tree.len(), 2);
}

#[test]
fn what_lies_below_is_stepped_over() {
    let mut tree = TopicTree::new();
    for top in 0..20 {
        for below in 0..2_000 {
            tree.insert(&path(&format!("a/{top:02}/{below}/deep")), TopicNumber(1_000 + below));
        }
        tree.insert(&path(&format!("a/{top:02}")), TopicNumber(top));
        tree.insert(&path(&format!("a/{top:02}/price")), TopicNumber(100 + top));
    }
    let in_order = |first: u32| (first..first + 20).map(TopicNumber).collect::<Vec<_>>();
    // 40,000 topics lie between, and a page of 21 takes 64 * 21 steps.
    assert_eq!(search(&tree, "a/*", 21), (in_order(0), 1));
    assert_eq!(search(&tree, "a/*/price", 21), (in_order(100), 1));
    assert_eq!(search(&tree, "*/*/price", 21), (in_order(100), 1));
    assert_eq!(search(&tree, "*/19/price", 21), (vec![TopicNumber(119)], 1));
    assert_eq!(search(&tree, "*/*/price/**", 21).0, in_order(100));
}

#[test]
fn a_page_that_finds_nothing_ends() {
    let mut tree = TopicTree::new();
    for number in 0..10_000 {
        tree.insert(&path(&format!("a/{number}/x")), TopicNumber(number));
    }
    let mut found = Vec::new();
    assert!(tree.matching(&Selector::new("**/y").unwrap(), None, 10, &mut found).is_some());
    let (found, pages) = search(&tree, "**/y", 10);
    assert!(found.is_empty());
    assert!(pages > 10, "{pages} pages");
}

#[test]
fn a_page_of_hostile_paths_and_patterns_ends_after_few() {
    const TOPICS: u32 = 500;
    const LIMIT: usize = 10;
    let mut tree = TopicTree::new();
    for number in 0..TOPICS {
        tree.insert(&path(&format!("{}/{number}", ["a"; 63].join("/"))), TopicNumber(number));
    }
    // Each path takes about 32 * 32 comparisons.
    let pattern = format!("**/{}/b/{}", ["*"; 31].join("/"), ["*"; 5].join("/"));
    let (found, pages) = search(&tree, &pattern, LIMIT);
    assert!(found.is_empty());
    let comparisons_a_page = TOPICS as usize / pages * 38 * 64;
    assert!(comparisons_a_page <= 2 * 8 * STEPS_PER_TOPIC * LIMIT, "{pages} pages");
}
