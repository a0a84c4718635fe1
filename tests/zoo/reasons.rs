//! Cells that do not pass, and why.

use super::cell::Row;

/// Model, exporter, batch (`*` is any) and the reason.
const REASONS: &[(&str, &str, &str, &str)] = &[
    ("hf_dinov3", "legacy", "*", "an `If` around the rotary table; sub-graphs are not read"),
    (
        "maxvit",
        "legacy",
        "dynamic",
        "window sizes computed from the batch in a way that shape inference cannot follow",
    ),
    ("pvt_v2_linear", "dynamo", "*", "adaptive pooling written as `GatherND`, which has no gradient rule"),
    ("volo", "dynamo", "*", "tract has no `Col2Im`"),
];

pub fn of(row: &Row) -> Option<&'static str> {
    let fits = |pattern: &str, key: &str| pattern == "*" || pattern == row.text(key);
    let entry =
        REASONS.iter().find(|(m, e, b, _)| fits(m, "model") && fits(e, "exporter") && fits(b, "batch"));
    entry.map(|e| e.3)
}
