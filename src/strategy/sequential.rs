//! One adapter trained on task after task, unprotected; given all classes at once it is joint training.

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::{Classifier, Memory, Pair, Strategy, TaskContext, View};
use crate::error::Result;
use crate::subspace::SecondMoment;

/// Unprotected adaptation.
#[derive(Clone, Copy, Debug)]
pub struct Sequential {
    name: &'static str,
}

impl Sequential {
    /// Under the name `sequential` or `joint`.
    pub fn new(name: &'static str) -> Self {
        Self { name }
    }
}

/// LoRA's usual start, before the first task: A Kaiming-uniform (a = sqrt 5), B zero.
pub(super) fn start_adapters(task: &TaskContext, memory: &mut Memory) {
    let mut rng = ChaCha8Rng::seed_from_u64(task.seed);
    for (slot, pair) in memory.slots.iter().zip(&mut memory.current) {
        let bound = 1.0 / (slot.inputs as f32).sqrt();
        *pair = Pair::zeros(task.rank, slot.inputs, slot.outputs);
        pair.a.mapv_inplace(|_| rng.gen_range(-bound..bound));
    }
}

impl Strategy for Sequential {
    fn name(&self) -> &'static str {
        self.name
    }

    fn classifier(&self) -> (Classifier, View) {
        (Classifier::Linear, View::Adapted)
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

    fn end(&self, _: &TaskContext, memory: &mut Memory, _: &[SecondMoment]) -> Result<()> {
        memory.round();
        Ok(())
    }
}
