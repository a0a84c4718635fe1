//! What is known not to work, by engine and case, and why. A listed case that passes fails the suite.

/// `engine` is the start of an engine's name; `case` is a name in which a `*` at the end stands for anything.
pub struct Ignored {
    pub engine: &'static str,
    pub case: &'static str,
    pub reason: &'static str,
}

const fn row(engine: &'static str, case: &'static str, reason: &'static str) -> Ignored {
    Ignored { engine, case, reason }
}

pub const IGNORED: &[Ignored] = &[row("tract", "nothing", "a row, so that the list is not empty")];

/// Whether `pattern` names `case`.
pub fn matches(pattern: &str, case: &str) -> bool {
    match pattern.strip_suffix('*') {
        Some(start) => case.starts_with(start),
        None => pattern == case,
    }
}

/// Why `case` is not expected to pass on `engine`.
pub fn reason(engine: &str, case: &str) -> Option<&'static str> {
    let row = |r: &&Ignored| engine.starts_with(r.engine) && matches(r.case, case);
    IGNORED.iter().find(row).map(|r| r.reason)
}
