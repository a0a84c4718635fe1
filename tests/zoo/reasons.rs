//! Cells that do not pass, and why.

use super::cell::Row;

/// Model, exporter, batch (`*` is any) and the reason.
const REASONS: &[(&str, &str, &str, &str)] = &[];

pub fn of(row: &Row) -> Option<&'static str> {
    let fits = |pattern: &str, key: &str| pattern == "*" || pattern == row.text(key);
    let entry =
        REASONS.iter().find(|(m, e, b, _)| fits(m, "model") && fits(e, "exporter") && fits(b, "batch"));
    entry.map(|e| e.3)
}
