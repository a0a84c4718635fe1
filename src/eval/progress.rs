//! What a run has measured so far.
//!
//! With the state of the learner it is all that a run needs to go on in another process, and the figures are then the same,
//! but for times and memory (`tests/eval.rs`).

use serde::{Deserialize, Serialize};

use super::course::Trace;
use super::{Boundaries, Evaluation, Scenario, Unknown};
use crate::learner::Verdict;

/// What a run has measured so far.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Progress {
    pub(super) evaluation: Evaluation,
    pub(super) trace: Trace,
    pub(super) unknown: Option<Unknown>,
    pub(super) boundaries: Option<Boundaries>,
    pub(super) summed_contexts: bool,
    pub(super) state_bytes: Vec<u64>,
    pub(super) rss_bytes: Vec<Option<u64>>,
    pub(super) peak_bytes: Option<u64>,
    /// Of learning, by task.
    pub(super) seconds: Vec<f64>,
    /// What the guard says of every task.
    pub(super) verdicts: Vec<Verdict>,
    pub(super) predicting: f64,
    pub(super) predicted: u32,
}

impl Progress {
    /// Before the first task of `scenario`.
    pub(super) fn new(scenario: &Scenario) -> Self {
        Self {
            evaluation: Evaluation::new(scenario.tasks.iter().map(|t| t.classes.as_slice())),
            trace: Trace::default(),
            unknown: None,
            boundaries: None,
            summed_contexts: false,
            state_bytes: Vec::new(),
            rss_bytes: Vec::new(),
            peak_bytes: None,
            seconds: Vec::new(),
            verdicts: Vec::new(),
            predicting: 0.0,
            predicted: 0,
        }
    }

    /// Tasks that were learned and measured.
    pub fn tasks(&self) -> usize {
        self.state_bytes.len()
    }
}
