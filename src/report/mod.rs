//! The page of results: one HTML file that can be mailed, archived, or opened on a robot without a network.
//!
//! ```text
//! Report (plain data) --page--> header, cards, panels, footer
//!                        |- heatmap   accuracy matrix, retrieval confusion
//!                        |- curve     loss, accuracy along the stream, ROC
//!                        |- bars      state and memory against their budget
//!                        |- histogram novelty scores
//!                        '- table     strategies side by side, tasks, pictures
//!
//! Comparison --groups--> streams of groups of runs --compared--> a page
//!                        |- curve     accuracy with bands, forgetting, state, time
//!                        |- scatter   accuracy against bytes, seconds, milliseconds
//!                        |- heatmap   retrieval confusion
//!                        '- markdown  a table for a README
//!
//! Soak --soak--> a page
//!                '- curve     accuracy, state, times and memory of a long life, day by day
//! ```
//!
//! Invariants: the page refers to nothing outside itself and runs no script (its own content policy forbids both), and
//! every text from outside is escaped by the template engine. Light and dark follow the reader's system. What every
//! colour says is also said by a number or a word.
//!
//! What it does not do: measure, or read files. The same report gives the same bytes.

mod bars;
mod compared;
mod curve;
mod format;
mod groups;
mod heatmap;
mod histogram;
mod markdown;
mod page;
mod panels;
mod scale;
mod scatter;
mod soak;
mod table;
mod unit;

use std::{io::Write, path::Path};

use base64::Engine;
use serde::{Deserialize, Serialize};

pub use soak::{Day, Fate, Happened, LongLife, Soak};

use crate::data::{Picture, Preprocess};
use crate::error::{Context, Result};
use crate::eval::EvalResult;

/// Everything that the page shows.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Report {
    /// Headline.
    pub title: String,
    /// One or two sentences below it.
    pub summary: String,
    /// The command that makes this page again.
    pub command: String,
    /// Runs; the first is shown in full, all of them in the comparison.
    pub results: Vec<EvalResult>,
    /// Training loss of the first run.
    pub loss: LossCurve,
    /// Promised limits.
    pub budget: Limits,
    /// Examples of the first run, task by task.
    pub gallery: Vec<GalleryRow>,
    /// Remarks, such as where the preprocessing came from or what was skipped.
    pub notes: Vec<String>,
}

/// Runs to be set side by side: strategies, orders, seeds, streams.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Comparison {
    /// Headline.
    pub title: String,
    /// One or two sentences below it.
    pub summary: String,
    /// The command that makes this page again.
    pub command: String,
    /// The runs, in any order.
    pub runs: Vec<EvalResult>,
    /// Remarks.
    pub notes: Vec<String>,
}

/// Loss of every optimizer step.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct LossCurve {
    /// One value a step.
    pub loss: Vec<f32>,
    /// Step at which each task began.
    pub task_starts: Vec<usize>,
}

/// Promised limits in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Limits {
    /// Working memory.
    pub ram: Option<u64>,
    /// Stored state.
    pub flash: Option<u64>,
}

/// Examples of one task.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct GalleryRow {
    /// Name of the task, or such as "never learned".
    pub task: String,
    /// Its pictures.
    pub pictures: Vec<Thumbnail>,
}

/// A small picture and what was made of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Thumbnail {
    /// `data:image/png;base64,...`; anything else is not shown.
    pub src: String,
    /// True class.
    pub class: String,
    /// Predicted class, or "unknown".
    pub predicted: String,
    /// Whether the prediction is right.
    pub right: bool,
}

const PNG_URI: &str = "data:image/png;base64,";

impl Thumbnail {
    /// A thumbnail of at most 96 pixels a side.
    ///
    /// # Errors
    /// `Shape` for a picture too narrow to be made smaller.
    pub fn new(picture: &Picture, class: &str, predicted: &str, right: bool) -> Result<Self> {
        let side = picture.width.min(picture.height).min(96);
        let small = Preprocess::direct(side).fit(picture)?;
        let png = base64::engine::general_purpose::STANDARD.encode(small.to_png()?);
        Ok(Self { src: format!("{PNG_URI}{png}"), class: class.into(), predicted: predicted.into(), right })
    }

    /// The address, if it is a picture held in the page itself.
    fn safe_src(&self) -> Option<&str> {
        let data = self.src.strip_prefix(PNG_URI)?;
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"+/=".contains(&byte);
        data.bytes().all(plain).then_some(self.src.as_str())
    }
}

/// The page as HTML text.
pub fn html(report: &Report) -> String {
    page::page(report).into_string()
}

/// Writes the page to `path`: whole or not at all.
///
/// # Errors
/// `Io` when the folder cannot be written; the old file is then untouched.
pub fn write(report: &Report, path: &Path) -> Result<()> {
    replace(path, &html(report))
}

/// The page of a comparison as HTML text.
pub fn comparison_html(comparison: &Comparison) -> String {
    compared::page(comparison).into_string()
}

/// As [`write()`], for a comparison.
///
/// # Errors
/// As [`write()`].
pub fn write_comparison(comparison: &Comparison, path: &Path) -> Result<()> {
    replace(path, &comparison_html(comparison))
}

/// As [`write()`], for a long life.
///
/// # Errors
/// As [`write()`].
pub fn write_soak(soak: &Soak, path: &Path) -> Result<()> {
    replace(path, &soak::page(soak).into_string())
}

/// The comparison as Markdown: a table a stream.
pub fn markdown(comparison: &Comparison) -> String {
    markdown::tables(comparison)
}

fn replace(path: &Path, page: &str) -> Result<()> {
    let save = || -> std::io::Result<()> {
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let part = path.with_file_name(format!(".{name}.{}.part", std::process::id()));
        let written = std::fs::File::create(&part).and_then(|mut file| {
            file.write_all(page.as_bytes())?;
            file.sync_all()
        });
        let moved = written.and_then(|()| std::fs::rename(&part, path));
        if moved.is_err() {
            // The error that led here is the one to report.
            let _ = std::fs::remove_file(&part);
        }
        moved
    };
    save().at(|| path.display().to_string())
}
