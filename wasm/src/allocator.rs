//! The module's global allocator.

#![expect(unsafe_code, reason = "an allocator hands out memory that nobody else has")]

use core::alloc::{GlobalAlloc, Layout};
use core::arch::wasm32::{memory_grow, memory_size};
use core::cell::UnsafeCell;

use crate::heap::{Heap, Memory};

const PAGE: usize = 64 << 10;

struct Pages;

impl Memory for Pages {
    fn grow(&mut self, bytes: usize) -> usize {
        if memory_grow::<0>(bytes.div_ceil(PAGE)) == usize::MAX { 0 } else { memory_size::<0>() * PAGE }
    }
}

struct Allocator(UnsafeCell<Option<Heap<Pages>>>);

// SAFETY: the module has no threads.
unsafe impl Sync for Allocator {}

#[global_allocator]
static ALLOCATOR: Allocator = Allocator(UnsafeCell::new(None));

impl Allocator {
    #[expect(clippy::mut_from_ref, reason = "whoever calls it gives the heap back before anything else runs")]
    fn heap(&self) -> &mut Heap<Pages> {
        // SAFETY: there are no threads, and nothing that the heap calls allocates.
        unsafe { &mut *self.0.get() }.get_or_insert_with(|| Heap::new(Pages, memory_size::<0>() * PAGE))
    }
}

// SAFETY: blocks of a heap are as long as they are asked for, aligned, and nobody else's.
unsafe impl GlobalAlloc for Allocator {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        self.heap().alloc(layout)
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        // SAFETY: the caller promises what the heap asks for.
        unsafe { self.heap().dealloc(block, layout) }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, len: usize) -> *mut u8 {
        if Heap::<Pages>::fits(layout, len) {
            return block;
        }
        // SAFETY: the caller promises that `len` is sound for the layout's alignment.
        let moved = self.heap().alloc(unsafe { Layout::from_size_align_unchecked(len, layout.align()) });
        if !moved.is_null() {
            // SAFETY: both blocks are so long, and they are two.
            unsafe {
                moved.copy_from_nonoverlapping(block, layout.size().min(len));
                self.heap().dealloc(block, layout);
            }
        }
        moved
    }
}
