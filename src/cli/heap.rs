//! The C library's heap.

/// Makes all threads share one heap. glibc gives each its own, and what one has freed no other takes: a process holds up to a fifth more
/// than it uses. To be called before there are threads.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
#[allow(unsafe_code)]
pub fn share() {
    // SAFETY: mallopt(3) takes two integers and may be called at any time. Where it fails it changes nothing.
    unsafe { libc::mallopt(libc::M_ARENA_MAX, 1) };
}

/// Other C libraries have one heap.
#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
pub fn share() {}
