//! Strategies side by side, tasks, and pictures with what was made of them.

use maud::{Markup, html};

use super::GalleryRow;
use super::format::{bytes, count, duration, milliseconds, percent, short, tone};
use super::groups::{Figure, Stream};
use crate::eval::EvalResult;

/// A column of the comparison: its title, what it says, its value and which way is better.
struct Column {
    title: &'static str,
    hint: &'static str,
    value: fn(&EvalResult) -> Option<f64>,
    text: fn(f64) -> String,
    higher_is_better: bool,
    /// Whether its spread over runs is shown.
    spreads: bool,
}

fn tenths(x: f64) -> String {
    percent(Some(x))
}

const COLUMNS: [Column; 13] = [
    Column {
        title: "last",
        hint: "accuracy over all classes at the end, percent",
        value: |r| Some(r.metrics.last),
        text: tenths,
        higher_is_better: true,
        spreads: true,
    },
    Column {
        title: "average",
        hint: "mean of the accuracy after each task, percent",
        value: |r| r.metrics.incremental_avg,
        text: tenths,
        higher_is_better: true,
        spreads: true,
    },
    Column {
        title: "forgetting",
        hint: "mean loss against the best ever reached, points",
        value: |r| r.metrics.forgetting,
        text: tenths,
        higher_is_better: false,
        spreads: true,
    },
    Column {
        title: "bwt",
        hint: "mean change since a task was learned, points",
        value: |r| r.metrics.bwt,
        text: tenths,
        higher_is_better: true,
        spreads: true,
    },
    Column {
        title: "retrieval",
        hint: "pictures whose task was found, percent",
        value: |r| r.metrics.retrieval,
        text: tenths,
        higher_is_better: true,
        spreads: true,
    },
    Column {
        title: "by signature",
        hint: "pictures whose task was found by its signature alone, without the classifier, percent",
        value: |r| r.metrics.retrieval_by_signature,
        text: tenths,
        higher_is_better: true,
        spreads: true,
    },
    Column {
        title: "context 4",
        hint: "contexts of 4 pictures of one task whose task was found, percent",
        value: |r| r.metrics.retrieval_context_4,
        text: tenths,
        higher_is_better: true,
        spreads: true,
    },
    Column {
        title: "context 16",
        hint: "contexts of 16 pictures of one task whose task was found, percent",
        value: |r| r.metrics.retrieval_context_16,
        text: tenths,
        higher_is_better: true,
        spreads: true,
    },
    Column {
        title: "within task",
        hint: "accuracy where the task is told, percent",
        value: |r| r.metrics.within_task,
        text: tenths,
        higher_is_better: true,
        spreads: true,
    },
    Column {
        title: "state",
        hint: "stored state at the end",
        value: |r| r.state_bytes_after_task.last().map(|&b| b as f64),
        text: |x| bytes(x as u64),
        higher_is_better: false,
        spreads: false,
    },
    Column {
        title: "peak memory",
        hint: "largest resident set of the process",
        value: |r| r.peak_rss_bytes.map(|b| b as f64),
        text: |x| bytes(x as u64),
        higher_is_better: false,
        spreads: false,
    },
    Column {
        title: "learning",
        hint: "all tasks",
        value: |r| Some(r.train_seconds),
        text: duration,
        higher_is_better: false,
        spreads: false,
    },
    Column {
        title: "a picture",
        hint: "prediction, decoding left out",
        value: |r| Some(r.predict_ms_per_image),
        text: milliseconds,
        higher_is_better: false,
        spreads: false,
    },
];

/// One row a run; the best of each column is marked.
pub fn strategies(results: &[EvalResult]) -> Markup {
    html! {
        div.scroll { table {
            thead { tr {
                th { "strategy" }
                @for column in &COLUMNS { th.number title=(column.hint) { (column.title) } }
            } }
            tbody {
                @for result in results { tr {
                    th { (result.strategy) }
                    @for column in &COLUMNS {
                        @let value = (column.value)(result);
                        @let best = results.len() > 1 && value.is_some() && value == best_of(column, results);
                        td.number.best[best] {
                            @if column.title == "last" { (meter(result.metrics.last)) }
                            @match value { Some(x) => (( column.text)(x)), None => "–" }
                        }
                    }
                } }
            }
        } }
    }
}

/// Columns for which a table of groups, with its spreads, has no room.
const NARROW: [&str; 2] = ["bwt", "peak memory"];

/// One row a group of runs; the best of each column is marked. Columns that nobody measured are left out.
pub fn groups(stream: &Stream<'_>) -> Markup {
    let figures = |column: &Column| -> Vec<Option<Figure>> {
        stream.groups.iter().map(|group| group.figure(column.value)).collect()
    };
    let columns = COLUMNS.iter().filter(|column| !NARROW.contains(&column.title));
    let columns: Vec<(&Column, Vec<Option<Figure>>)> = columns.map(|c| (c, figures(c))).collect();
    let columns: Vec<_> = columns.into_iter().filter(|(_, f)| f.iter().any(Option::is_some)).collect();
    // Where all are equal, none is best.
    let best = |column: &Column, of: &[Option<Figure>]| {
        let means = || of.iter().flatten().map(|f| f.mean);
        let (least, most) = (means().reduce(f64::min), means().reduce(f64::max));
        let best = if column.higher_is_better { most } else { least };
        best.filter(|_| least != most)
    };
    html! {
        div.scroll { table {
            thead { tr {
                th { "strategy" } th.number { "runs" }
                @for (column, _) in &columns { th.number title=(column.hint) { (column.title) } }
            } }
            tbody {
                @for (at, group) in stream.groups.iter().enumerate() { tr {
                    th { span class={ "swatch " (tone(at)) } {} (group.name) }
                    td.number { (group.runs.len()) }
                    @for (column, of) in &columns {
                        td.number.best[of[at].is_some() && of[at].map(|f| f.mean) == best(column, of)] {
                            @match of[at] { Some(figure) => (cell(column, figure)), None => "–" }
                        }
                    }
                } }
            }
        } }
    }
}

/// A mean with its spread.
fn cell(column: &Column, Figure { mean, spread }: Figure) -> Markup {
    // Of bytes and times the mean is enough: they hardly spread, or with the machine.
    let spread = spread.filter(|_| column.spreads);
    html! { ((column.text)(mean)) @if let Some(spread) = spread { span.spread { " ± " (tenths(spread)) } } }
}

fn best_of(column: &Column, results: &[EvalResult]) -> Option<f64> {
    let values = results.iter().filter_map(column.value);
    if column.higher_is_better { values.reduce(f64::max) } else { values.reduce(f64::min) }
}

/// A bar of `share` percent inside a table cell.
fn meter(share: f64) -> Markup {
    html! { span.meter { span style=(format!("width:{:.1}%", share.clamp(0.0, 100.0))) {} } }
}

/// One row a task: what was learned and what is left of it.
pub fn tasks(result: &EvalResult) -> Markup {
    let matrix = &result.metrics.accuracy_matrix;
    let at = |t: usize, i: usize| matrix.get(t).and_then(|row| row.get(i)).copied().flatten();
    html! {
        div.scroll { table {
            thead { tr {
                th { "task" } th.number { "classes" } th.number { "training" } th.number { "test" }
                th.number title="accuracy right after it was learned, percent" { "when learned" }
                th.number title="accuracy after the last task, percent" { "at the end" }
                th { "its classes" }
            } }
            tbody {
                @for (i, task) in result.tasks.iter().enumerate() { tr {
                    th { (task.name) }
                    td.number { (count(task.classes.len())) } td.number { (count(task.train)) } td.number { (count(task.test)) }
                    td.number { (percent(at(i, i))) } td.number { (percent(at(matrix.len().saturating_sub(1), i))) }
                    td.names title=(task.classes.join(", ")) { (short(&task.classes.join(", "), 72)) }
                } }
            }
        } }
    }
}

/// Pictures with their class and, where it differs, what they were taken for.
pub fn gallery(rows: &[GalleryRow]) -> Markup {
    html! {
        @for row in rows {
            h3 { (row.task) }
            ul.gallery {
                @for picture in &row.pictures { li.wrong[!picture.right] {
                    @if let Some(src) = picture.safe_src() { img src=(src) alt=(picture.class) loading="lazy"; }
                    span.class title=(picture.class) { (short(&picture.class, 18)) }
                    @if picture.right {
                        span.verdict { "✓ " (short(&picture.predicted, 16)) }
                    } @else {
                        span.verdict title=(picture.predicted) { "✗ " (short(&picture.predicted, 16)) }
                    }
                } }
            }
        }
    }
}
