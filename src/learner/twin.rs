//! Two models merged: the open task learned once more without protection, close to what the protected one says, and the mean
//! of both kept (PEGP's journal form, methods.md 1.6).
//!
//! ```text
//! p    learned from o, the task's start, under the strategy
//! q    learned from o again, unprotected:  loss + weight mean_j (z_q / |z_q| - z_p / |z_p|)_j^2
//! kept (1 - share) p + share q             adapters and head
//! ```
//!
//! Doubles the training of every task but the first.

use ndarray::{Array2, Axis};

use super::trainer::{Extent, Trainer};
use super::{Encoded, Learner, Phase, extraction, network};
use crate::error::Result;
use crate::head::TrainingHead;
use crate::joint::Objective;
use crate::strategy::{Pair, TaskContext, Twin, Unprotected, View};

impl Learner {
    /// Trains and merges the twin of the open task, where the strategy wants one.
    pub(super) fn merge_twin(
        &mut self,
        context: &TaskContext,
        images: &Encoded,
        labels: &[usize],
    ) -> Result<()> {
        let Some(Twin { share, weight }) = self.strategy.twin().filter(|_| context.index > 0) else {
            return Ok(());
        };
        let Some(head) = self.model.state.training.clone() else { return Ok(()) };
        let towards = self.unit_features(images)?;
        let Phase::Open { before, .. } = &self.phase else { return Ok(()) };
        let start = before.state.memory.current.clone();
        let protected = std::mem::replace(&mut self.model.state.memory.current, start);
        let passes = 1 + self.task()?.epochs;
        let trainer = self.twin_trainer(context.index, &head, weight)?;
        let own = self.task()?.trainer.replace(trainer);
        let mut pass = |pass: u64| {
            let order = self.order(labels.len(), pass)?;
            self.pass(&Unprotected::always("twin"), images, labels, &order, Some(&towards)).map(|_| ())
        };
        let learned = (1..=passes).try_for_each(&mut pass);
        self.task()?.trainer = own;
        learned?;
        let twin = std::mem::replace(&mut self.model.state.memory.current, protected);
        for (kept, twin) in self.model.state.memory.current.iter_mut().zip(&twin) {
            *kept = between(kept, twin, share);
        }
        let moved = self.model.state.training.replace(head);
        if let (Some(kept), Some(moved)) = (&mut self.model.state.training, moved) {
            pull(kept, &moved, share)?;
        }
        Ok(())
    }

    /// Features of the open task's network as it is, of length 1.
    fn unit_features(&self, images: &Encoded) -> Result<Array2<f32>> {
        let mut state = self.model.state.clone();
        state.adapted = true;
        let networks =
            network::all(self.engine.as_ref(), &self.suffix, &self.sites, self.strategy.as_ref(), &state)?;
        let mut rows =
            extraction::extract(&networks, View::Adapted, images, self.pace.as_ref())?.adapted.swap_remove(0);
        rows.axis_iter_mut(Axis(0)).for_each(|mut row| row /= row.dot(&row).sqrt().max(f32::MIN_POSITIVE));
        Ok(rows)
    }

    fn twin_trainer(&self, index: usize, head: &TrainingHead, weight: f32) -> Result<Trainer> {
        let given = match head {
            TrainingHead::Given(vectors) => Some(vectors.scale()),
            _ => None,
        };
        let objective = Objective::Twin { weight, given };
        let extent = Extent { rate: self.strategy.rate(index), objective, ..Extent::default() };
        let base = self.base()?;
        Trainer::new(self.engine.as_ref(), &base, &self.sites, &self.model.state.settings, head, extent)
    }
}

/// `(1 - share) a + share b`.
fn between(a: &Pair, b: &Pair, share: f32) -> Pair {
    let mean = |a: &Array2<f32>, b: &Array2<f32>| a * (1.0 - share) + b * share;
    Pair { a: mean(&a.a, &b.a), b: mean(&a.b, &b.b) }
}

/// Moves `kept` by `share` of the way to `moved`.
fn pull(kept: &mut TrainingHead, moved: &TrainingHead, share: f32) -> Result<()> {
    let here = kept.parameters();
    let deltas: Vec<_> = moved.parameters().iter().zip(&here).map(|(to, at)| (to - at) * share).collect();
    let everything = ndarray::Array1::ones(kept.capacity());
    kept.add(&deltas, &everything)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::head::Linear;
    use crate::linalg::gaussian;

    #[test]
    fn a_quarter_of_the_way_is_a_quarter() -> Result<()> {
        let pair = |seed| Pair { a: gaussian(seed, 2, 5), b: gaussian(seed + 1, 4, 2) };
        let (a, b) = (pair(1), pair(3));
        let quarter = between(&a, &b, 0.25);
        assert!(
            quarter.a.iter().zip(&a.a).zip(&b.a).all(|((q, a), b)| (q - 0.75 * a - 0.25 * b).abs() < 1e-6)
        );
        assert_eq!(between(&a, &b, 0.0), a);

        let mut kept = TrainingHead::Linear(Linear::new(5, 4));
        let mut moved = kept.clone();
        moved.add(&[gaussian(7, 4, 5), gaussian(8, 1, 4)], &ndarray::Array1::ones(4))?;
        pull(&mut kept, &moved, 0.25)?;
        let [have, want] = [&kept, &moved].map(TrainingHead::parameters);
        assert!(have.iter().flatten().zip(want.iter().flatten()).all(|(h, w)| (h - 0.25 * w).abs() < 1e-6));
        Ok(())
    }
}
