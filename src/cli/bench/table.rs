//! Tables of measurements, for a terminal and for a Markdown page.

use std::fmt::Write;

use super::rounds::Row;
use crate::measure::Work;

const MEGA: f64 = 1e6;

/// One line a measurement, engines under their work.
pub fn text(rows: &[Row]) -> String {
    let width = rows.iter().map(|r| r.case.engine.len()).max().unwrap_or(0).max(6);
    let mut out = format!(
        "{:<11} {:>5}  {:<width$} {:>9} {:>9} {:>7} {:>6} {:>7} {:>8} {:>8} {:>7}\n",
        "work",
        "batch",
        "engine",
        "ms",
        "ms/image",
        "spread",
        "ratio",
        "load s",
        "compile",
        "peak MB",
        "sgemm"
    );
    let mut last = None;
    for row in rows {
        let case = &row.case;
        let head = Some((case.work, case.batch));
        if last.is_some() && last != head {
            out.push('\n');
        }
        last = head;
        let _ = write!(out, "{:<11} {:>5}  {:<width$} ", case.work.name(), case.batch, case.engine);
        if let Some(error) = &row.error {
            let _ = writeln!(out, "refused: {error}");
            continue;
        }
        let ms = 1e3 * row.spread.median;
        let _ = write!(
            out,
            "{ms:>9.1} {:>9.2} {:>5.0} % {:>6} {:>7.2} {:>8.2} {:>8} {:>5.0} %",
            ms / case.batch as f64,
            100.0 * row.spread.relative(),
            ratio(row.ratio),
            row.load,
            row.compile,
            peak(row),
            100.0 * row.share
        );
        if let Some(step) = row.ratio_to_step {
            let _ = write!(out, "  {step:.2} of the baseline's step-all");
        }
        if let Some(merged) = row.ratio_to_merged.filter(|_| case.work != Work::Merged) {
            let _ = write!(out, "  {merged:.2} of merged");
        }
        out.push('\n');
    }
    out + "\nspread: half the distance between the quartiles. sgemm: multiply-adds of the graph over the peak.\n"
}

/// Works and batches down, `names` across.
pub fn markdown(names: &[String], baseline: &str, rows: &[Row]) -> String {
    let mut out = format!("| work, batch | {} |\n|---|{}\n", names.join(" | "), "---|".repeat(names.len()));
    let find = |name: &str, work: Work, batch: usize| {
        rows.iter().find(|r| r.case.engine == name && r.case.work == work && r.case.batch == batch)
    };
    let mut line = |title: String, cell: &dyn Fn(&str) -> String| {
        let cells: Vec<String> = names.iter().map(|n| cell(n)).collect();
        let _ = writeln!(out, "| {title} | {} |", cells.join(" | "));
    };
    let mut done = Vec::new();
    for row in rows {
        let (work, batch) = (row.case.work, row.case.batch);
        if !done.contains(&(work, batch)) {
            done.push((work, batch));
            line(format!("{}, {batch}", work.name()), &|n| find(n, work, batch).map_or("".into(), cell));
        }
    }
    for &(work, batch) in done.iter().filter(|(work, batch)| *work == Work::StepCached && *batch > 1) {
        let title = format!("default plan an image and epoch, {batch} ({baseline} step-all = 1)");
        line(title, &|n| find(n, work, batch).map_or("".into(), |r| ratio(r.ratio_to_step)));
    }
    for &(work, batch) in done.iter().filter(|(work, _)| matches!(work, Work::Inputs | Work::PerImage)) {
        line(format!("{}, {batch} (same engine, merged = 1)", work.name()), &|n| {
            find(n, work, batch).map_or("".into(), |r| ratio(r.ratio_to_merged))
        });
    }
    for &(work, batch) in done.iter().filter(|(work, _)| *work == Work::StepAll) {
        line(format!("load + compile of step-all, {batch}, s"), &|n| {
            find(n, work, batch).map_or("".into(), |r| format!("{:.2} + {:.2}", r.load, r.compile))
        });
    }
    out
}

/// `0.82 (241 ms, 345 MB, 61 %)`.
fn cell(row: &Row) -> String {
    match &row.error {
        Some(_) => "refused".into(),
        None => {
            let (ms, share) = (1e3 * row.spread.median, 100.0 * row.share);
            format!("**{}** ({ms:.0} ms, {} MB, {share:.0} %)", ratio(row.ratio), peak(row))
        }
    }
}

fn ratio(ratio: Option<f64>) -> String {
    ratio.map_or("-".into(), |r| format!("{r:.2}"))
}

fn peak(row: &Row) -> String {
    row.peak_bytes.map_or("-".into(), |b| format!("{:.0}", b as f64 / MEGA))
}
