//! The peak of memory, in a binary with one test function: the allocator counts for the whole process.

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

struct Counting;
static NOW: AtomicUsize = AtomicUsize::new(0);
static PEAK: AtomicUsize = AtomicUsize::new(0);
static LARGEST: AtomicUsize = AtomicUsize::new(usize::MAX);

// SAFETY: every call goes to the system allocator unchanged; only counters are added.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        if layout.size() <= LARGEST.load(Relaxed) {
            PEAK.fetch_max(NOW.fetch_add(layout.size(), Relaxed) + layout.size(), Relaxed);
        }
        unsafe { System.alloc(layout) }
    }
    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        if layout.size() <= LARGEST.load(Relaxed) {
            NOW.fetch_sub(layout.size(), Relaxed);
        }
        unsafe { System.dealloc(at, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// What `f` gives, and the most bytes that were allocated meanwhile beyond what was there before.
pub fn peak_of<T>(f: impl FnOnce() -> T) -> (T, usize) {
    let before = NOW.load(Relaxed);
    PEAK.store(before, Relaxed);
    let out = f();
    (out, PEAK.load(Relaxed) - before)
}

/// Bytes allocated now.
#[allow(dead_code, reason = "not every test that counts asks")]
pub fn held() -> usize {
    NOW.load(Relaxed)
}

/// Counts nothing larger from now on: the matrix library reserves room for twice the last-level cache, of which it touches what it needs.
#[allow(dead_code, reason = "not every test that counts asks")]
pub fn ignore_beyond(bytes: usize) {
    LARGEST.store(bytes, Relaxed);
}
