//! Topics by path and selector, and selectors by path.

use outpour_core::{Path, Selector, TopicNumber};
use outpour_server::topics::{SelectorIndex, TopicTree};

use crate::Scale;
use crate::memory::Memory;
use crate::report::{growth, line, mean, processor_time, scattered, time, title};

const PAGE: usize = 256;

fn selector(text: &str) -> Selector {
    Selector::new(text).expect("a selector")
}

pub(crate) fn tree(scale: Scale) {
    title(&format!("A tree of {} topics", scale.topics));
    let before = Memory::now();
    let mut tree = TopicTree::new();
    let insert = mean(scale.topics, |number| {
        // Topics come in any order.
        let number = scattered(number, scale.topics);
        tree.insert(&scale.path(number), TopicNumber(number));
    });
    time("insert, making of the path included", insert);
    growth("memory for each topic, text of the path included", Memory::now().growth_since(before, scale.topics));

    let paths: Vec<Path> = (0..100_000).map(|number| scale.path(scattered(number, scale.topics))).collect();
    time(
        "get by path, in the order of paths",
        mean(100_000, |number| assert!(tree.get(&paths[number as usize]).is_some())),
    );

    pages(&tree, "a/b/* with 10 matches", 10, 1_000, |number| {
        format!("{}/*", Scale::small_folder(scattered(number, scale.small_folders())))
    });
    pages(&tree, "a/b/* with 1,000 matches", 1_000, 100, |number| {
        format!("{}/*", Scale::large_folder(scattered(number, scale.large_folders())))
    });
    let books = scale.large_folders() as usize;
    let beside = format!("a/*/c with {books} matches among {}", scale.topics / 2);
    pages(&tree, &beside, books, 10, |number| format!("books/*/order{number:04}"));
    pages(&tree, "**/c, all pages, no match", 0, 1, |_| "**/nothing".to_owned());
    pages(&tree, "**, all pages", scale.topics as usize, 1, |_| "**".to_owned());
    longest_page(&tree);
    let removed = mean(100_000.min(scale.topics), |number| assert!(tree.remove(&scale.path(number)).is_some()));
    time("remove, making of the path included", removed);
}

fn pages(tree: &TopicTree, what: &str, matches: usize, times: u32, text: impl Fn(u32) -> String) {
    let selectors: Vec<Selector> = (0..times).map(|number| selector(&text(number))).collect();
    let mut found = Vec::new();
    let each = mean(times, |number| {
        found.clear();
        let mut cursor = None;
        loop {
            cursor = tree.matching(&selectors[number as usize], cursor.as_ref(), PAGE, &mut found);
            if cursor.is_none() {
                break;
            }
        }
        assert_eq!(found.len(), matches, "{}", selectors[number as usize]);
    });
    time(what, each);
}

/// How long selectors made to match nothing can keep the tree busy at once.
fn longest_page(tree: &TopicTree) {
    for text in ["**/nothing", "**/*/**/*/**/*/**/nothing/**", "*/*/nothing"] {
        let selector = selector(text);
        let (mut longest, mut cursor) = (std::time::Duration::ZERO, None);
        loop {
            let started = processor_time();
            cursor = tree.matching(&selector, cursor.as_ref(), PAGE, &mut Vec::new());
            longest = longest.max(processor_time() - started);
            if cursor.is_none() {
                break;
            }
        }
        time(&format!("the longest page of {text}"), longest);
    }
}

pub(crate) fn selectors(scale: Scale) {
    const SELECTORS: u32 = 10_000;
    title(&format!("An index of {SELECTORS} selectors"));
    let text = |number: u32| {
        let folder = Scale::small_folder(scattered(number, scale.small_folders()));
        match number % 5 {
            0 => format!("{folder}/*"),
            1 => format!("{folder}/**"),
            2 => format!("*/isin{number:08}/field1"),
            3 => format!("**/isin{number:08}/**"),
            _ => format!("{folder}/field3"),
        }
    };
    let before = Memory::now();
    let mut index = SelectorIndex::new();
    time("insert", mean(SELECTORS, |number| index.insert(&selector(&text(number)), number)));
    growth("memory for each selector", Memory::now().growth_since(before, SELECTORS));
    let paths: Vec<Path> = (0..100_000).map(|number| scale.path(scattered(number, scale.topics))).collect();
    let (mut found, mut matches) = (Vec::new(), 0);
    let each = mean(100_000, |number| {
        found.clear();
        index.matching(paths[number as usize].as_str(), &mut found);
        matches += found.len();
    });
    time("the selectors that match a path", each);
    line("of these, in the mean", &format!("{:.3}", matches as f64 / 100_000.0));
    time("remove", mean(SELECTORS, |number| index.remove(&selector(&text(number)), number)));

    let same = selector("books/**");
    time("insert the same selector of 16,000 sessions", mean(16_000, |id| index.insert(&same, id)));
    time("remove it", mean(16_000, |id| index.remove(&same, id)));
}
