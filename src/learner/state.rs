//! All that a learner knows beyond its backbone.

use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec;
use alloc::vec::Vec;

use ndarray::Array2;
use serde::{Deserialize, Serialize};

use super::Settings;
use super::classifier::Statistics;
use super::concession::Concessions;
use super::features::{Features, Scale};
use super::ledger::{Digest, Ledger};
use super::receipt::Receipt;
use super::recognition::Recognition;
use super::signatures::Signatures;
use crate::error::Result;
use crate::head::{Head, TrainingHead};
use crate::mixture::Overlap;
use crate::strategy::{Memory, View};

/// Bytes of a record beside what it holds, at most: a header, a seal, a checksum.
const RECORD: usize = 256;

/// A finished task.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TaskRecord {
    /// As the caller named it.
    pub name: String,
    /// Its classes, as indices into [`State::classes`].
    pub classes: Vec<usize>,
    /// Images seen.
    pub images: usize,
    /// Tasks that were made one with it to save memory, and are counted in all of this.
    pub with: u32,
    /// The bundle that it came in; `None` where it was learned here.
    pub from: Option<Digest>,
    /// How it was learned; `None` where it came in a bundle, or others were made one with it.
    pub receipt: Option<Receipt>,
}

/// What is stored. Two learners with equal state predict the same.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(remote = "Self")]
pub struct State {
    /// Name of the strategy.
    pub strategy: String,
    /// Settings it was made with.
    pub settings: Settings,
    /// Changes so far that were kept: committed tasks and what was forgotten.
    pub commits: u64,
    /// Names of all classes, in the order they were met; empty for one that was forgotten.
    pub classes: Vec<String>,
    /// Finished tasks.
    pub tasks: Vec<TaskRecord>,
    /// Adapters and protected subspaces.
    pub memory: Memory,
    /// Whether a task has changed the network.
    pub adapted: bool,
    /// The head that is trained with the adapters; it may also be the classifier.
    pub training: Option<TrainingHead>,
    /// The classifier's statistics; `None` where the training head is the classifier. Copies of a state share them until one learns.
    pub statistics: Option<Arc<Statistics>>,
    /// Centre and scale of every block of features that the classifier reads side by side.
    pub scales: Vec<Scale>,
    /// Widths of the parts of the backbone's summary.
    pub summary: Vec<usize>,
    /// Widths of the parts of the adapted network's summary.
    pub late: Vec<usize>,
    /// What recognises tasks.
    pub recognition: Recognition,
    /// Signatures of tasks in the space of their own networks, where images are routed to one of several.
    pub own: Signatures,
    /// What was taken over from elsewhere so far.
    pub ledger: Ledger,
    /// What was given up so far to stay inside a promise.
    pub concessions: Concessions,
}

impl State {
    /// Index of the class `name`, if it is known.
    pub fn class(&self, name: &str) -> Option<usize> {
        self.classes.iter().position(|c| c == name && !name.is_empty())
    }

    /// Names of the classes that are known, in the order they were met.
    pub fn known(&self) -> impl Iterator<Item = &str> {
        self.classes.iter().map(String::as_str).filter(|name| !name.is_empty())
    }

    /// Bounds on how often signatures alone can take one task for another.
    ///
    /// # Errors
    /// [`Shape`](crate::ErrorKind::Shape) for a state whose signatures do not fit each other.
    pub fn overlap(&self) -> Result<Overlap> {
        self.recognition.overlap()
    }

    /// Bytes at rest by part.
    pub fn parts(&self) -> Vec<(&'static str, usize)> {
        let names: usize = self.classes.iter().map(String::len).sum();
        let receipt = |t: &TaskRecord| t.receipt.as_ref().map_or(0, Receipt::bytes);
        let tasks: usize = self.tasks.iter().map(|t| t.name.len() + 8 * t.classes.len() + receipt(t)).sum();
        let scales = self.scales.iter().map(|s| 4 * (s.mean.len() + 1)).sum::<usize>();
        vec![
            ("names", names + tasks + self.ledger.bytes() + self.concessions.bytes()),
            ("adapters and bases", self.memory.bytes()),
            ("training head", self.training.as_ref().map_or(0, TrainingHead::bytes)),
            ("classifier", self.statistics.as_ref().map_or(0, |s| s.head().bytes()) + scales),
            ("signatures", self.recognition.bytes() + self.own.bytes()),
        ]
    }

    /// Bytes at rest.
    pub fn bytes(&self) -> usize {
        self.parts().iter().map(|(_, bytes)| bytes).sum()
    }

    /// Bytes that a record of this state takes at most, whatever it is sealed with.
    ///
    /// # Errors
    /// [`Bug`](crate::ErrorKind::Bug) where it cannot be encoded.
    pub fn stored_bytes(&self) -> Result<usize> {
        let payload = postcard::experimental::serialized_size(self);
        payload
            .map(|payload| payload + RECORD)
            .map_err(|e| crate::err!(Bug, "a state that cannot be stored: {e}"))
    }

    /// The classifier that predicts.
    ///
    /// # Errors
    /// [`State`](crate::ErrorKind::State) before anything was learned.
    pub(super) fn head(&self) -> Result<&dyn Head> {
        let trained = self.training.as_ref().and_then(TrainingHead::classifier);
        let head = self.statistics.as_ref().map(|s| s.head()).or(trained);
        head.ok_or_else(|| crate::err!(State, "nothing was learned yet"))
    }

    /// What a classifier reads of `features`.
    pub(super) fn rows(&self, view: View, features: &Features) -> Result<Array2<f32>> {
        let rows = features.view(view, &self.scales, [&self.summary, &self.late])?;
        match (view, &self.training) {
            (View::Fused, Some(TrainingHead::Cosine(head))) => head.fusion().apply(rows),
            _ => Ok(rows),
        }
    }

    /// What tasks are recognised by: the feature of the network where only one is run, else the frozen one.
    pub(super) fn space_rows(&self, view: View, features: &Features) -> Result<Array2<f32>> {
        match view {
            view if view.is_deep() => Ok(features.adapted.first().unwrap_or(&features.frozen).clone()),
            _ => Ok(features.frozen.clone()),
        }
    }

    /// Solves for what predicts: a record holds sums.
    ///
    /// # Errors
    /// [`Numeric`](crate::ErrorKind::Numeric) when the statistics are degenerate.
    pub fn solve(&mut self) -> Result<()> {
        if let (Some(statistics), false) = (&mut self.statistics, self.tasks.is_empty()) {
            Arc::make_mut(statistics).head_mut().solve()?;
        }
        self.recognition.solve()
    }
}
