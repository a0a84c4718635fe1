//! The frame of the page: head, title, cards, footer.

use maud::{DOCTYPE, Markup, PreEscaped, html};

use super::format::{bytes, bytes_and_unit, count, duration_and_unit, milliseconds, percent};
use super::{Report, panels};
use crate::eval::EvalResult;

const STYLE: &str = include_str!("style.css");

/// Nothing is fetched and nothing runs: the browser is told so.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; img-src data:";

/// What every page has.
pub struct Frame<'a> {
    /// Headline.
    pub title: &'a str,
    /// Below it.
    pub summary: &'a str,
    /// Remarks at the end.
    pub notes: &'a [String],
    /// What made the page.
    pub command: &'a str,
}

/// The whole page of a run.
pub fn page(report: &Report) -> Markup {
    let title = if report.title.is_empty() { "Perennial report" } else { report.title.as_str() };
    let Report { summary, notes, command, .. } = report;
    let body = html! {
        @if let Some(first) = report.results.first() { (chips(first)) (cards(report, first)) }
        div.panels { (panels::all(report)) }
        @if let Some(first) = report.results.first() { @if !first.config.is_empty() {
            details { summary { "Settings" } dl {
                @for (key, value) in settings(first) { dt { (key) } dd { (value) } }
            } }
        } }
    };
    frame(&Frame { title, summary, notes, command }, &body)
}

/// Head, title and footer around `body`.
pub fn frame(frame: &Frame<'_>, body: &Markup) -> Markup {
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                meta http-equiv="Content-Security-Policy" content=(POLICY);
                title { (frame.title) }
                style { (PreEscaped(STYLE)) }
            }
            body { main {
                header {
                    p.brand { (sprout()) "Perennial" }
                    h1 { (frame.title) }
                    @if !frame.summary.is_empty() { p.summary { (frame.summary) } }
                }
                (body)
                (footer(frame))
            } }
        }
    }
}

/// Settings and provenance of a run, by name.
fn settings(result: &EvalResult) -> Vec<(String, String)> {
    let p = &result.provenance;
    let made = [
        ("perennial", &p.perennial),
        ("program SHA-256", &p.program_sha256),
        ("engine version", p.engine_version.as_ref().unwrap_or(&p.engine)),
        ("backbone SHA-256", &p.backbone_sha256),
        ("data SHA-256", &p.data_sha256),
        ("preprocessing", &p.preprocessing),
        ("order", &p.order),
        ("system", &p.system),
    ];
    let made = made.into_iter().filter(|(_, value)| !value.is_empty());
    let made = made.map(|(key, value)| (key.to_string(), value.clone()));
    result.config.clone().into_iter().chain(made).collect()
}

/// Two leaves on a stem.
fn sprout() -> Markup {
    html! {
        svg.sprout viewBox="0 0 24 24" aria-hidden="true" {
            path d="M12 22V11" fill="none" stroke="currentColor" stroke-width="2" stroke-linecap="round" {}
            path d="M12 13C12 8 8 5 3 5c0 5 4 8 9 8Z" fill="currentColor" {}
            path d="M12 10c0-4 3-7 8-7 0 4-3 7-8 7Z" fill="currentColor" opacity=".6" {}
        }
    }
}

fn chips(result: &EvalResult) -> Markup {
    let scenario = result.scenario.name();
    let tasks = result.metrics.accuracy_matrix.len();
    let chips = [
        ("strategy", result.strategy.clone()),
        ("scenario", format!("{scenario}, {tasks} tasks")),
        ("backbone", result.backbone.clone()),
        ("data", result.data.clone()),
        ("seed", result.seed.to_string()),
        ("threads", result.threads.to_string()),
    ];
    html! {
        ul.chips {
            @for (key, value) in chips.iter().filter(|(_, value)| !value.is_empty()) {
                li { span { (key) } " " (value) }
            }
        }
    }
}

/// One figure with what it is measured against.
struct Card {
    name: &'static str,
    value: String,
    unit: &'static str,
    note: String,
    /// Used share of a promise, 0 to 1.
    used: Option<f64>,
}

impl Card {
    fn percent(name: &'static str, value: Option<f64>, unit: &'static str, note: String) -> Self {
        Self { name, value: percent(value), unit: if value.is_some() { unit } else { "" }, note, used: None }
    }

    /// Bytes against a limit.
    fn bytes(name: &'static str, value: Option<u64>, limit: Option<u64>, otherwise: &str) -> Self {
        let (text, unit) = value.map_or_else(|| ("–".into(), ""), bytes_and_unit);
        let used =
            value.zip(limit.filter(|limit| *limit > 0)).map(|(value, limit)| value as f64 / limit as f64);
        let note =
            limit.map_or_else(|| otherwise.to_string(), |limit| format!("of {} promised", bytes(limit)));
        Self { name, value: text, unit, note, used }
    }

    fn draw(&self) -> Markup {
        html! {
            li.card {
                span.name { (self.name) }
                span.value { (self.value) @if !self.unit.is_empty() { span.unit { " " (self.unit) } } }
                @if let Some(used) = self.used {
                    span.gauge.over[used > 1.0] { span style=(format!("width:{:.1}%", (100.0 * used).clamp(0.0, 100.0))) {} }
                }
                span.note { (self.note) }
            }
        }
    }
}

fn cards(report: &Report, result: &EvalResult) -> Markup {
    let metrics = &result.metrics;
    let tests: usize = metrics.test_counts.iter().sum();
    let mut cards = vec![
        Card::percent(
            "Accuracy at the end",
            Some(metrics.last),
            "%",
            format!("{} test pictures; chance {} %", count(tests), percent(Some(metrics.chance))),
        ),
        Card::percent(
            "Along the stream",
            metrics.incremental_avg,
            "%",
            "mean of the accuracy after each task".into(),
        ),
        Card::percent(
            "Forgetting",
            metrics.forgetting,
            "points",
            format!("lost since the best; backward transfer {}", percent(metrics.bwt)),
        ),
    ];
    if metrics.retrieval.is_some() {
        let context = metrics.retrieval_context_16;
        let context =
            context.map_or(String::new(), |x| format!("; of 16 of one task {} %", percent(Some(x))));
        let note =
            format!("of single pictures{context}; chance {} %", percent(Some(metrics.retrieval_chance)));
        cards.push(Card::percent("Task found", metrics.retrieval, "%", note));
    }
    if let Some(unknown) = &result.unknown {
        let note = format!("area under ROC; accepts {} % of them", percent(Some(unknown.false_accept_at_95)));
        cards.push(Card::percent("Unknown told apart", Some(unknown.auroc), "%", note));
    }
    let state = result.state_bytes_after_task.last().copied();
    cards.push(Card::bytes("Stored state", state, report.budget.flash, "after the last task"));
    cards.push(Card::bytes(
        "Peak memory",
        result.peak_rss_bytes,
        report.budget.ram,
        "whole process, resident",
    ));
    let (value, unit) = duration_and_unit(result.train_seconds);
    let note = format!("then {} a prediction", milliseconds(result.predict_ms_per_image));
    cards.push(Card { name: "Learning took", value, unit, note, used: None });
    html! { ul.cards { @for card in &cards { (card.draw()) } } }
}

fn footer(frame: &Frame<'_>) -> Markup {
    html! {
        footer {
            @if !frame.notes.is_empty() { ul.notes { @for note in frame.notes { li { (note) } } } }
            @if !frame.command.is_empty() { p { "Made by" } pre { code { (frame.command) } } }
            p.version { "Perennial " (env!("CARGO_PKG_VERSION")) ". Accuracies in percent. This page is one file: no script, no network." }
        }
    }
}
