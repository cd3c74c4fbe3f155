//! A million topics: what they weigh, and how fast they are found.
//!
//! `cargo bench -p outpour-server --bench topics`. Without `--bench` (as `cargo test` runs it) there
//! are a hundred times fewer topics, and the figures mean nothing. Times are the processor's.

#[path = "topics/broker.rs"]
mod broker;
#[path = "topics/memory.rs"]
mod memory;
#[path = "topics/report.rs"]
mod report;
#[path = "topics/search.rs"]
mod search;

use outpour_core::Path;

#[global_allocator]
static ALLOCATOR: memory::Counting = memory::Counting;

/// The topics of the benchmarks: half in folders of 10, half in folders of 1,000.
#[derive(Clone, Copy, Debug)]
struct Scale {
    topics: u32,
}

impl Scale {
    const SMALL_FOLDER: u32 = 10;
    const LARGE_FOLDER: u32 = 1_000;

    fn path(self, number: u32) -> Path {
        let half = self.topics / 2;
        let text = match number.checked_sub(half) {
            None => format!("{}/field{}", Self::small_folder(number / Self::SMALL_FOLDER), number % Self::SMALL_FOLDER),
            Some(rest) => {
                format!("{}/order{:04}", Self::large_folder(rest / Self::LARGE_FOLDER), rest % Self::LARGE_FOLDER)
            }
        };
        Path::new(&text).expect("a path")
    }

    fn small_folder(number: u32) -> String {
        format!("instruments/isin{number:08}")
    }

    fn large_folder(number: u32) -> String {
        format!("books/market{number:06}")
    }

    const fn small_folders(self) -> u32 {
        self.topics / 2 / Self::SMALL_FOLDER
    }

    const fn large_folders(self) -> u32 {
        self.topics / 2 / Self::LARGE_FOLDER
    }
}

fn main() {
    let measures = std::env::args().any(|argument| argument == "--bench");
    let scale = Scale { topics: if measures { 1_000_000 } else { 10_000 } };
    // First, while no memory has been given back that would make resident memory grow less.
    broker::run(scale);
    search::tree(scale);
    search::selectors(scale);
}
