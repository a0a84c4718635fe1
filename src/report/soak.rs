//! The page of a long life: what was known, what it took, and what happened, day by day.

use std::fmt;

use maud::{Markup, html};
use serde::{Deserialize, Serialize};

use super::curve::{Chart, Series, Style};
use super::format::{bytes, count};
use super::page::{Frame, frame};
use super::panels::panel;

/// Everything that the page shows.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Soak {
    /// Headline.
    pub title: String,
    /// A few sentences below it.
    pub summary: String,
    /// The command that makes this page again.
    pub command: String,
    /// The lives; the first is the one that is held to a promise.
    pub lives: Vec<LongLife>,
}

/// One life.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct LongLife {
    /// What sets it apart.
    pub name: String,
    /// Promised bytes of its state.
    pub flash: Option<u64>,
    /// Its days.
    pub days: Vec<Day>,
    /// What happened.
    pub fates: Vec<Happened>,
    /// What was given up to stay inside the promise, in words.
    pub given_up: Vec<String>,
}

/// One day, after its lesson.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Day {
    /// Which, from 0.
    pub index: usize,
    /// Right answers to pictures of all known classes, percent.
    pub accuracy: f64,
    /// Known classes.
    pub classes: usize,
    /// Tasks that are told apart.
    pub tasks: usize,
    /// Bytes of the stored state.
    pub state_bytes: u64,
    /// Milliseconds of learning a picture of the lesson, and of the lesson's end.
    pub learn_ms: f64,
    /// Milliseconds of the lesson's end.
    pub end_ms: f64,
    /// Milliseconds of a prediction after the frozen part of the network.
    pub predict_ms: f64,
    /// Resident bytes of the process, where the system tells.
    pub rss_bytes: Option<u64>,
    /// Open files, where the system tells.
    pub open_files: Option<u64>,
}

impl Day {
    fn rss_mib(&self) -> Option<f64> {
        self.rss_bytes.map(|bytes| bytes as f64 / f64::from(1 << 20))
    }

    fn files(&self) -> Option<f64> {
        self.open_files.map(|n| n as f64)
    }
}

/// What can happen to a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fate {
    /// A lesson was learned and kept.
    Learned,
    /// A lesson was not kept because it would have done harm.
    Harmful,
    /// A lesson was not kept because there was no room for it.
    NoRoom,
    /// Something was learned and taken back.
    Undone,
    /// A camera that has stopped gave one picture again and again.
    CameraStopped,
    /// It was switched off and on.
    Restarted,
    /// The power went in the middle of a save.
    PowerCut,
    /// What was lost with the power was taught again.
    LearnedAgain,
    /// A class was forgotten on request.
    Forgotten,
    /// What another device has learned was taken over.
    Imported,
}

impl Fate {
    /// What it is called, and what must be true afterwards.
    fn said(self) -> (&'static str, &'static str) {
        match self {
            Self::Learned => ("lesson learned", "kept"),
            Self::Harmful => ("lesson that would do harm", "refused, and the state is what it was"),
            Self::NoRoom => ("lesson without room", "refused, and the state is what it was"),
            Self::Undone => ("lesson learned and taken back", "the state is what it was, byte for byte"),
            Self::CameraStopped => {
                ("camera that has stopped", "refused, and the state is what it was, byte for byte")
            }
            Self::Restarted => ("switched off and on", "the same bytes and the same answers"),
            Self::PowerCut => {
                ("power cut in the middle of a save", "the state before or the new one, byte for byte")
            }
            Self::LearnedAgain => {
                ("lesson lost with the power, taught again", "the same bytes as before the cut")
            }
            Self::Forgotten => ("class forgotten on request", "never answered again"),
            Self::Imported => ("task of another device", "taken over"),
        }
    }
}

/// How often something happened.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Happened {
    /// What.
    pub fate: Fate,
    /// How often.
    pub tried: usize,
    /// How often what must be true afterwards was not.
    pub lost: usize,
}

/// Days that a median is taken over.
const WINDOW: usize = 20;

/// The middle value; `None` of nothing.
fn median(values: impl Iterator<Item = f64>) -> Option<f64> {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied()
}

impl LongLife {
    /// What days took around day 5 and at the end, and their ratio; `None` for a short life.
    fn grew(&self, of: fn(&Day) -> Option<f64>) -> Option<[f64; 3]> {
        // The first days adapt the network or follow on it.
        let later = self.days.get(3..)?;
        let window = WINDOW.min(later.len() / 2);
        let early = median(later.get(..window)?.iter().filter_map(of))?;
        let late = median(later.get(later.len() - window..)?.iter().filter_map(of))?;
        Some([early, late, late / early])
    }

    /// Largest stored state.
    fn largest(&self) -> u64 {
        self.days.iter().map(|day| day.state_bytes).max().unwrap_or_default()
    }

    /// Mean accuracy of the last days.
    fn last_accuracy(&self) -> f64 {
        let from = self.days.len().saturating_sub(WINDOW);
        let last = &self.days[from..];
        last.iter().map(|day| day.accuracy).sum::<f64>() / last.len().max(1) as f64
    }

    /// Times and memory, early and late.
    fn growth(&self) -> [(&'static str, Option<[f64; 3]>, &'static str); 5] {
        [
            ("learning a picture", self.grew(|day| Some(day.learn_ms)), "ms"),
            ("end of a lesson", self.grew(|day| Some(day.end_ms)), "ms"),
            ("a prediction", self.grew(|day| Some(day.predict_ms)), "ms"),
            ("resident memory", self.grew(Day::rss_mib), "MiB"),
            ("open files", self.grew(Day::files), ""),
        ]
    }
}

impl fmt::Display for LongLife {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(last) = self.days.last() else { return write!(f, "{}: no day", self.name) };
        writeln!(
            f,
            "{}: {} days, {} classes in {} tasks, {:.1} % right at the end, state at most {} bytes{}",
            self.name,
            self.days.len(),
            last.classes,
            last.tasks,
            self.last_accuracy(),
            count(self.largest() as usize),
            self.flash.map(|most| format!(" of {}", count(most as usize))).unwrap_or_default()
        )?;
        for (what, grew, unit) in self.growth() {
            if let Some([early, late, ratio]) = grew {
                writeln!(f, "  {what:<44} {early:>8.2} early, {late:>8.2} {unit} late: {ratio:.2}")?;
            }
        }
        for Happened { fate, tried, lost } in &self.fates {
            let (what, after) = fate.said();
            writeln!(f, "  {what:<44} {tried:>5} tried, {lost} lost: {after}")?;
        }
        self.given_up.iter().try_for_each(|row| writeln!(f, "  given up: {row}"))
    }
}

/// The page.
pub fn page(soak: &Soak) -> Markup {
    let body = html! {
        (cards(soak))
        div.panels {
            (accuracy(soak))
            (line(soak, "Stored state", "What must survive a power cut; the dashed line is the promise.", "KB", |day| Some(day.state_bytes as f64 / 1e3)))
            (line(soak, "End of a lesson", "Statistics, signature, verdict, and what is given up.", "ms", |day| Some(day.end_ms)))
            (line(soak, "A prediction", "After the frozen part of the network.", "ms", |day| Some(day.predict_ms)))
            (line(soak, "Resident memory", "The whole process; lives follow one another in it.", "MiB",
                Day::rss_mib))
            (line(soak, "Open files", "Of the whole process.", "files", Day::files))
            @for life in &soak.lives { (fates(life)) }
            @if soak.lives.iter().any(|life| !life.given_up.is_empty()) { (given_up(soak)) }
        }
    };
    let Soak { title, summary, command, .. } = soak;
    frame(&Frame { title, summary, notes: &[], command }, &body)
}

fn cards(soak: &Soak) -> Markup {
    let lost: usize = soak.lives.iter().flat_map(|life| &life.fates).map(|one| one.lost).sum();
    let tried: usize = soak.lives.iter().flat_map(|life| &life.fates).map(|one| one.tried).sum();
    let card = |name: &str, value: String, note: String| {
        html! { li.card { span.name { (name) } span.value { (value) } span.note { (note) } } }
    };
    html! {
        ul.cards {
            @for life in &soak.lives {
                (card("Right at the end", format!("{:.1} %", life.last_accuracy()), life.name.clone()))
                (card("Largest state", bytes(life.largest()),
                    life.flash.map_or_else(|| life.name.clone(), |most| format!("of {} promised", bytes(most)))))
            }
            (card("Lost", lost.to_string(), format!("of {} that could have been", count(tried))))
        }
    }
}

fn accuracy(soak: &Soak) -> Markup {
    let low = soak.lives.iter().flat_map(|life| &life.days).map(|day| day.accuracy).fold(100.0, f64::min);
    let chart =
        chart(soak, "right answers, percent", ((low / 20.0).floor() * 20.0, 100.0), |day| Some(day.accuracy));
    panel(
        "What is known",
        "Right answers to pictures of every class known so far, none of them learned from. Both lives have the same lessons.",
        true,
        &chart.draw(),
    )
}

/// A panel with one line a life.
fn line(soak: &Soak, title: &str, how: &str, unit: &str, of: fn(&Day) -> Option<f64>) -> Markup {
    let values = || soak.lives.iter().flat_map(|life| &life.days).filter_map(of);
    if values().next().is_none() {
        return html! {};
    }
    let high = values().fold(0.0, f64::max);
    let mut chart = chart(soak, unit, (0.0, high.max(1e-9) * 1.1), of);
    chart.size = (520.0, 300.0);
    if let (Some(flash), "KB") = (soak.lives.first().and_then(|life| life.flash), unit) {
        let (level, end) = (flash as f64 / 1e3, chart.x.1);
        chart.series.push(Series {
            name: String::new(),
            points: vec![Some((0.0, level)), Some((end, level))],
            band: Vec::new(),
            style: Style::Guide,
        });
    }
    panel(title, how, false, &chart.draw())
}

fn chart<'a>(soak: &Soak, unit: &'a str, y: (f64, f64), of: fn(&Day) -> Option<f64>) -> Chart<'a> {
    let days = soak.lives.iter().map(|life| life.days.len()).max().unwrap_or_default();
    let series = |life: &LongLife| Series {
        name: life.name.clone(),
        points: life.days.iter().map(|day| Some((day.index as f64, of(day)?))).collect(),
        band: Vec::new(),
        style: Style::Line,
    };
    Chart {
        label: unit,
        size: (1080.0, 300.0),
        x_title: "day",
        y_title: unit,
        x: (0.0, days.saturating_sub(1).max(1) as f64),
        y,
        x_marks: Vec::new(),
        y_marks: Vec::new(),
        bands: Vec::new(),
        legend: true,
        series: soak.lives.iter().map(series).collect(),
    }
}

fn fates(life: &LongLife) -> Markup {
    let table = html! {
        table {
            thead { tr { th { "what happened" } th.number { "tried" } th.number { "lost" } th { "afterwards" } } }
            tbody {
                @for Happened { fate, tried, lost } in &life.fates {
                    @let (what, after) = fate.said();
                    tr { td { (what) } td.number { (count(*tried)) } td.number { (count(*lost)) } td { (after) } }
                }
            }
        }
        @if life.days.len() > 6 {
            table {
                thead { tr { th { "median of days" } th.number { "early" } th.number { "late" } th.number { "ratio" } } }
                tbody {
                    @for (what, grew, unit) in life.growth() {
                        @if let Some([early, late, ratio]) = grew {
                            tr { td { (what) } td.number { (format!("{early:.2} {unit}")) } td.number { (format!("{late:.2} {unit}")) } td.number { (format!("{ratio:.2}")) } }
                        }
                    }
                }
            }
        }
    };
    panel(&format!("What happened: {}", life.name), "Every row was checked where it happened.", true, &table)
}

fn given_up(soak: &Soak) -> Markup {
    let list = html! {
        ul.notes { @for life in &soak.lives { @for row in &life.given_up { li { (row) } } } }
    };
    panel(
        "What was given up",
        "To stay inside the promise; the newest rows, older ones added up.",
        true,
        &list,
    )
}
