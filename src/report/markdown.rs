//! The comparison as Markdown tables, for a README: a table a stream, a row a group, best first.

use std::fmt::Write;

use super::Comparison;
use super::format::{bytes, percent};
use super::groups::{Figure, Group, Stream, streams};
use crate::eval::{EvalResult, Metrics};

/// All tables.
pub fn tables(comparison: &Comparison) -> String {
    let mut out = String::new();
    for stream in streams(&comparison.runs) {
        // Writing to a string cannot fail.
        let _ = write!(out, "{}", table(&stream));
    }
    out
}

const TITLES: [&str; 13] = [
    "strategy",
    "runs",
    "`last`",
    "`incremental_avg`",
    "`forgetting`",
    "`retrieval`",
    "by signature",
    "context 4",
    "context 16",
    "`within_task`",
    "state",
    "learning, s",
    "a prediction, ms",
];

/// Columns in which nothing was measured are left out.
fn table(stream: &Stream<'_>) -> String {
    let rows: Vec<[String; 13]> = stream.groups.iter().map(row).collect();
    let kept: Vec<usize> = (0..TITLES.len()).filter(|&c| rows.iter().any(|row| !row[c].is_empty())).collect();
    let line = |cell: &dyn Fn(usize) -> String| {
        format!("| {} |\n", kept.iter().map(|&c| cell(c)).collect::<Vec<_>>().join(" | "))
    };
    let mut out = format!("### {}\n\n{}\n\n", stream.name, caption(stream));
    out += &line(&|c| TITLES[c].to_string());
    out += &line(&|_| "---".to_string());
    for row in &rows {
        out += &line(&|c| row[c].clone());
    }
    out + "\n"
}

fn caption(stream: &Stream<'_>) -> String {
    let Some(run) = stream.example() else { return String::new() };
    let several = match stream.most_runs() {
        1 => "One run each".to_string(),
        n => format!("Mean ± standard deviation over up to {n} orders and seeds"),
    };
    let rule = run.retrieval_context_rule.as_str();
    let rule = if rule.is_empty() { "none" } else { rule };
    format!(
        "{} tasks of {}. {several}. `retrieval` is of single samples, by signature without the classifier; contexts are 4 and 16 samples of one task (by {rule}).",
        run.tasks.len(),
        run.backbone
    )
}

fn row(group: &Group<'_>) -> [String; 13] {
    let m = |of: fn(&Metrics) -> Option<f64>| text(group.figure(|r| of(&r.metrics)), percent);
    // Times vary with the machine more than with the order: the mean is enough.
    let plain = |of: fn(&EvalResult) -> Option<f64>| match group.figure(of) {
        Some(figure) if figure.mean < 9.95 => format!("{:.1}", figure.mean),
        Some(figure) => format!("{:.0}", figure.mean),
        None => String::new(),
    };
    let state = group.figure(|r| r.state_bytes_after_task.last().map(|&b| b as f64));
    [
        format!("`{}`", group.name.replace('|', "/")),
        group.runs.len().to_string(),
        m(|m| Some(m.last)),
        m(|m| m.incremental_avg),
        m(|m| m.forgetting),
        m(|m| m.retrieval),
        m(|m| m.retrieval_by_signature),
        m(|m| m.retrieval_context_4),
        m(|m| m.retrieval_context_16),
        m(|m| m.within_task),
        state.map_or(String::new(), |f| bytes(f.mean as u64)),
        plain(|r| Some(r.train_seconds)),
        plain(|r| Some(r.predict_ms_per_image)),
    ]
}

/// `76.3 ± 0.4`; nothing for what was not measured.
fn text(figure: Option<Figure>, number: impl Fn(Option<f64>) -> String) -> String {
    match figure {
        None => String::new(),
        Some(Figure { mean, spread: None }) => number(Some(mean)),
        Some(Figure { mean, spread: Some(spread) }) => {
            format!("{} ± {}", number(Some(mean)), number(Some(spread)))
        }
    }
}
