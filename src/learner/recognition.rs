//! Which task an image belongs to, and whether it belongs to any.
//!
//! Both read features that no later task moves: frozen ones, or those of a network that is adapted once. Which task: the router adds the classifier's best score
//! within each task to the likelihood under the task's signature. Whether any: how far it is from all classes against a threshold that 95 %
//! of known images pass.
//!
//! | images so far | how far | threshold from images held out one by one |
//! |---|---|---|
//! | fewer than two a column | [`Angles`] | of all tasks so far |
//! | more | what the classifier says, or [`Novelty`] | of the newest task |
//!
//! Signatures can say "unknown" too (no task's threshold reached), but their space is fitted to the first task alone.
//! The newest threshold, not the mean of all: as classes come, distances grow, and old thresholds go stale.

use alloc::vec::Vec;

use ndarray::{Array1, Array2, ArrayView2};
#[cfg(not(feature = "std"))]
use num_traits::Float;
use serde::{Deserialize, Serialize};

use super::TaskRecord;
use super::signatures::Signatures;
use crate::error::{Result, fitting};
use crate::head::{Angles, Head, Left, Novelty, Spread};
use crate::mixture::Overlap;
use crate::signature::{Calibration, Routing, Shortlist, Signature};

/// Signatures of finished tasks, the space in which they live, and what is strange to all of them.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Recognition {
    pub(super) signatures: Signatures,
    pub(super) strangeness: Option<Strangeness>,
}

/// What makes an image strange, and how strange held-out images of the newest task are.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Strangeness {
    /// `None` where the classifier tells by itself.
    pub(super) novelty: Option<Novelty>,
    /// Of the negated novelty.
    pub(super) calibration: Calibration,
    /// What tells strangers instead, as long as few images were seen; `None` afterwards, and where classes came from elsewhere.
    pub(super) angles: Option<Angles>,
}

/// What was recognised in one image.
pub struct Recognised {
    /// Index of the task.
    pub task: usize,
    /// What the signatures alone say of that.
    pub by_signature: usize,
    /// Whether the image is of no class that was learned.
    pub unknown: bool,
    /// How near the image is to the nearest class, in standard deviations of held-out images, from their mean.
    pub familiarity: f32,
    /// What was compared, by task.
    pub scores: Vec<f64>,
}

impl Recognition {
    /// Drops what is of `class`, which was in `tasks`; says what stays.
    pub fn forget(&mut self, class: usize, tasks: &[usize]) -> Result<(Left, bool)> {
        let novelty = self.strangeness.as_mut().and_then(|s| s.novelty.as_mut());
        let left = novelty.map_or(Ok(Left::Nothing), |novelty| novelty.forget(class))?;
        if let Some(angles) = self.strangeness.as_mut().and_then(|s| s.angles.as_mut()) {
            angles.forget(class)?;
        }
        let mut clean = true;
        for &task in tasks {
            clean &= self.signatures.forget(task, class)?;
        }
        Ok((left, clean))
    }

    /// Drops the signature of `task`.
    pub fn forget_task(&mut self, task: usize) {
        self.signatures.forget_task(task);
    }

    /// Whether statistics of its own say what is strange, not the classifier.
    pub fn needs_novelty(&self) -> bool {
        self.strangeness.as_ref().is_some_and(|s| s.novelty.is_some())
    }

    /// Adds what was learned of a task elsewhere. The threshold of what is unknown stays: it was measured on one's own images.
    ///
    /// # Errors
    /// [`Mismatch`](crate::ErrorKind::Mismatch) where the one tells strangers otherwise than the other, and as
    /// [`Novelty::absorb`].
    pub fn absorb(
        &mut self,
        signature: Signature,
        novelty: Option<&Novelty>,
        classes: &[usize],
    ) -> Result<()> {
        let own = self.strangeness.as_mut().and_then(|s| s.novelty.as_mut());
        match (own, novelty) {
            (Some(own), Some(other)) => own.absorb(other, classes)?,
            (None, None) => {}
            _ => crate::bail!(Mismatch, "statistics of what is strange, on one side only"),
        }
        // Its classes have no means here, and would be strangers.
        self.strangeness.iter_mut().for_each(|own| own.angles = None);
        self.signatures.absorb(signature)
    }

    /// Whether it is of `tasks` tasks, and its parts fit each other.
    pub(super) fn fits(&self, tasks: usize) -> Result<()> {
        let novelty = self.strangeness.as_ref().and_then(|s| s.novelty.as_ref());
        novelty.map_or(Ok(()), Novelty::fits)?;
        let angles = self.strangeness.as_ref().and_then(|s| s.angles.as_ref());
        angles.map_or(Ok(()), Angles::fits)?;
        let fits = self.signatures.fits(tasks) && (tasks == 0 || self.strangeness.is_some());
        fitting(fits, "signatures and tasks")
    }

    /// The signatures of tasks.
    pub fn signatures(&self) -> &Signatures {
        &self.signatures
    }

    /// Makes a restored recognition ready.
    pub fn solve(&mut self) -> Result<()> {
        let Some(Strangeness { novelty, angles, .. }) = &mut self.strangeness else { return Ok(()) };
        novelty.as_mut().map_or(Ok(()), Novelty::solve)?;
        match angles {
            Some(angles) if angles.rows() > 0 => angles.solve(),
            _ => Ok(()),
        }
    }

    /// Bounds on taking one task's signature for another's.
    pub fn overlap(&self) -> Result<Overlap> {
        self.signatures.overlap()
    }

    /// Components of the newest signature.
    pub fn last_components(&self) -> usize {
        self.signatures.router().signatures().last().map_or(0, |s| s.mixture().n_components())
    }

    /// Bytes at rest.
    pub fn bytes(&self) -> usize {
        let strangeness = |s: &Strangeness| {
            s.novelty.as_ref().map_or(0, Novelty::bytes)
                + s.angles.as_ref().map_or(0, Angles::bytes)
                + size_of::<Calibration>()
        };
        self.signatures.bytes() + self.strangeness.as_ref().map_or(0, strangeness)
    }

    /// The `most` likeliest tasks of images with features `[n, width]`.
    pub fn shortlist(&self, features: ArrayView2<'_, f32>, most: usize) -> Result<Shortlist> {
        self.signatures.router().shortlist(self.signatures.scores(features)?.view(), most)
    }

    /// Recognises images from features `[n, width]` and what the classifier says of them.
    pub fn recognise(&self, features: ArrayView2<'_, f32>, heard: &Heard) -> Result<Vec<Recognised>> {
        let Some(strangeness) = &self.strangeness else {
            crate::bail!(State, "no signature was learned yet")
        };
        let (strange, calibration) = strangeness.tell(features, heard.strange.as_ref())?;
        let likelihood = self.signatures.scores(features)?;
        let router = self.signatures.router();
        let says = heard.says.weighed(router.head_weight);
        let alone = router.decide(likelihood.view(), None)?;
        let routings = router.decide(likelihood.view(), Some(says.view()))?;
        let recognised = |((routing, alone), novelty): ((Routing, Routing), &f64)| {
            let familiarity = calibration.z(-novelty) as f32;
            let (unknown, scores) = (familiarity < calibration.threshold, routing.scores.to_vec());
            Recognised { task: routing.task, by_signature: alone.task, unknown, familiarity, scores }
        };
        Ok(routings.into_iter().zip(alone).zip(&strange).map(recognised).collect())
    }
}

impl Strangeness {
    /// How strange images are, and where those of known classes lie; `heard` is what the classifier says.
    fn tell(
        &self,
        features: ArrayView2<'_, f32>,
        heard: Option<&Array1<f64>>,
    ) -> Result<(Array1<f64>, Calibration)> {
        let few = self.angles.as_ref().and_then(|angles| Some((angles, angles.spread()?)));
        let strange = match (few, &self.novelty, heard) {
            (Some((angles, Spread { mean, sd, bound })), ..) => {
                return Ok((angles.score(features)?, Calibration::of_strangeness(mean, sd, bound)));
            }
            (None, Some(novelty), _) => novelty.score(features)?,
            (None, None, Some(strange)) => strange.clone(),
            (None, None, None) => {
                crate::bail!(Bug, "neither the classifier nor the statistics tell what is strange")
            }
        };
        Ok((strange, self.calibration))
    }
}

/// What a classifier says beside its scores.
pub struct Heard {
    /// Of the task.
    pub says: Says,
    /// Of what is strange to every class, where it can tell.
    pub strange: Option<Array1<f64>>,
}

impl Heard {
    /// What `head` says of feature `rows`, whose class scores are `scores`.
    pub fn from(
        head: &dyn Head,
        rows: ArrayView2<'_, f32>,
        scores: ArrayView2<'_, f32>,
        tasks: &[TaskRecord],
    ) -> Result<Self> {
        let says = match head.occasions(rows)? {
            Some(_) if disjoint(tasks) => Says::by_class(scores, tasks),
            Some(occasions) => Says::Posterior(occasions.mapv(f64::from)),
            None => Says::best(scores, tasks),
        };
        Ok(Self { says, strange: head.strange(rows)? })
    }
}

/// What a classifier says of the task, `[n, tasks]`.
pub enum Says {
    /// The best score of its classes; near 1 where the classifier is sure.
    Best(Array2<f64>),
    /// The log-probability that the image is of this task.
    Posterior(Array2<f64>),
}

/// Weight of a log-probability beside a likelihood in its deviations.
const POSTERIOR: f64 = 1.0;

/// Whether no class is in two tasks.
fn disjoint(tasks: &[TaskRecord]) -> bool {
    let mut seen = alloc::collections::BTreeSet::new();
    tasks.iter().flat_map(|t| &t.classes).all(|class| seen.insert(class))
}

impl Says {
    /// The log-probability of each task's classes together, from scores that are log-probabilities up to a constant.
    fn by_class(scores: ArrayView2<'_, f32>, tasks: &[TaskRecord]) -> Self {
        let mut logs = Array2::zeros((scores.nrows(), tasks.len()));
        for (row, mut logs) in scores.rows().into_iter().zip(logs.rows_mut()) {
            let most = row.fold(f32::NEG_INFINITY, |a, &b| a.max(b));
            let sum = |classes: &mut dyn Iterator<Item = f32>| {
                classes.map(|x| f64::from(x - most).exp()).sum::<f64>()
            };
            let all = sum(&mut row.iter().copied());
            for (log, task) in logs.iter_mut().zip(tasks) {
                let own = sum(&mut task.classes.iter().filter_map(|&c| row.get(c).copied()));
                *log = (own / all).max(f64::MIN_POSITIVE).ln();
            }
        }
        Self::Posterior(logs)
    }

    /// The best class score within each task.
    pub fn best(scores: ArrayView2<'_, f32>, tasks: &[TaskRecord]) -> Self {
        let best = |(i, t): (usize, usize)| {
            let own = tasks[t].classes.iter().filter_map(|&c| scores.get((i, c)));
            f64::from(own.fold(f32::MIN, |a, &b| a.max(b)))
        };
        Self::Best(Array2::from_shape_fn((scores.nrows(), tasks.len()), best))
    }

    /// Ready to be multiplied by `weight`.
    fn weighed(&self, weight: f64) -> Array2<f64> {
        match self {
            Self::Best(scores) => scores.clone(),
            Self::Posterior(logs) => logs * (POSTERIOR / weight),
        }
    }
}
