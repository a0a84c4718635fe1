//! NTK-CL: an averaged copy beside the newest adapters, read as sections that are trusted differently (arXiv 2407.17120).
//!
//! ```text
//! mean <- mean t/(t+1) + newest/(t+1)          the arithmetic mean of the adapters at the ends of tasks
//! z    = [frozen | mean | newest]              one shared prefix, two suffixes
//! loss = Views (joint) + lambda |newest - found|^2
//! score of class c = sum_s m_s cos(z[s], mu_c[s]),   m_s = max(0, 1 - drift_s / distance of neighbouring prototypes)
//! ```
//!
//! The `ntk-lite` of methods.md 2.10: both families of adapters in one pass, adapters in the last blocks only, a diagonal gate
//! instead of the fusion matrix (whose attention over a single key selects nothing), corrected signs, weights by measured drift. The frozen
//! section is the published option `use_init_ptm`; here it costs no pass. Nothing is stored by task but prototypes. As
//! released: [`NtkFaithful`](super::NtkFaithful).
//!
//! Old prototypes are never refreshed, so the method stands and falls with little drift. Two things made it large, and both defaults are
//! chosen against them (ARCHITECTURE.md, Drift). Adapters meet new images only, and what turns these away from old prototypes turns
//! old images away as well: the corrected dissimilarity weighs little. And cosines of a section say as much as they are spread: the published
//! bottlenecks are scaled by 0.1, ours by `alpha / rank`, so deltas are scaled here. The anchor is as published, and too weak to matter.

use alloc::vec;
use alloc::vec::Vec;

use super::{
    Classifier, Goal, Memory, Moments, Pair, Reading, Strategy, TaskContext, Trained, View, anchored,
};
use crate::error::Result;

/// The strategy and its settings.
#[derive(Clone, Copy, Debug)]
pub struct Ntk {
    /// Weight of the distance from where a task found the adapters.
    pub anchor: f32,
    /// What is minimised.
    pub goal: Goal,
    /// Factor on the adapters' deltas.
    pub rate: f32,
}

impl Default for Ntk {
    fn default() -> Self {
        let goal = Goal::Views { dissimilarity: 0.01, orthogonality: 0.01, temperature: 0.1 };
        Self { anchor: 1e-3, goal, rate: 0.1 }
    }
}

impl Strategy for Ntk {
    fn name(&self) -> &'static str {
        "ntk-lite"
    }

    fn reading(&self) -> Reading {
        Reading { classifier: Classifier::Sections { weights: None }, view: View::Fused }
    }

    fn goal(&self) -> Goal {
        self.goal
    }

    fn adapts(&self, _: usize) -> bool {
        true
    }

    fn rate(&self, _: usize) -> f32 {
        self.rate
    }

    fn begin(&self, task: &TaskContext, memory: &mut Memory) -> Result<()> {
        anchored::start(task, memory);
        anchored::find(memory);
        Ok(())
    }

    fn gradient(&self, memory: &Memory, slot: usize, gradient: &mut Trained) {
        anchored::pull(self.anchor, memory, slot, gradient);
    }

    fn end(&self, _: &TaskContext, memory: &mut Memory, _: &Moments) -> Result<()> {
        anchored::settle(memory);
        Ok(())
    }

    fn networks(&self, memory: &Memory) -> Result<Vec<Vec<Pair>>> {
        Ok(vec![memory.average.pairs(), memory.current.clone()])
    }
}
