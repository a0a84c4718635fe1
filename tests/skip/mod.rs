//! What a test needs from outside the project, and saying loudly that it was not there: the test harness swallows what
//! passing tests print.
#![allow(dead_code)]

use std::io::Write;
use std::path::{Path, PathBuf};

/// Writes to the terminal itself.
pub fn say(what: &str) {
    let _ = writeln!(std::io::stderr(), "SKIPPED: {what}");
}

/// `what` in the folder of shared data, `PERENNIAL_DATA` or beside the project; says so where it is missing.
pub fn shared(what: &str) -> Option<PathBuf> {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data");
    let found = std::env::var_os("PERENNIAL_DATA").map_or(beside, PathBuf::from).join(what);
    if !found.exists() {
        say(&format!("{} is not there; set PERENNIAL_DATA", found.display()));
        return None;
    }
    Some(found)
}

/// The folder of the real ViT-Tiny.
pub fn real_vit() -> Option<PathBuf> {
    shared("vit_tiny_patch16_224")
}
