//! NTK-CL as released (arXiv 2407.17120; code of 2026): two branches, a pass each, of a mean copy and of the newest adapters.
//!
//! ```text
//! channel   bottlenecks beside the feed-forward part (--roles parallel)      z_c = [frozen | c(mean) | c(newest)]
//! patch     tokens that join the attention (--roles prompt)                  z_p = [frozen | p(mean) | p(newest)]
//! loss      joint::Branches + lambda |newest - found|^2
//! after     mean <- mean t/(t+1) + newest/(t+1);  prototypes are class means of z_m;  score = sum_s m_s cos(z_m[s], mu_c[s])
//! ```
//!
//! For parity, not for a device: an image passes the adapted blocks four times. `ntk-lite` is the reduced form with the signs mended. What
//! the release does by accident is a field here, on by default:
//!
//! | field | as released | else |
//! |---|---|---|
//! | `terms.contrast` | dissimilarity is the negated contrast over batch and prototypes | likeness to old prototypes alone |
//! | `terms.residual` | orthogonality is a signed sum outside 40 directions | what lies in them, squared |
//! | `tied` | the ten tokens of a block are one vector that starts at zero | tokens of their own, started at random |
//! | `weights` | 1, 0.3 and 0.1 for frozen, mean and newest | |
//!
//! `tied`: the released tokens are `LN(W_tok x)` with `W_tok` and the norm's weight both zero, so neither gets a gradient and the norm's shift
//! alone learns: one vector a block, ten times, whatever the image. That is what is built, so `W_tok` itself is not; untied tokens are free, and
//! do not depend on the image either. A token here is read by its block's key and value layers; in the release it is inserted behind the
//! attention, passes the feed-forward part and stays on until the feature, with a tenth of the block before it added. A bottleneck here
//! reads what the feed-forward part reads, behind its norm, and has no biases and no dropout. The frozen section is the published
//! option `use_init_ptm`. Rates, epochs and the factor 0.1 of the bottlenecks (`--alpha`) are settings; the mean is taken after every task, as no task is known
//! to be the last. Before the first task has ended, the frozen network stands in for the mean copy.

use alloc::vec::Vec;

use ndarray::Axis;

use super::{
    Classifier, Goal, Memory, Moments, Pair, Reading, Strategy, TaskContext, Trained, View, anchored,
};
use crate::error::Result;
use crate::joint::Terms;

/// The strategy and its settings.
#[derive(Clone, Copy, Debug)]
pub struct NtkFaithful {
    /// Weights of the objective, and which of its terms are as released.
    pub terms: Terms,
    /// Whether the tokens of a block are one vector.
    pub tied: bool,
    /// Weights of the sections: frozen, mean, newest.
    pub weights: [f32; 3],
}

impl Default for NtkFaithful {
    /// As released for CIFAR-100.
    fn default() -> Self {
        let (dissimilarity, orthogonality, anchor, temperature) = (0.03, 1e-4, 1e-3, 0.1);
        let terms =
            Terms { dissimilarity, orthogonality, anchor, temperature, contrast: true, residual: true };
        Self { terms, tied: true, weights: [1.0, 0.3, 0.1] }
    }
}

/// Whether `slot` is of the patch branch.
fn is_patch(memory: &Memory, slot: usize) -> bool {
    !memory.slots[slot].mechanism.adds_up()
}

impl Strategy for NtkFaithful {
    fn name(&self) -> &'static str {
        "ntk-faithful"
    }

    fn reading(&self) -> Reading {
        Reading { classifier: Classifier::Sections { weights: Some(self.weights) }, view: View::Fused }
    }

    fn goal(&self) -> Goal {
        Goal::Branches(self.terms)
    }

    fn adapts(&self, _: usize) -> bool {
        true
    }

    fn begin(&self, task: &TaskContext, memory: &mut Memory) -> Result<()> {
        anchored::start(task, memory);
        for slot in 0..memory.slots.len() {
            if task.index == 0 && self.tied && is_patch(memory, slot) {
                memory.current[slot].a.fill(0.0);
            }
        }
        anchored::find(memory);
        Ok(())
    }

    fn gradient(&self, memory: &Memory, slot: usize, gradient: &mut Trained) {
        if self.tied && is_patch(memory, slot) {
            // One vector, met as often as there are tokens.
            let sum = gradient.pair.a.sum_axis(Axis(0));
            gradient.pair.a.assign(&sum);
        }
        anchored::pull(self.terms.anchor, memory, slot, gradient);
    }

    fn end(&self, _: &TaskContext, memory: &mut Memory, _: &Moments) -> Result<()> {
        anchored::settle(memory);
        Ok(())
    }

    fn networks(&self, memory: &Memory) -> Result<Vec<Vec<Pair>>> {
        let branch = |pairs: &[Pair], patch: bool| -> Vec<Pair> {
            let own = |(slot, pair): (usize, &Pair)| match is_patch(memory, slot) == patch {
                true => pair.clone(),
                false => Pair::zeros(0, pair.a.ncols(), pair.b.nrows()),
            };
            pairs.iter().enumerate().map(own).collect()
        };
        let mean = memory.average.pairs();
        let both = |pairs: &[Pair]| [false, true].map(|patch| branch(pairs, patch));
        Ok(both(&mean).into_iter().chain(both(&memory.current)).collect())
    }
}
