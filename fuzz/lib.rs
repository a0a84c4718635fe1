//! What all targets ask of an outcome: an error or a sound value, in bounded memory.
//!
//! A panic, an abort or a failed assertion is a crash to libFuzzer. So is [`ErrorKind::Bug`]: a broken invariant that input
//! could reach.

#[path = "../tests/counting/mod.rs"]
mod counting;
mod hollow;

pub use hollow::Hollow;
use perennial::{ErrorKind, Result};

/// What the matrix products set aside, once a thread.
pub const WORKSPACE: usize = 65 << 20;

/// What `f` gives, which may allocate `most` bytes at its peak beyond what was there.
pub fn bounded<T>(most: usize, f: impl FnOnce() -> T) -> T {
    let (out, peak) = counting::peak_of(f);
    assert!(peak <= most, "{peak} bytes, and {most} are the most");
    out
}

/// The value, or none for an error that says something and is nobody's bug.
pub fn sound<T>(result: Result<T>) -> Option<T> {
    result
        .inspect_err(|e| {
            assert!(e.kind() != ErrorKind::Bug, "{e}");
            assert!(!e.to_string().is_empty());
        })
        .ok()
}

/// Takes `count` bytes off the front, or as many as there are.
pub fn take<'a>(bytes: &mut &'a [u8], count: usize) -> &'a [u8] {
    let (first, rest) = bytes.split_at(count.min(bytes.len()));
    *bytes = rest;
    first
}

/// Takes a little-endian number of at most `N` bytes off the front; what is missing is 0.
pub fn number<const N: usize>(bytes: &mut &[u8]) -> u64 {
    take(bytes, N).iter().rev().fold(0, |n, &byte| n << 8 | u64::from(byte))
}
