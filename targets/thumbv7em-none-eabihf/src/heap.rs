//! The heap behind what was received, and how much of it was ever used.

use core::alloc::{GlobalAlloc, Layout};
use core::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use embedded_alloc::LlffHeap;

const START: usize = 0x2140_0000;
const SIZE: usize = 0xc0_0000;

#[global_allocator]
static HEAP: Counted = Counted { heap: LlffHeap::empty(), peak: AtomicUsize::new(0) };

/// A heap that knows its highest level.
struct Counted {
    heap: LlffHeap,
    peak: AtomicUsize,
}

/// Makes the heap ready.
pub fn init() {
    // SAFETY: 12 MiB up to the end of the PSRAM, which nothing else names; `main` calls this once, before anything is allocated.
    unsafe { HEAP.heap.init(START, SIZE) }
}

/// Most bytes that were ever in use.
pub fn peak() -> usize {
    HEAP.peak.load(Relaxed)
}

// SAFETY: both calls are the inner heap's, which keeps the contract; counting touches no memory of it.
unsafe impl GlobalAlloc for Counted {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller's promise is passed on.
        let place = unsafe { self.heap.alloc(layout) };
        self.peak.fetch_max(self.heap.used(), Relaxed);
        place
    }

    unsafe fn dealloc(&self, place: *mut u8, layout: Layout) {
        // SAFETY: as above.
        unsafe { self.heap.dealloc(place, layout) }
    }
}
