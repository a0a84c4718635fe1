//! O-LoRA: a new branch a task whose A is pushed orthogonal to every A before it (arXiv 2310.14152).
//!
//! ```text
//! loss + lambda sum_ij |A_t A_pool^T|_ij         lambda = 0.5, absolute entries, as released
//! ```
//!
//! The penalty reads parameters only, so its gradient `lambda sign(A_t A_pool^T) A_pool` is added on the host. All
//! branches are summed at prediction. Unlike a projection, the penalty competes with the loss: orthogonality is
//! approached, not kept.

use alloc::vec;
use alloc::vec::Vec;

use super::unprotected::start_adapters;
use super::{Classifier, Memory, Moments, Pair, Reading, Strategy, TaskContext, Trained, View};
use crate::error::Result;

/// The strategy and its settings.
#[derive(Clone, Copy, Debug)]
pub struct OLora {
    /// Weight of the penalty.
    pub lambda: f32,
}

impl Default for OLora {
    fn default() -> Self {
        Self { lambda: 0.5 }
    }
}

impl Strategy for OLora {
    fn name(&self) -> &'static str {
        "o-lora"
    }

    fn reading(&self) -> Reading {
        Reading { classifier: Classifier::Linear, view: View::Adapted }
    }

    fn adds_up(&self) -> bool {
        true
    }

    fn adapts(&self, _: usize) -> bool {
        true
    }

    fn begin(&self, task: &TaskContext, memory: &mut Memory) -> Result<()> {
        start_adapters(task, memory);
        Ok(())
    }

    fn gradient(&self, memory: &Memory, slot: usize, gradient: &mut Trained) {
        if let Some(old) = memory.pool.units(slot) {
            // signum() of an exact zero is one; a zero overlap pulls nowhere.
            let sign =
                memory.current[slot].a.dot(&old.a.t()).mapv(|x| if x == 0.0 { 0.0 } else { x.signum() });
            gradient.pair.a.scaled_add(self.lambda, &sign.dot(&old.a));
        }
    }

    fn end(&self, _: &TaskContext, memory: &mut Memory, _: &Moments) -> Result<()> {
        memory.keep_apart()
    }

    fn base(&self, memory: &Memory, slot: usize) -> Result<Option<Pair>> {
        Ok(memory.pool.units(slot).cloned())
    }

    fn networks(&self, memory: &Memory) -> Result<Vec<Vec<Pair>>> {
        let whole = |slot: usize| match memory.pool.units(slot) {
            Some(units) => units.join(&memory.current[slot]),
            None => Ok(memory.current[slot].clone()),
        };
        let one: Result<_> = (0..memory.slots.len()).map(whole).collect();
        Ok(vec![one?])
    }
}
