//! The page of a comparison: for every stream a table, lines over tasks, retrieval, and what a point of accuracy costs.

use std::collections::BTreeSet;

use maud::{Markup, html};

use super::Comparison;
use super::curve::{Chart, Series, Style};
use super::format::{count, percent};
use super::groups::{Figure, Group, Stream, streams};
use super::heatmap::Heatmap;
use super::page::{Frame, frame};
use super::panels::panel;
use super::scatter::{Point, Scatter};
use super::table;
use super::unit::Unit;
use crate::eval::EvalResult;

const WHOLE: (f64, f64) = (1080.0, 380.0);
const HALF: (f64, f64) = (520.0, 380.0);

/// Groups whose retrieval is drawn.
const CONFUSIONS: usize = 2;

/// The whole page.
pub fn page(comparison: &Comparison) -> Markup {
    let streams = streams(&comparison.runs);
    let title = if comparison.title.is_empty() { "Runs compared" } else { comparison.title.as_str() };
    let body = html! {
        div.panels {
            @if streams.is_empty() { section.panel.wide { p.how { "No run was given." } } }
            @for stream in &streams { (section(stream, streams.len() > 1)) }
        }
        (settings(&streams))
    };
    let Comparison { summary, notes, command, .. } = comparison;
    frame(&Frame { title, summary, notes, command }, &body)
}

fn section(stream: &Stream<'_>, named: bool) -> Markup {
    html! {
        @if named { h2.stream { (stream.name) } }
        (chips(stream))
        (panel("Strategies", &how(stream), true, &table::groups(stream)))
        (panel("Along the stream", ALONG, true, &along(stream)))
        (panel("Forgetting", "Mean loss of earlier tasks against the best that was ever known of them.", false, &forgetting(stream)))
        (panel("Time to learn a task", "Reading pictures and the frozen network left out. Logarithmic.", false, &time(stream)))
        (panel("State on flash", "Everything that must survive a power cut, after each task. Logarithmic.", false, &state(stream)))
        (panel("Accuracy against state", &format!("After the last task. {UP_LEFT}"), false,
            &against(stream, "stored state, logarithmic", Unit::Bytes, |run| run.state_bytes_after_task.last().map(|&b| b as f64))))
        (panel("Accuracy against learning", &format!("All tasks. {UP_LEFT}"), false,
            &against(stream, "learning, logarithmic", Unit::Seconds, |run| Some(run.train_seconds))))
        (panel("Accuracy against predicting", &format!("One picture, the frozen network left out. {UP_LEFT}"), false,
            &against(stream, "a prediction, logarithmic", Unit::Milliseconds, |run| Some(run.predict_ms_per_image))))
        (confusions(stream))
    }
}

const UP_LEFT: &str = "Up and to the left is better; whiskers are one standard deviation.";

const ALONG: &str = "Accuracy over all classes learned so far, after each task; bands are one standard deviation over orders and seeds. \
                     It falls by itself as the classes to choose from become more.";

fn how(stream: &Stream<'_>) -> String {
    let most = stream.most_runs();
    let several = match most {
        1 => "One run each: differences below the standard error of the test set say nothing.".to_string(),
        n => format!("Mean and standard deviation over up to {n} orders and seeds."),
    };
    let rule = stream.example().map_or("", |run| run.retrieval_context_rule.as_str());
    format!(
        "{several} Retrieval: tasks found for single pictures, and for contexts of 4 and 16 pictures of one task ({rule}). The best of each \
         column is bold."
    )
}

fn chips(stream: &Stream<'_>) -> Markup {
    let Some(run) = stream.example() else { return html! {} };
    let p = &run.provenance;
    let tests: usize = run.metrics.test_counts.iter().sum();
    let chips = [
        ("scenario", format!("{}, {} tasks", run.scenario.name(), run.tasks.len())),
        ("data", run.stream_name()),
        ("pictures", format!("{} + {}", count(run.tasks.iter().map(|t| t.train).sum()), count(tests))),
        ("backbone", run.backbone.clone()),
        ("engine", format!("{} {}", p.engine, p.engine_version.as_deref().unwrap_or(""))),
        ("chance", format!("{} %", percent(Some(run.metrics.chance)))),
    ];
    html! { ul.chips.wide { @for (key, value) in &chips { li { span { (key) } " " (value) } } } }
}

/// One value a task and group: mean, and spread where there are several runs.
fn over_tasks(
    stream: &Stream<'_>,
    of: impl Fn(&EvalResult, usize) -> Option<f64>,
) -> Vec<Vec<Option<Figure>>> {
    let tasks = stream.example().map_or(0, |run| run.tasks.len());
    let of = &of;
    let line = |group: &Group<'_>| (0..tasks).map(|t| group.figure(|run| of(run, t))).collect();
    stream.groups.iter().map(line).collect()
}

/// Lines over tasks, `y` of a value being its place on the axis.
fn lines(stream: &Stream<'_>, values: &[Vec<Option<Figure>>], y: fn(f64) -> f64, bands: bool) -> Vec<Series> {
    let series = |(group, line): (&Group<'_>, &Vec<Option<Figure>>)| {
        let place = |(t, f): (usize, &Option<Figure>)| f.map(|f| (t as f64, y(f.mean)));
        let band = |(t, f): (usize, &Option<Figure>)| {
            let Figure { mean, spread } = (*f)?;
            spread.map(|spread| (t as f64, mean - spread, mean + spread))
        };
        Series {
            name: group.name.clone(),
            points: line.iter().enumerate().map(place).collect(),
            band: if bands { line.iter().enumerate().filter_map(band).collect() } else { Vec::new() },
            style: Style::Dots,
        }
    };
    stream.groups.iter().zip(values).map(series).collect()
}

/// Smallest and largest of the finite places.
fn range(series: &[Series]) -> Option<(f64, f64)> {
    let points = || series.iter().flat_map(|s| s.points.iter().flatten().map(|p| p.1));
    let bands = || series.iter().flat_map(|s| s.band.iter().flat_map(|b| [b.1, b.2]));
    let low = points().chain(bands()).fold(f64::INFINITY, f64::min);
    let high = points().chain(bands()).fold(f64::NEG_INFINITY, f64::max);
    (low.is_finite() && high.is_finite()).then_some((low, high))
}

fn chart<'a>(
    label: &'a str,
    y_title: &'a str,
    size: (f64, f64),
    y: (f64, f64),
    series: Vec<Series>,
) -> Chart<'a> {
    let tasks = series.iter().map(|s| s.points.len()).max().unwrap_or(0);
    Chart {
        label,
        size,
        x_title: "after task",
        y_title,
        x: (-0.35, tasks.max(1) as f64 - 0.65),
        y,
        x_marks: (0..tasks).map(|t| (t as f64, (t + 1).to_string())).collect(),
        y_marks: Vec::new(),
        bands: Vec::new(),
        legend: size == WHOLE,
        series,
    }
}

fn along(stream: &Stream<'_>) -> Markup {
    let values = over_tasks(stream, |run, t| *run.metrics.accuracy_after_task.get(t)?);
    let series = lines(stream, &values, |y| y, true);
    let low = range(&series).map_or(0.0, |(low, _)| low.max(0.0));
    chart(
        "Accuracy after each task",
        "accuracy, percent",
        WHOLE,
        ((low / 10.0).floor() * 10.0, 100.0),
        series,
    )
    .draw()
}

fn forgetting(stream: &Stream<'_>) -> Markup {
    let values = over_tasks(stream, EvalResult::forgetting_after);
    let series = lines(stream, &values, |y| y, true);
    let high = range(&series).map_or(1.0, |(_, high)| high);
    let y = (0.0, (high * 1.08).max(1.0));
    chart("Forgetting after each task", "points lost", HALF, y, series).draw()
}

fn state(stream: &Stream<'_>) -> Markup {
    let values = over_tasks(stream, |run, t| run.state_bytes_after_task.get(t).map(|&b| b as f64));
    logarithmic(stream, &values, "Stored state after each task", Unit::Bytes)
}

fn time(stream: &Stream<'_>) -> Markup {
    let values = over_tasks(stream, |run, t| run.train_seconds_by_task.get(t).copied());
    logarithmic(stream, &values, "Time of learning by task", Unit::Seconds)
}

fn logarithmic(stream: &Stream<'_>, values: &[Vec<Option<Figure>>], label: &str, unit: Unit) -> Markup {
    let mut series = lines(stream, values, f64::log10, false);
    for place in series.iter_mut().flat_map(|s| &mut s.points) {
        *place = place.filter(|(_, y)| y.is_finite());
    }
    let (low, high) = range(&series).unwrap_or((0.0, 1.0));
    let (low, high) = (low - 0.08, high + 0.08);
    let ticks = unit.log_ticks(10f64.powf(low), 10f64.powf(high));
    let mut chart = chart(label, "", HALF, (low, high), series);
    chart.y_marks = ticks.into_iter().map(|x| (x.log10(), unit.text(x))).collect();
    chart.draw()
}

/// Which task was found for the pictures of each, for the best groups that look for one.
fn confusions(stream: &Stream<'_>) -> Markup {
    let finds = |group: &&Group<'_>| group.figure(|run| run.metrics.retrieval).is_some();
    let shown: Vec<&Group<'_>> = stream.groups.iter().filter(finds).take(CONFUSIONS).collect();
    html! { @for group in shown { (confusion(group)) } }
}

fn confusion(group: &Group<'_>) -> Markup {
    let runs = &group.runs;
    let tasks = runs.first().map_or(0, |run| run.metrics.retrieval_matrix.len());
    let cell = |r: usize, c: usize| {
        let share = |run: &EvalResult| {
            let row = run.metrics.retrieval_matrix.get(r)?;
            let of: u32 = row.iter().sum();
            (of > 0).then(|| 100.0 * f64::from(row[c]) / f64::from(of))
        };
        group.figure(share).map(|f| f.mean)
    };
    let names = task_names(runs);
    let numbers: Vec<String> = (1..=tasks).map(|n| n.to_string()).collect();
    let tooltip = |r: usize, c: usize| format!("{} taken for {}", names[r], names[c]);
    let map = Heatmap {
        label: "Retrieved task for the pictures of each task",
        rows: &names,
        columns: &numbers,
        row_title: "true task",
        column_title: "retrieved task, percent of the row",
        cells: (0..tasks).map(|r| (0..tasks).map(|c| cell(r, c)).collect()).collect(),
        tooltip: &tooltip,
        total: None,
    };
    let found = |of: fn(&EvalResult) -> Option<f64>| percent(group.figure(of).map(|f| f.mean));
    let how = format!(
        "{} finds the task of {} % of single pictures (signatures without the classifier: {} %), of {} % of contexts of 4 and \
         {} % of contexts of 16.",
        group.name,
        found(|run| run.metrics.retrieval),
        found(|run| run.metrics.retrieval_by_signature),
        found(|run| run.metrics.retrieval_context_4),
        found(|run| run.metrics.retrieval_context_16)
    );
    panel(&format!("Which task is it? {}", group.name), &how, false, &map.draw())
}

/// Names where every run has the same order, else numbers.
fn task_names(runs: &[&EvalResult]) -> Vec<String> {
    let tasks = runs.first().map_or(0, |run| run.tasks.len());
    let name = |t: usize| {
        let of = |run: &&EvalResult| run.tasks.get(t).map(|task| task.name.clone());
        let first = runs.first().and_then(of).filter(|name| *name != format!("task {}", t + 1));
        match first.filter(|name| runs.iter().all(|run| of(run).as_ref() == Some(name))) {
            Some(name) => format!("{} {name}", t + 1),
            None => format!("task {}", t + 1),
        }
    };
    (0..tasks).map(name).collect()
}

/// Accuracy at the end against what is paid for it.
fn against(stream: &Stream<'_>, x_title: &str, unit: Unit, price: fn(&EvalResult) -> Option<f64>) -> Markup {
    let point = |(at, group): (usize, &Group<'_>)| {
        let (x, y) = (group.figure(price)?, group.figure(|run| Some(run.metrics.last))?);
        let name = group.name.clone();
        (x.mean > 0.0).then_some(Point { name, x: x.mean, y: y.mean, spread: y.spread, colour: at })
    };
    let points: Vec<Point> = stream.groups.iter().enumerate().filter_map(point).collect();
    if points.is_empty() {
        return html! { p.how { "Nothing was measured." } };
    }
    let label = format!("Accuracy against {x_title}");
    Scatter { label: &label, x_title, y_title: "accuracy at the end, percent", unit, points }.draw()
}

/// What a reader would ask: versions, hashes, orders, by stream.
fn settings(streams: &[Stream<'_>]) -> Markup {
    html! {
        @for stream in streams { @if let Some(run) = stream.example() {
            @let p = &run.provenance;
            @let rows = [
                ("perennial", format!("{} (program {})", p.perennial, p.program_sha256)),
                ("engine", format!("{} {}", p.engine, p.engine_version.as_deref().unwrap_or(""))),
                ("backbone", format!("{} {}", run.backbone, p.backbone_sha256)),
                ("data", format!("{} {}", run.data, p.data_sha256)),
                ("preprocessing", p.preprocessing.clone()),
                ("orders", orders(stream)),
                ("threads a run", run.threads.to_string()),
                ("system", p.system.clone()),
            ];
            details { summary { "What made " (stream.name) } dl {
                @for (key, value) in &rows { dt { (key) } dd { (value) } }
                @for (key, value) in &run.config { dt { (key) } dd { (value) } }
            } }
        } }
    }
}

fn orders(stream: &Stream<'_>) -> String {
    let runs = || stream.groups.iter().flat_map(|g| &g.runs);
    let orders: BTreeSet<String> =
        runs().map(|run| format!("{} seed {}", run.provenance.order, run.seed)).collect();
    orders.into_iter().collect::<Vec<_>>().join("; ")
}
