//! LAE: a fast adapter that learns and a slow one that follows it; the surer of the two answers (arXiv 2303.10070).
//!
//! ```text
//! slow <- slow + (1 - decay) (fast - slow)       after every step
//! score of a class = max(softmax(head(fast)), softmax(head(slow)))
//! ```
//!
//! The released decay of 0.9999 is made for thousands of steps; a device has tens to hundreds a task, over which such a copy
//! would not move. The default of 0.99 remembers about a hundred steps. The published freezing of the adapters in the
//! first epochs is left out: a stream of one pass has no such epochs.

use alloc::vec;
use alloc::vec::Vec;

use super::unprotected::start_adapters;
use super::{Classifier, Memory, Moments, Pair, Reading, Strategy, TaskContext, View};
use crate::error::Result;

/// The strategy and its settings.
#[derive(Clone, Copy, Debug)]
pub struct Lae {
    /// Share of the slow copy that a step leaves as it is.
    pub decay: f32,
}

impl Default for Lae {
    fn default() -> Self {
        Self { decay: 0.99 }
    }
}

impl Strategy for Lae {
    fn name(&self) -> &'static str {
        "lae"
    }

    fn reading(&self) -> Reading {
        Reading { classifier: Classifier::Linear, view: View::Adapted }
    }

    fn adapts(&self, _: usize) -> bool {
        true
    }

    fn begin(&self, task: &TaskContext, memory: &mut Memory) -> Result<()> {
        if task.index == 0 {
            start_adapters(task, memory);
        }
        Ok(())
    }

    fn stepped(&self, memory: &mut Memory) {
        memory.average.follow(&memory.current, 1.0 - self.decay);
    }

    fn end(&self, _: &TaskContext, memory: &mut Memory, _: &Moments) -> Result<()> {
        memory.round();
        Ok(())
    }

    fn networks(&self, memory: &Memory) -> Result<Vec<Vec<Pair>>> {
        Ok(vec![memory.current.clone(), memory.average.pairs()])
    }
}
