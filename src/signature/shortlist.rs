//! Two-stage routing: likely tasks by the frozen features, then each asked in its own space.
//!
//! ```text
//! stage 0   scores of all tasks [n, tasks] on frozen features      no extra pass
//! shortlist the best m of every sample
//! stage 1   for a task: the samples that ask for it, one suffix pass, their scores under the task's own signature
//! decision  largest z-score among the asked; unknown if none reaches its threshold
//! ```
//!
//! [`Router::shortlist`] gives a [`Shortlist`]; its [`Shortlist::runs`] say which samples each task's adapters must see,
//! [`Shortlist::answer`] takes what they scored, and [`Router::decide_shortlisted`] of the router that holds the tasks' *own*
//! signatures decides. At most `m` passes a sample beyond stage 0. Scores from different adapters are densities over
//! different spaces, so z-scores are compared and never the densities (methods.md 3.10, 3.11).

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use ndarray::{Array1, Array2, ArrayView2};

use super::router::{Routing, best};
use super::{Router, Signature};
use crate::bail;
use crate::error::Result;

/// The tasks that each sample asks, and what they answered.
#[derive(Clone, Debug, PartialEq)]
pub struct Shortlist {
    /// `[n][m]`, most likely first.
    tasks: Vec<Vec<usize>>,
    /// `[n, tasks]`, NaN where not asked or not answered yet.
    answers: Array2<f64>,
}

impl Shortlist {
    /// Tasks to ask about sample `i`, most likely first.
    pub fn tasks(&self, i: usize) -> &[usize] {
        self.tasks.get(i).map_or(&[], Vec::as_slice)
    }

    /// For every task that is asked at all, the samples that ask it, rising.
    pub fn runs(&self) -> BTreeMap<usize, Vec<usize>> {
        let mut runs: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
        for (i, tasks) in self.tasks.iter().enumerate() {
            tasks.iter().for_each(|&t| runs.entry(t).or_default().push(i));
        }
        runs
    }

    /// Passes a sample beyond stage 0, on average.
    pub fn passes(&self) -> f64 {
        self.tasks.iter().map(Vec::len).sum::<usize>() as f64 / self.tasks.len().max(1) as f64
    }

    /// What `task` scored for the samples that ask it, in the order of [`Self::runs`].
    ///
    /// # Errors
    /// `Shape` for another number of scores.
    pub fn answer(&mut self, task: usize, scores: &Array1<f64>) -> Result<()> {
        let askers: Vec<usize> = (0..self.tasks.len()).filter(|&i| self.tasks[i].contains(&task)).collect();
        if askers.len() != scores.len() {
            bail!(
                Shape,
                "{} scores of task {task}, which {} samples ask; score those of `runs`",
                scores.len(),
                askers.len()
            );
        }
        askers.into_iter().zip(scores).for_each(|(i, &score)| self.answers[[i, task]] = score);
        Ok(())
    }
}

impl Router {
    /// The `m` (at least one) best tasks of every sample by the scores of stage 0, `[n, tasks]`, compared by
    /// [`Router::rule`].
    ///
    /// # Errors
    /// `State` without a task, `Shape` if the columns are not the tasks.
    pub fn shortlist(&self, scores: ArrayView2<f64>, m: usize) -> Result<Shortlist> {
        self.check(scores)?;
        let compared = self.compared(scores);
        let tasks = compared
            .outer_iter()
            .map(|row| {
                let mut order: Vec<usize> = (0..row.len()).collect();
                order.sort_by(|&a, &b| row[b].total_cmp(&row[a]));
                order.truncate(m.max(1));
                order
            })
            .collect();
        Ok(Shortlist { tasks, answers: Array2::from_elem(scores.dim(), f64::NAN) })
    }

    /// Decides among the asked tasks by the z-scores of their answers. `self` holds the tasks' own signatures. Tasks that
    /// were not asked have a score and z-score of minus infinity.
    ///
    /// # Errors
    /// `State` without a task or before every asked task has answered, `Shape` if the tasks are others.
    pub fn decide_shortlisted(&self, shortlist: &Shortlist) -> Result<Vec<Routing>> {
        self.check(shortlist.answers.view())?;
        (0..shortlist.tasks.len())
            .map(|i| {
                let mut z_scores = Array1::from_elem(self.signatures().len(), f64::NEG_INFINITY);
                let mut unknown = true;
                for &task in shortlist.tasks(i) {
                    let score = shortlist.answers[[i, task]];
                    if score.is_nan() {
                        bail!(State, "task {task} has not scored sample {i}; call `answer` for all `runs`");
                    }
                    let calibration = self.signatures().get(task).map(Signature::calibration);
                    if let Some(calibration) = calibration {
                        z_scores[task] = calibration.z(score);
                        unknown &= z_scores[task] < f64::from(calibration.threshold);
                    }
                }
                let (task, margin) = best(z_scores.iter().copied());
                Ok(Routing { task, unknown, margin, scores: z_scores.clone(), z_scores })
            })
            .collect()
    }
}
