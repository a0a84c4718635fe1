//! Saying what was skipped where it is heard: the test harness swallows what passing tests print.

use std::io::Write;

/// Writes to the terminal itself.
pub fn say(what: &str) {
    let _ = writeln!(std::io::stderr(), "SKIPPED: {what}");
}
