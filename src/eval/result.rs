//! The record of one run: what `perennial eval --json` writes and the report reads.
//!
//! The keys of [`Metrics`] stand at the top level beside those of [`EvalResult`]; scripts may rely on them. A figure that
//! could not be measured is `null`, never left out and never zero.

use std::{collections::BTreeMap, path::Path};

use serde::{Deserialize, Serialize};

use crate::learner::Verdict;
use crate::signature::stream::Segmentation;

use super::{Metrics, ScenarioKind, Unknown};
use crate::err;
use crate::error::{Context, Result};

/// One task as it was run.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TaskInfo {
    /// Its name.
    pub name: String,
    /// Names of its classes.
    pub classes: Vec<String>,
    /// Training samples.
    pub train: usize,
    /// Test samples.
    pub test: usize,
}

/// What a reader would ask before believing a figure.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Provenance {
    /// Version of this crate.
    pub perennial: String,
    /// SHA-256 of the program file.
    pub program_sha256: String,
    /// Who ran the graphs.
    pub engine: String,
    /// Its version.
    pub engine_version: Option<String>,
    /// SHA-256 of the backbone.
    pub backbone_sha256: String,
    /// SHA-256 of the samples: halves, classes, tasks, bytes of the pictures, order of files.
    pub data_sha256: String,
    /// From pictures to pixels.
    pub preprocessing: String,
    /// SHA-256 of that text.
    pub preprocessing_sha256: String,
    /// Name of the order: a seed, a file, or `listed`.
    pub order: String,
    /// Classes in the order in which they came (tasks in the order in which they came, where folders are tasks).
    pub order_list: Vec<String>,
    /// One pass over the training pictures, batches of ten.
    pub online: bool,
    /// Share of every task's training pictures that came with another task.
    pub blur: f64,
    /// The command line of the program that asked for the run.
    pub command: String,
    /// Operating system and processor architecture.
    pub system: String,
}

/// How well the boundaries of a stream were found that did not announce them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Boundaries {
    /// Tasks that were opened.
    pub tasks: usize,
    /// Samples from a boundary to the decision, in the mean over those that were found.
    pub mean_delay: Option<f64>,
    /// Boundaries that were not found.
    pub missed: usize,
    /// Decisions for a change where there was none.
    pub false_boundaries: usize,
    /// The same per thousand samples.
    pub false_rate: f64,
    /// Percent of samples that belong to the most frequent true task of the task they were put into.
    pub purity: f64,
    /// Percent of samples that were put into the most frequent found task of their true one.
    pub completeness: f64,
}

impl Boundaries {
    /// From what was decided, with `tasks` opened.
    pub fn of(found: &Segmentation, tasks: usize) -> Self {
        Self {
            tasks,
            mean_delay: Some(found.mean_delay()).filter(|d| d.is_finite()),
            missed: found.missed(),
            false_boundaries: found.false_boundaries,
            false_rate: found.false_rate,
            purity: 100.0 * found.purity,
            completeness: 100.0 * found.completeness,
        }
    }
}

/// One run.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct EvalResult {
    /// Name of the strategy.
    pub strategy: String,
    /// What changes from task to task.
    pub scenario: ScenarioKind,
    /// The data set as given.
    pub data: String,
    /// Name of the stream in tables, such as `P-small`; empty for that of the data.
    #[serde(default)]
    pub stream: String,
    /// File name of the backbone.
    pub backbone: String,
    /// Seed of everything random.
    pub seed: u64,
    /// Threads used.
    pub threads: usize,
    /// Further settings, by name.
    #[serde(default)]
    pub config: BTreeMap<String, String>,
    /// What made the figures: versions, hashes, order.
    #[serde(default)]
    pub provenance: Provenance,
    /// The tasks in learning order.
    pub tasks: Vec<TaskInfo>,
    /// Figures derived from the accuracy matrix.
    #[serde(flatten)]
    pub metrics: Metrics,
    /// How well boundaries were found, where they were not announced.
    #[serde(default)]
    pub boundaries: Option<Boundaries>,
    /// Area under the ROC curve of unknown detection in percent; 50 is chance.
    pub unknown_auroc: Option<f64>,
    /// Percent of unknown pictures accepted where 95 % of the known ones are.
    pub unknown_false_accept_at_95: Option<f64>,
    /// What the two figures above derive from.
    pub unknown: Option<Unknown>,
    /// Size of the stored state after each task, in bytes.
    pub state_bytes_after_task: Vec<u64>,
    /// Resident set after each task, in bytes.
    pub rss_bytes_after_task: Vec<Option<u64>>,
    /// Largest resident set of the process while this strategy ran, in bytes; `null` where the system does not tell.
    pub peak_rss_bytes: Option<u64>,
    /// How contexts decided ([`super::context`]); empty where nothing was retrieved.
    #[serde(default)]
    pub retrieval_context_rule: String,
    /// Learning, all tasks, in seconds.
    pub train_seconds: f64,
    /// Learning, each task, in seconds; reading the images left out.
    #[serde(default)]
    pub train_seconds_by_task: Vec<f64>,
    /// What the guard says of every task. Announced tasks are kept all the same; found ones that it objects to are rolled back.
    #[serde(default)]
    pub verdicts: Vec<Verdict>,
    /// Prediction of one picture, decoding left out, in milliseconds.
    pub predict_ms_per_image: f64,
}

impl EvalResult {
    /// What the stream is called: as given, or by its data.
    pub fn stream_name(&self) -> String {
        let data = self.data.trim_end_matches('/');
        let tail = data.rsplit(['/', '\\', ':']).next().unwrap_or(data);
        if self.stream.is_empty() { tail.to_string() } else { self.stream.clone() }
    }

    /// Forgetting after task `after` was learned: mean loss of the tasks before it against their best so far, in points;
    /// `None` for the first task and where something was not measured.
    pub fn forgetting_after(&self, after: usize) -> Option<f64> {
        let matrix = &self.metrics.accuracy_matrix;
        let at = |t: usize, i: usize| *matrix.get(t)?.get(i)?;
        let lost = |i: usize| {
            let reached: Option<Vec<f64>> = (i..=after).map(|t| at(t, i)).collect();
            Some(reached?.into_iter().fold(f64::MIN, f64::max) - at(after, i)?)
        };
        let lost: Option<Vec<f64>> = (0..after).map(lost).collect();
        lost.filter(|lost| !lost.is_empty()).map(|lost| lost.iter().sum::<f64>() / lost.len() as f64)
    }

    /// Sets the unknown detection and the two figures that are copied from it.
    #[must_use]
    pub fn with_unknown(mut self, unknown: Option<Unknown>) -> Self {
        self.unknown_auroc = unknown.as_ref().map(|u| u.auroc);
        self.unknown_false_accept_at_95 = unknown.as_ref().map(|u| u.false_accept_at_95);
        self.unknown = unknown;
        self
    }

    /// The run as JSON text.
    ///
    /// # Errors
    /// `Bug` if a field cannot be written.
    pub fn to_json(&self) -> Result<String> {
        serde_json::to_string_pretty(self)
            .map_err(|e| err!(Bug, "cannot write the result as JSON").caused_by(e))
    }

    /// Reads what [`EvalResult::to_json`] wrote.
    ///
    /// # Errors
    /// `NotFound`, `Io`, or `Parse` for a file that is no result.
    pub fn read(path: &Path) -> Result<Self> {
        let read = || {
            let text = std::fs::read_to_string(path)?;
            serde_json::from_str(&text)
                .map_err(|e| err!(Parse, "not a result of `perennial eval`").caused_by(e))
        };
        read().at(|| path.display().to_string())
    }
}
