//! What the operating system says about this process's memory. Linux only; `None` elsewhere.

/// Starts the peak anew where the system allows it, so that one run after another has a peak of its own.
pub fn restart_peak() {
    // "5" resets VmHWM to the resident set of now (proc_pid_clear_refs(5)). Where it is refused the peak is that of the
    // process so far, which is only larger.
    let _ = std::fs::write("/proc/self/clear_refs", "5");
}

/// Largest resident set (`VmHWM`), in bytes.
pub fn peak_rss_bytes() -> Option<u64> {
    status_field("VmHWM:")
}

/// Largest resident set without pages of files (the program's code), which the system can drop, in bytes.
pub fn peak_anonymous_bytes() -> Option<u64> {
    let files = status_field("RssFile:")? + status_field("RssShmem:")?;
    Some(peak_rss_bytes()?.saturating_sub(files))
}

/// Resident set now (`VmRSS`), in bytes.
pub fn rss_bytes() -> Option<u64> {
    status_field("VmRSS:")
}

/// Files and pipes that this process has open.
pub fn open_files() -> Option<u64> {
    // The folder itself is open while it is read.
    std::fs::read_dir("/proc/self/fd").ok().map(|open| open.count().saturating_sub(1) as u64)
}

#[cfg(target_os = "linux")]
fn status_field(name: &str) -> Option<u64> {
    parse_status(&std::fs::read_to_string("/proc/self/status").ok()?, name)
}

#[cfg(not(target_os = "linux"))]
fn status_field(_name: &str) -> Option<u64> {
    None
}

/// `VmHWM:    5432 kB` in bytes.
#[cfg(target_os = "linux")]
fn parse_status(status: &str, name: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix(name))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib << 10)
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn peak_follows_what_is_touched() {
        assert_eq!(parse_status("Name:\tx\nVmHWM:\t    5432 kB\n", "VmHWM:"), Some(5432 * 1024));
        assert_eq!(parse_status("Name:\tx\n", "VmHWM:"), None);
        let block = std::hint::black_box(vec![1u8; 64 << 20]);
        assert!(peak_rss_bytes().unwrap() > block.len() as u64);
        assert!(rss_bytes().unwrap() <= peak_rss_bytes().unwrap());
        let before = peak_rss_bytes().unwrap();
        drop(block);
        restart_peak();
        assert!(peak_rss_bytes().unwrap() < before);
    }
}
