//! The module's heap, tried where tests run.

#![allow(unsafe_code, reason = "blocks of memory are written and freed")]
#![allow(missing_docs, unreachable_pub)]

#[path = "../src/heap.rs"]
mod heap;

use std::alloc::Layout;
use std::cell::Cell;
use std::rc::Rc;

use heap::{Heap, Memory};

const PAGE: usize = 64 << 10;

/// Memory like that of a module, on this machine.
struct Arena {
    bytes: Vec<u128>,
    start: usize,
    /// How much of it has been given out.
    len: Rc<Cell<usize>>,
}

impl Arena {
    /// A heap of at the most so many bytes, and how many of them it has taken.
    fn heap(most: usize) -> (Heap<Self>, Rc<Cell<usize>>) {
        let mut bytes = vec![0_u128; most / 16];
        let start = bytes.as_mut_ptr() as usize;
        let len = Rc::new(Cell::new(0));
        (Heap::new(Self { bytes, start, len: len.clone() }, start), len)
    }
}

impl Memory for Arena {
    fn grow(&mut self, bytes: usize) -> usize {
        let len = self.len.get() + bytes.div_ceil(PAGE) * PAGE;
        if len > self.bytes.len() * 16 {
            return 0;
        }
        self.len.set(len);
        self.start + len
    }
}

struct Block {
    at: *mut u8,
    layout: Layout,
    mark: u8,
}

impl Block {
    fn new(heap: &mut Heap<Arena>, len: usize, mark: u8) -> Self {
        let layout = Layout::from_size_align(len, 8).expect("a layout");
        let at = heap.alloc(layout);
        assert!(!at.is_null() && (at as usize).is_multiple_of(16), "{len} bytes");
        // SAFETY: the block is so long.
        unsafe { at.write_bytes(mark, len) };
        Self { at, layout, mark }
    }

    fn free(self, heap: &mut Heap<Arena>) {
        // SAFETY: the block is so long, came from this heap, and is gone now.
        unsafe {
            let bytes = std::slice::from_raw_parts(self.at, self.layout.size());
            assert!(bytes == vec![self.mark; bytes.len()], "somebody else wrote to {} bytes", bytes.len());
            heap.dealloc(self.at, self.layout);
        }
    }
}

/// Numbers that look random, the same in every run.
fn numbers() -> impl FnMut() -> usize {
    let mut state = 0x243f_6a88_85a3_08d3_u64;
    move || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as usize
    }
}

/// Lengths as sessions have them: mostly short ones, some above 64 KiB.
fn length(random: usize) -> usize {
    match random % 16 {
        0 => 1 + random / 16 % (256 << 10),
        1..=4 => 1 + random / 16 % (16 << 10),
        _ => 1 + random / 16 % 300,
    }
}

#[test]
fn blocks_are_nobody_elses() {
    let (mut heap, _) = Arena::heap(256 << 20);
    let mut next = numbers();
    let mut blocks = Vec::new();
    for step in 0..60_000 {
        if blocks.len() < 300 && !next().is_multiple_of(3) {
            blocks.push(Block::new(&mut heap, length(next()), step as u8));
        } else if !blocks.is_empty() {
            let chosen = next() % blocks.len();
            blocks.swap_remove(chosen).free(&mut heap);
        }
    }
    for block in blocks {
        block.free(&mut heap);
    }
}

#[test]
fn what_is_done_again_takes_no_more_memory() {
    let (mut heap, taken) = Arena::heap(256 << 20);
    let mut cycle = || {
        let mut next = numbers();
        let mut blocks: Vec<Block> = (0..300).map(|_| Block::new(&mut heap, length(next()), 1)).collect();
        while !blocks.is_empty() {
            let chosen = next() % blocks.len();
            blocks.swap_remove(chosen).free(&mut heap);
        }
        taken.get()
    };
    let once = cycle();
    for _ in 0..1000 {
        assert_eq!(cycle(), once);
    }
}

#[test]
fn a_buffer_that_grows_leaves_room_for_the_next() {
    let (mut heap, taken) = Arena::heap(256 << 20);
    for _ in 0..100 {
        let mut held = Block::new(&mut heap, PAGE + 1, 1);
        while held.layout.size() < 16 << 20 {
            let longer = Block::new(&mut heap, held.layout.size() * 2, 1);
            held.free(&mut heap);
            held = longer;
        }
        held.free(&mut heap);
    }
    assert!(taken.get() <= 48 << 20, "{} bytes for one of 16 MiB", taken.get());
}

#[test]
fn no_memory_is_no_block() {
    let (mut heap, taken) = Arena::heap(1 << 20);
    assert!(heap.alloc(Layout::from_size_align(2 << 20, 8).unwrap()).is_null());
    assert!(heap.alloc(Layout::from_size_align(64, 32).unwrap()).is_null(), "of an alignment that nothing here has");
    let block = Block::new(&mut heap, 1 << 19, 7);
    block.free(&mut heap);
    assert_eq!(taken.get(), 1 << 19);
}

#[test]
fn a_block_is_kept_for_lengths_that_get_the_same() {
    let layout = |len| Layout::from_size_align(len, 8).expect("a layout");
    assert!(Heap::<Arena>::fits(layout(100), 112) && !Heap::<Arena>::fits(layout(100), 113));
    assert!(Heap::<Arena>::fits(layout(70_000), 73_728) && !Heap::<Arena>::fits(layout(70_000), 73_729));
    assert!(!Heap::<Arena>::fits(layout(65_536), 65_537));
}
