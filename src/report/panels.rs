//! The panels of the page: each takes a run and says in one sentence how to read it.

use maud::{Markup, html};

use super::curve::{Chart, Series, Style};
use super::format::{count, percent};
use super::heatmap::Heatmap;
use super::{LossCurve, Report, bars, histogram, table};
use crate::eval::{EvalResult, Unknown};

/// Sizes of a drawing in half a row and in a whole one.
const HALF: (f64, f64) = (520.0, 300.0);
const WHOLE: (f64, f64) = (1080.0, 300.0);

/// Points kept of a loss curve, and steps over which it is smoothed.
const LOSS_POINTS: usize = 700;

pub(super) fn panel(title: &str, how_to_read: &str, wide: bool, body: &Markup) -> Markup {
    html! { section.panel.wide[wide] { h2 { (title) } p.how { (how_to_read) } (body) } }
}

/// Everything below the cards.
pub fn all(report: &Report) -> Markup {
    let Some(first) = report.results.first() else {
        return html! { section.panel.wide { p.how { "No run was given to this report." } } };
    };
    html! {
        @if report.results.len() > 1 { (comparison(&report.results)) }
        (accuracy(first))
        (stream_or_retrieval(&report.results))
        @if !report.loss.loss.is_empty() { (loss(&report.loss, first)) }
        (memory(report, first))
        @if let Some(unknown) = &first.unknown { (detection(unknown)) }
        @if !report.gallery.is_empty() {
            (panel("Pictures", "What the learner says at the end; a cross is a mistake, and what it was taken for stands beside it.", true,
                &table::gallery(&report.gallery)))
        }
        (panel("Tasks", "In the order in which they were learned.", true, &table::tasks(first)))
    }
}

fn comparison(results: &[EvalResult]) -> Markup {
    let body = html! { (table::strategies(results)) (stream(results, WHOLE)) };
    panel(
        "Strategies",
        "The same stream, backbone and seed for all; the best of each column is bold. The lines show the accuracy over all classes so far.",
        true,
        &body,
    )
}

fn task_numbers(result: &EvalResult) -> Vec<String> {
    (1..=result.metrics.accuracy_matrix.len()).map(|n| n.to_string()).collect()
}

/// `1 kitchen`; `1` where the name says no more.
fn task_names(result: &EvalResult) -> Vec<String> {
    let name =
        |at: usize| result.tasks.get(at).map(|task| task.name.as_str()).filter(|name| !name.is_empty());
    let number = |at: usize| match name(at) {
        Some(name) if name != format!("task {}", at + 1) => format!("{} {name}", at + 1),
        _ => format!("task {}", at + 1),
    };
    (0..result.metrics.accuracy_matrix.len()).map(number).collect()
}

fn accuracy(result: &EvalResult) -> Markup {
    let (metrics, names, numbers) = (&result.metrics, task_names(result), task_numbers(result));
    let tooltip = |t: usize, i: usize| {
        let hits =
            metrics.correct_matrix.get(t).and_then(|row| row.get(i)).copied().flatten().unwrap_or_default();
        let of = metrics.test_counts.get(i).copied().unwrap_or_default();
        format!("{} after learning {} ({hits} of {of})", names[i], names[t])
    };
    let map = Heatmap {
        label: "Accuracy on each task after each task",
        rows: &names,
        columns: &numbers,
        row_title: "after learning",
        column_title: "accuracy on task, percent",
        cells: metrics.accuracy_matrix.clone(),
        tooltip: &tooltip,
        total: Some(("all", metrics.accuracy_after_task.clone())),
    };
    panel(
        "What is kept",
        "Each row is one moment: after a task was learned, how well every task so far is still known. A column that fades downwards is forgetting.",
        false,
        &map.draw(),
    )
}

fn stream_or_retrieval(results: &[EvalResult]) -> Markup {
    let result = &results[0];
    if result.metrics.retrieval.is_none() {
        return panel("Along the stream", STREAM, false, &stream(&results[..1], HALF));
    }
    let (metrics, names, numbers) = (&result.metrics, task_names(result), task_numbers(result));
    let share = |row: &Vec<u32>| {
        let of: u32 = row.iter().sum();
        row.iter().map(|&n| (of > 0).then(|| 100.0 * f64::from(n) / f64::from(of))).collect()
    };
    let tooltip = |r: usize, c: usize| format!("{} taken for {}", names[r], names[c]);
    let map = Heatmap {
        label: "Retrieved task for the pictures of each task",
        rows: &names,
        columns: &numbers,
        row_title: "true task",
        column_title: "retrieved task, percent of the row",
        cells: metrics.retrieval_matrix.iter().map(share).collect(),
        tooltip: &tooltip,
        total: None,
    };
    let how = format!(
        "Nobody tells the learner which task a picture belongs to. It found the right one for {} % of single pictures; a blind guess finds {} %.",
        percent(metrics.retrieval),
        percent(Some(metrics.retrieval_chance))
    );
    panel("Which task is it?", &how, false, &map.draw())
}

const STREAM: &str =
    "Accuracy over all classes learned so far. It falls by itself as the classes to choose from become more.";

fn stream(results: &[EvalResult], size: (f64, f64)) -> Markup {
    let tasks = results.iter().map(|r| r.metrics.accuracy_after_task.len()).max().unwrap_or_default();
    let values = || results.iter().flat_map(|r| &r.metrics.accuracy_after_task).flatten().copied();
    let low = values().fold(100.0, f64::min);
    let line = |result: &EvalResult| Series {
        name: result.strategy.clone(),
        points: (0..tasks)
            .map(|t| Some((t as f64, *result.metrics.accuracy_after_task.get(t)?.as_ref()?)))
            .collect(),
        band: Vec::new(),
        style: Style::Dots,
    };
    let edge = 0.35;
    Chart {
        label: "Accuracy over all classes learned so far, after each task",
        size,
        x_title: "after task",
        y_title: "accuracy, percent",
        x: (-edge, tasks.max(1) as f64 - 1.0 + edge),
        y: ((low / 20.0).floor() * 20.0, 100.0),
        x_marks: (0..tasks).map(|t| (t as f64, (t + 1).to_string())).collect(),
        y_marks: Vec::new(),
        bands: Vec::new(),
        legend: true,
        series: results.iter().map(line).collect(),
    }
    .draw()
}

fn loss(curve: &LossCurve, result: &EvalResult) -> Markup {
    let names = task_names(result);
    let steps = curve.loss.len();
    let (faint, smooth) = thin(curve);
    let high = faint.iter().flatten().map(|(_, y)| *y).fold(0.0, f64::max);
    let name = |at: usize| names.get(at).cloned().unwrap_or_else(|| format!("task {}", at + 1));
    let chart = Chart {
        label: "Training loss of every step",
        size: WHOLE,
        x_title: "optimizer step",
        y_title: "loss",
        x: (0.0, steps.saturating_sub(1).max(1) as f64),
        // Room above the curve for the names of the tasks.
        y: (0.0, if high > 0.0 { high * 1.2 } else { 1.0 }),
        x_marks: Vec::new(),
        y_marks: Vec::new(),
        bands: curve.task_starts.iter().enumerate().map(|(at, &start)| (start as f64, name(at))).collect(),
        legend: false,
        series: vec![
            Series { name: String::new(), points: faint, band: Vec::new(), style: Style::Faint },
            Series { name: String::new(), points: smooth, band: Vec::new(), style: Style::Line },
        ],
    };
    let how = format!(
        "{} steps; pale: every step, strong: its running mean. Each task starts with classes never seen.",
        count(steps)
    );
    panel("Learning", &how, true, &chart.draw())
}

type Line = Vec<Option<(f64, f64)>>;

/// The curve in at most [`LOSS_POINTS`] means, and its running mean, which starts anew with every task.
fn thin(curve: &LossCurve) -> (Line, Line) {
    let steps = curve.loss.len();
    let bucket = steps.div_ceil(LOSS_POINTS).max(1);
    let weight = (12.0 * bucket as f64 / steps.max(1) as f64).clamp(0.02, 0.3);
    let (mut faint, mut smooth) = (Line::new(), Line::new());
    let mut running: Option<f64> = None;
    let mut task = 0;
    for (at, losses) in curve.loss.chunks(bucket).enumerate() {
        let step = at * bucket;
        let now = curve.task_starts.iter().filter(|&&start| start <= step).count();
        if now != task && at > 0 {
            running = None;
            faint.push(None);
            smooth.push(None);
        }
        task = now;
        let finite: Vec<f64> = losses.iter().filter(|x| x.is_finite()).map(|&x| f64::from(x)).collect();
        if finite.is_empty() {
            faint.push(None);
            continue;
        }
        let mean = finite.iter().sum::<f64>() / finite.len() as f64;
        let next = running.map_or(mean, |old| old + weight * (mean - old));
        running = Some(next);
        faint.push(Some((step as f64, mean)));
        smooth.push(Some((step as f64, next)));
    }
    (faint, smooth)
}

fn memory(report: &Report, result: &EvalResult) -> Markup {
    let named = |values: Vec<Option<u64>>| {
        values.into_iter().enumerate().map(|(at, value)| ((at + 1).to_string(), value)).collect::<Vec<_>>()
    };
    let state = named(result.state_bytes_after_task.iter().map(|&b| Some(b)).collect());
    let rss = named(result.rss_bytes_after_task.clone());
    let known = rss.iter().any(|(_, value)| value.is_some());
    html! {
        @if !state.is_empty() {
            (panel("State on flash", "Everything that must survive a power cut: adapters, bases, signatures, head. No pictures.", !known,
                &bars::draw("Stored state after each task", &state, report.budget.flash)))
        }
        @if known {
            (panel("Working memory", "What the whole process held after each task, the backbone and the data reader included.", state.is_empty(),
                &bars::draw("Resident memory after each task", &rss, report.budget.ram)))
        }
    }
}

fn detection(unknown: &Unknown) -> Markup {
    let own = unknown.passed.map_or(String::new(), |[known, others]| {
        let [known, others] = [known, others].map(|share| percent(Some(share)));
        format!(" By its own threshold, which was set before, the learner accepted {known} % and {others} %.")
    });
    let how = format!(
        "Pictures of classes never learned should look stranger than known ones. Where 95 % of the known are accepted, {} % of the others are accepted too.{own}",
        percent(Some(unknown.false_accept_at_95))
    );
    let point = |p: &[f64; 2]| Some((p[0], p[1]));
    let chart = Chart {
        label: "Receiver operating characteristic of unknown detection",
        size: HALF,
        x_title: "never learned, yet accepted, percent",
        y_title: "known and accepted, percent",
        x: (0.0, 100.0),
        y: (0.0, 100.0),
        x_marks: Vec::new(),
        y_marks: Vec::new(),
        bands: Vec::new(),
        legend: true,
        series: vec![
            Series {
                name: "chance".into(),
                points: vec![Some((0.0, 0.0)), Some((100.0, 100.0))],
                band: Vec::new(),
                style: Style::Guide,
            },
            Series {
                name: String::new(),
                points: unknown.roc.iter().map(point).collect(),
                band: Vec::new(),
                style: Style::Line,
            },
        ],
    };
    let area = format!("The area under the line is {} %; a coin reaches 50.", percent(Some(unknown.auroc)));
    html! {
        (panel("Is it known at all?", &how, false, &histogram::draw(unknown)))
        (panel("Known against unknown", &area, false, &chart.draw()))
    }
}
