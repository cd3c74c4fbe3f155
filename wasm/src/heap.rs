//! The module's memory: in a tenth of the code of the standard library's allocator.
//!
//! Blocks of up to 64 KiB come in sizes at most a quarter apart, and one that is freed is kept for the next of its size. What
//! is larger is cut from runs, which are joined with their neighbours when they are freed. So memory grows to about what
//! was used most of each size, and no further, and nothing takes longer the more there is, but for large blocks.

#![expect(unsafe_code, reason = "free blocks hold what links them")]

use core::alloc::Layout;
use core::ptr::{NonNull, null_mut};

/// Blocks begin at multiples of it, and are as long.
const GRAIN: usize = 16;
/// The largest block that has a size of its own.
const SMALL: usize = 64 << 10;
/// How many sizes there are.
const SIZES: usize = 44;
/// The grain of what is larger.
const RUN: usize = 4 << 10;

/// Where memory comes from.
pub(crate) trait Memory {
    /// Makes memory longer by at least so many bytes. Gives where it ends then, or 0 if there is no more; what was added
    /// begins where it ended before.
    fn grow(&mut self, bytes: usize) -> usize;
}

/// What a free block holds.
struct Free {
    next: *mut Self,
    /// Of a run: how many bytes it has.
    len: usize,
}

/// All memory: what is free of each size, the free runs in the order of their addresses, and what was never used.
pub(crate) struct Heap<M> {
    memory: M,
    free: [*mut Free; SIZES],
    runs: *mut Free,
    unused: usize,
    end: usize,
}

/// The place of the size that a block of `len` bytes gets, and that size.
const fn size_of_block(len: usize) -> (usize, usize) {
    let grains = len.div_ceil(GRAIN);
    let last = grains.saturating_sub(1);
    let shift = (last | 1).ilog2().saturating_sub(2);
    let steps = (last >> shift) + 1;
    (shift as usize * 4 + steps - 1, (steps << shift) * GRAIN)
}

const fn is_small(layout: Layout) -> bool {
    layout.size() <= SMALL
}

const fn run_len(layout: Layout) -> usize {
    layout.size().div_ceil(RUN) * RUN
}

impl<M: Memory> Heap<M> {
    /// A heap of memory that begins at `start`.
    pub(crate) const fn new(memory: M, start: usize) -> Self {
        Self { memory, free: [null_mut(); SIZES], runs: null_mut(), unused: start, end: start }
    }

    /// A block; null if there is no memory for it, or for an alignment above 16 bytes.
    pub(crate) fn alloc(&mut self, layout: Layout) -> *mut u8 {
        if layout.align() > GRAIN {
            return null_mut();
        }
        if !is_small(layout) {
            return self.alloc_run(run_len(layout));
        }
        let (place, len) = size_of_block(layout.size());
        let slot = &mut self.free[place];
        match NonNull::new(*slot) {
            Some(block) => {
                // SAFETY: blocks in the lists are free, and hold what `dealloc` wrote.
                *slot = unsafe { block.as_ref() }.next;
                block.as_ptr().cast()
            }
            None => self.take_unused(len),
        }
    }

    /// Frees a block.
    ///
    /// # Safety
    /// It came from [`Self::alloc`] of this heap with the same layout, and nobody uses it any more.
    pub(crate) unsafe fn dealloc(&mut self, block: *mut u8, layout: Layout) {
        let block = block.cast::<Free>();
        if is_small(layout) {
            let slot = &mut self.free[size_of_block(layout.size()).0];
            // SAFETY: the block is ours, aligned to 16 bytes and at least as long.
            unsafe { block.write(Free { next: *slot, len: 0 }) };
            *slot = block;
        } else {
            // SAFETY: the block is ours, and so long.
            unsafe { self.free_run(block, run_len(layout)) };
        }
    }

    /// Whether a block of this layout does for another length as well.
    pub(crate) fn fits(layout: Layout, len: usize) -> bool {
        let other = Layout::from_size_align(len, layout.align()).unwrap_or(layout);
        match (is_small(layout), is_small(other)) {
            (true, true) => size_of_block(layout.size()).0 == size_of_block(len).0,
            (false, false) => run_len(layout) == run_len(other),
            _ => false,
        }
    }

    fn take_unused(&mut self, len: usize) -> *mut u8 {
        let left = self.end - self.unused;
        if left < len {
            let end = self.memory.grow(len - left);
            if end == 0 {
                return null_mut();
            }
            self.end = end;
        }
        self.unused += len;
        (self.unused - len) as *mut u8
    }

    /// The first run that is long enough, or what is left over of it.
    fn alloc_run(&mut self, len: usize) -> *mut u8 {
        let mut slot = &raw mut self.runs;
        // SAFETY: the runs in the list are free, and hold what `free_run` wrote.
        unsafe {
            while let Some(run) = (*slot).as_mut() {
                if run.len >= len {
                    run.len -= len;
                    if run.len == 0 {
                        *slot = run.next;
                    }
                    return (&raw mut *run).cast::<u8>().add(run.len);
                }
                slot = &raw mut run.next;
            }
        }
        self.take_unused(len)
    }

    /// # Safety
    /// The run is this heap's, so long, and not used any more.
    unsafe fn free_run(&mut self, run: *mut Free, mut len: usize) {
        let mut before: *mut Free = null_mut();
        let mut after = self.runs;
        // SAFETY: the runs in the list are free, and hold what was written here; `run` is ours.
        unsafe {
            while !after.is_null() && after < run {
                before = after;
                after = (*after).next;
            }
            if !after.is_null() && run as usize + len == after as usize {
                len += (*after).len;
                after = (*after).next;
            }
            if !before.is_null() && before as usize + (*before).len == run as usize {
                (*before).len += len;
                (*before).next = after;
                return;
            }
            run.write(Free { next: after, len });
            match before.as_mut() {
                Some(before) => before.next = run,
                None => self.runs = run,
            }
        }
    }
}
