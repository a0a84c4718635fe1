//! Which task an image belongs to, and whether it belongs to any.
//!
//! Both read the *frozen* features, so they never drift. Which task: the router adds the classifier's best score
//! within each task to the likelihood under the task's signature. Whether any: [`Novelty`] against a threshold that
//! 95 % of the newest task's images pass when they are held out one by one.
//!
//! Signatures can say "unknown" too (no task's threshold reached), but their space is fitted to the first task alone.
//! The newest threshold, not the mean of all: as classes come, distances grow, and old thresholds go stale.

use ndarray::{Array2, ArrayView2};
use serde::{Deserialize, Serialize};

use super::TaskRecord;
use super::signatures::Signatures;
use crate::error::Result;
use crate::head::Novelty;
use crate::signature::{Calibration, Routing};

/// Share of known images that must not be called unknown.
const RECALL: f64 = 0.95;

/// Signatures of finished tasks, the space in which they live, and what is strange to all of them.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Recognition {
    signatures: Signatures,
    strangeness: Option<Strangeness>,
}

/// What makes an image strange, and how strange held-out images of the newest task are.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Strangeness {
    novelty: Novelty,
    /// Of the negated novelty.
    calibration: Calibration,
}

/// What was recognised in one image.
pub struct Recognised {
    /// Index of the task.
    pub task: usize,
    /// Whether the image is of no class that was learned.
    pub unknown: bool,
    /// Negated novelty in standard deviations of the newest task's held-out images, from their mean.
    pub familiarity: f32,
}

impl Recognition {
    /// Adds the signature of a task from its frozen features `[n, width]`.
    pub fn learn(&mut self, frozen: ArrayView2<'_, f32>, labels: &[usize], seed: u64) -> Result<()> {
        self.signatures.learn(frozen, labels, seed)?;
        let mut novelty = match self.strangeness.take() {
            Some(strangeness) => strangeness.novelty,
            None => Novelty::new(frozen.ncols()),
        };
        novelty.observe(frozen, labels)?;
        novelty.solve()?;
        let held_out = novelty.held_out(frozen, labels)?.to_vec();
        let calibration = Calibration::new(&held_out.into_iter().map(|x| -x).collect::<Vec<_>>(), RECALL);
        self.strangeness = Some(Strangeness { novelty, calibration });
        Ok(())
    }

    /// Makes a restored recognition ready.
    pub fn solve(&mut self) -> Result<()> {
        self.strangeness.as_mut().map_or(Ok(()), |s| s.novelty.solve())
    }

    /// Components of the newest signature.
    pub fn last_components(&self) -> usize {
        self.signatures.router().signatures().last().map_or(0, |s| s.mixture().n_components())
    }

    /// Bytes at rest.
    pub fn bytes(&self) -> usize {
        let strangeness = |s: &Strangeness| s.novelty.bytes() + size_of::<Calibration>();
        self.signatures.bytes() + self.strangeness.as_ref().map_or(0, strangeness)
    }

    /// Log densities of frozen features `[n, width]` under every task's signature, `[n, tasks]`.
    pub fn likelihoods(&self, frozen: ArrayView2<'_, f32>) -> Result<Array2<f64>> {
        self.signatures.scores(frozen)
    }

    /// Recognises images from frozen features `[n, width]` and class scores `[n, classes]`.
    pub fn recognise(
        &self,
        frozen: ArrayView2<'_, f32>,
        scores: ArrayView2<'_, f32>,
        tasks: &[TaskRecord],
    ) -> Result<Vec<Recognised>> {
        let Some(Strangeness { novelty, calibration }) = &self.strangeness else {
            crate::bail!(State, "no signature was learned yet")
        };
        let likelihood = self.signatures.scores(frozen)?;
        let heads = best_by_task(scores, tasks);
        let routings = self.signatures.router().decide(likelihood.view(), Some(heads.view()))?;
        let recognised = |(routing, novelty): (Routing, f64)| {
            let familiarity = calibration.z(-novelty) as f32;
            Recognised { task: routing.task, unknown: familiarity < calibration.threshold, familiarity }
        };
        Ok(routings.into_iter().zip(novelty.score(frozen)?).map(recognised).collect())
    }
}

/// The best class score within each task, `[n, tasks]`.
fn best_by_task(scores: ArrayView2<'_, f32>, tasks: &[TaskRecord]) -> Array2<f64> {
    let best = |(i, t): (usize, usize)| {
        let own = tasks[t].classes.iter().filter_map(|&c| scores.get((i, c)));
        f64::from(own.fold(f32::MIN, |a, &b| a.max(b)))
    };
    Array2::from_shape_fn((scores.nrows(), tasks.len()), best)
}
