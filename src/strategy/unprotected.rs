//! One adapter without protection: on the first task only (RanPAC's first phase), on task after task, or on all
//! classes at once.

#[cfg(not(feature = "std"))]
use num_traits::Float;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::{Classifier, Memory, Moments, Pair, Reading, Strategy, TaskContext, View};
use crate::error::Result;

/// Unprotected adaptation.
#[derive(Clone, Copy, Debug)]
pub struct Unprotected {
    name: &'static str,
    reading: Reading,
    /// Tasks that adapt the network; later ones leave it alone.
    tasks: usize,
    /// Crops of a picture that is learned.
    crops: usize,
}

impl Unprotected {
    /// Adapts on every task under the linear head that is trained with it; called `sequential`, or `joint` where all
    /// classes come as one task.
    pub fn always(name: &'static str) -> Self {
        let reading = Reading { classifier: Classifier::Linear, view: View::Adapted };
        Self { name, reading, tasks: usize::MAX, crops: 1 }
    }

    /// Adapts on the first task, then never again.
    pub fn first(name: &'static str, reading: Reading) -> Self {
        Self { name, reading, tasks: 1, crops: 1 }
    }

    /// The same, learning every picture in so many crops.
    pub fn in_crops(self, crops: usize) -> Self {
        Self { crops, ..self }
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

impl Strategy for Unprotected {
    fn name(&self) -> &'static str {
        self.name
    }

    fn reading(&self) -> Reading {
        self.reading
    }

    fn crops(&self) -> usize {
        self.crops
    }

    fn adapts(&self, index: usize) -> bool {
        index < self.tasks
    }

    fn begin(&self, task: &TaskContext, memory: &mut Memory) -> Result<()> {
        if task.index == 0 {
            start_adapters(task, memory);
        }
        Ok(())
    }

    fn end(&self, _: &TaskContext, memory: &mut Memory, _: &Moments) -> Result<()> {
        memory.round();
        Ok(())
    }
}
