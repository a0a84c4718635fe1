//! Which task a sample belongs to.
//!
//! ```text
//! raw        s_k / sd                                    the log densities themselves
//! z-scored   (s_k - mean_k) / sd_k                       when the s_k come from different adapters
//! with head  s_k / sd + weight * best head score of k    sd: mean of the sd_k
//! unknown    (s_k - mean_k) / sd_k < threshold_k for every k
//! ```
//!
//! "Unknown" never depends on the head: class scores say which known class fits best, not whether any does.

use alloc::vec::Vec;

use ndarray::{Array1, Array2, ArrayView2};
use serde::{Deserialize, Serialize};

use super::{Reduced, Signature};
use crate::bail;
use crate::error::Result;

/// What the router compares.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Rule {
    /// Scores as they are. Right where all tasks share one space. The default.
    #[default]
    Raw,
    /// Scores in units of each task's own deviation.
    ZScored,
}

/// Where one sample goes.
#[derive(Clone, Debug, PartialEq)]
pub struct Routing {
    /// Index of the best task.
    pub task: usize,
    /// No task finds the sample likely.
    pub unknown: bool,
    /// How far the best task is ahead of the next, in units of the rule; infinite with one task.
    pub margin: f64,
    /// What was compared, by task.
    pub scores: Array1<f64>,
    /// How likely each task finds the sample, in deviations from its own mean.
    pub z_scores: Array1<f64>,
}

/// The signatures of all tasks.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Router {
    /// What is compared.
    pub rule: Rule,
    /// Weight of the head's scores where they are given. 8 suits scores that are near 1 for the right class and 0
    /// for others, as ridge heads give.
    pub head_weight: f64,
    signatures: Vec<Signature>,
}

impl Default for Router {
    fn default() -> Self {
        Self { rule: Rule::Raw, head_weight: 8.0, signatures: Vec::new() }
    }
}

impl Router {
    /// Adds a task and returns its index.
    pub fn push(&mut self, signature: Signature) -> usize {
        self.signatures.push(signature);
        self.signatures.len() - 1
    }

    /// Removes a task; later tasks move down by one. `None` if there is no such task.
    pub fn remove(&mut self, task: usize) -> Option<Signature> {
        (task < self.signatures.len()).then(|| self.signatures.remove(task))
    }

    /// The signature of a task, to be changed.
    pub fn get_mut(&mut self, task: usize) -> Option<&mut Signature> {
        self.signatures.get_mut(task)
    }

    /// The signatures, by task.
    pub fn signatures(&self) -> &[Signature] {
        &self.signatures
    }

    /// Bytes of the stored numbers of all tasks.
    pub fn bytes(&self) -> usize {
        self.signatures.iter().map(Signature::bytes).sum()
    }

    /// Scores of `n` samples under every task, `[n, tasks]`.
    ///
    /// # Errors
    /// `Shape` for another width.
    pub fn scores(&self, features: &Reduced) -> Result<Array2<f64>> {
        let mut scores = Array2::zeros((features.len(), self.signatures.len()));
        for (signature, mut column) in self.signatures.iter().zip(scores.columns_mut()) {
            column.assign(&signature.score(features)?);
        }
        Ok(scores)
    }

    /// Routes reduced features.
    ///
    /// # Errors
    /// `State` without a task, `Shape` for another width.
    pub fn route(&self, features: &Reduced) -> Result<Vec<Routing>> {
        self.decide(self.scores(features)?.view(), None)
    }

    /// Decides from scores `[n, tasks]`, which may have been computed under one adapter per task, and, where given,
    /// from the head's best class score of every task `[n, tasks]`.
    ///
    /// # Errors
    /// `State` without a task, `Shape` if the columns are not the tasks.
    pub fn decide(&self, scores: ArrayView2<f64>, head: Option<ArrayView2<f64>>) -> Result<Vec<Routing>> {
        self.check(scores)?;
        if let Some(head) = head.filter(|h| h.dim() != scores.dim()) {
            bail!(Shape, "head scores are {:?}, scores {:?}; give one for each", head.dim(), scores.dim());
        }
        let mut compared = self.compared(scores);
        if let Some(head) = head {
            compared.scaled_add(self.head_weight, &head);
        }
        Ok((0..scores.nrows())
            .map(|i| {
                let z_scores: Array1<f64> =
                    self.signatures.iter().zip(scores.row(i)).map(|(s, &v)| s.calibration().z(v)).collect();
                let accepts = |(s, &z): (&Signature, &f64)| z >= f64::from(s.calibration().threshold);
                let unknown = !self.signatures.iter().zip(&z_scores).any(accepts);
                let (task, margin) = best(compared.row(i).iter().copied());
                Routing { task, unknown, margin, scores: compared.row(i).to_owned(), z_scores }
            })
            .collect())
    }

    /// Whether `scores` has a column for every task, and there is one.
    pub(super) fn check(&self, scores: ArrayView2<f64>) -> Result<()> {
        let tasks = self.signatures.len();
        if tasks == 0 {
            bail!(State, "nothing learned yet; finish a task before routing");
        }
        if scores.ncols() != tasks {
            bail!(Shape, "scores are {:?}; give {tasks} columns", scores.dim());
        }
        Ok(())
    }

    /// What the rule compares, `[n, tasks]`; raw scores are in units of the mean deviation.
    pub(super) fn compared(&self, scores: ArrayView2<f64>) -> Array2<f64> {
        let calibrations: Vec<_> = self.signatures.iter().map(Signature::calibration).collect();
        let sd = calibrations.iter().map(|c| f64::from(c.sd)).sum::<f64>() / calibrations.len() as f64;
        Array2::from_shape_fn(scores.dim(), |(i, k)| match self.rule {
            Rule::Raw => scores[[i, k]] / sd,
            Rule::ZScored => calibrations[k].z(scores[[i, k]]),
        })
    }
}

/// Index of the largest value (the first of equals) and its lead over the second.
pub(super) fn best(values: impl Iterator<Item = f64>) -> (usize, f64) {
    let (mut at, mut first, mut second) = (0, f64::NEG_INFINITY, f64::NEG_INFINITY);
    for (i, v) in values.enumerate() {
        if v > first {
            (at, second, first) = (i, first, v);
        } else if v > second {
            second = v;
        }
    }
    (at, if second.is_finite() { first - second } else { f64::INFINITY })
}
