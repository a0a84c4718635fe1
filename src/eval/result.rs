//! The record of one run: what `perennial eval --json` writes and the report reads.
//!
//! The keys of [`Metrics`] stand at the top level beside those of [`EvalResult`]; scripts may rely on them. A figure that
//! could not be measured is `null`, never left out and never zero.

use std::{collections::BTreeMap, path::Path};

use serde::{Deserialize, Serialize};

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

/// One run.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct EvalResult {
    /// Name of the strategy.
    pub strategy: String,
    /// What changes from task to task.
    pub scenario: ScenarioKind,
    /// The data set as given.
    pub data: String,
    /// File name of the backbone.
    pub backbone: String,
    /// Seed of everything random.
    pub seed: u64,
    /// Threads used.
    pub threads: usize,
    /// Further settings, by name.
    #[serde(default)]
    pub config: BTreeMap<String, String>,
    /// The tasks in learning order.
    pub tasks: Vec<TaskInfo>,
    /// Figures derived from the accuracy matrix.
    #[serde(flatten)]
    pub metrics: Metrics,
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
    /// Learning, all tasks, in seconds.
    pub train_seconds: f64,
    /// Prediction of one picture, decoding left out, in milliseconds.
    pub predict_ms_per_image: f64,
}

impl EvalResult {
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
