//! How much memory is taken: asked for from the allocator, and resident.

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering};

static TAKEN: AtomicUsize = AtomicUsize::new(0);
static PIECES: AtomicUsize = AtomicUsize::new(0);

/// The system's allocator, counting bytes.
#[derive(Debug)]
pub(crate) struct Counting;

// SAFETY: the system's allocator does all the work; counting touches no memory of it.
#[allow(unsafe_code)]
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        TAKEN.fetch_add(layout.size(), Ordering::Relaxed);
        PIECES.fetch_add(1, Ordering::Relaxed);
        // SAFETY: the caller's promises are the system allocator's conditions.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        TAKEN.fetch_sub(layout.size(), Ordering::Relaxed);
        PIECES.fetch_sub(1, Ordering::Relaxed);
        // SAFETY: as above.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        TAKEN.fetch_add(size, Ordering::Relaxed);
        TAKEN.fetch_sub(layout.size(), Ordering::Relaxed);
        // SAFETY: as above.
        unsafe { System.realloc(pointer, layout, size) }
    }
}

/// What the process has at one moment.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Memory {
    /// Bytes asked for from the allocator.
    taken: usize,
    /// Allocations.
    pieces: usize,
    /// Bytes resident, if the system tells.
    resident: Option<usize>,
}

/// What has been taken since another moment, for each of so many topics.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Growth {
    pub(crate) taken: f64,
    pub(crate) pieces: f64,
    pub(crate) resident: Option<f64>,
}

impl Memory {
    pub(crate) fn now() -> Self {
        Self { taken: TAKEN.load(Ordering::Relaxed), pieces: PIECES.load(Ordering::Relaxed), resident: resident() }
    }

    pub(crate) fn growth_since(self, before: Self, topics: u32) -> Growth {
        let each = |now: usize, before: usize| (now as f64 - before as f64) / f64::from(topics);
        Growth {
            taken: each(self.taken, before.taken),
            pieces: each(self.pieces, before.pieces),
            resident: self.resident.zip(before.resident).map(|(now, before)| each(now, before)),
        }
    }
}

fn resident() -> Option<usize> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    Some(line.trim().strip_suffix(" kB")?.trim().parse::<usize>().ok()? * 1024)
}
