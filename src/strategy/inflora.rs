//! InfLoRA: a new branch a task of which only B is trained (arXiv 2404.00228).
//!
//! ```text
//! A_t = top r eigenvectors of (I - U U^T) C_t (I - U U^T), over sqrt 3      C_t: second moment of the task's inputs
//! ```
//!
//! `A_t` lies in the free subspace and never moves, so old outputs are kept for any B, and no delta needs projecting.
//! `sqrt 3` gives its rows the length of LoRA's usual start.
//!
//! Where fewer than `r` directions are free, the remaining rows of A are zero and learn nothing.
//!
//! The paper reads the whole task before it trains. Here `C_t` is that of the images of the first call: a stream cannot be
//! read twice, and one batch of tokens spans far more than `r` directions.

use super::{Classifier, Memory, Moments, Pair, Reading, Strategy, TaskContext, Trained, View, Wants};
use crate::error::Result;
use crate::linalg;
use crate::subspace::{Basis, Energy, EnergySchedule, SecondMoment};
use ndarray::{Array2, s};
#[cfg(not(feature = "std"))]
use num_traits::Float;

/// The strategy and its settings.
#[derive(Clone, Copy, Debug)]
pub struct InfLora {
    /// Share of the inputs' energy that is protected, by task: 0.95 to 1 as released.
    pub energy: EnergySchedule,
    /// Settled branches are compressed to this rank a slot.
    pub max_rank: usize,
}

impl Default for InfLora {
    fn default() -> Self {
        Self { energy: EnergySchedule { end: 1.0, ..EnergySchedule::default() }, max_rank: 64 }
    }
}

/// The directions of most energy outside `basis`, `[rank, in]`, orthonormal over sqrt 3.
fn design(basis: &Basis, moment: &SecondMoment, rank: usize) -> Result<Array2<f32>> {
    let mut free = moment.moment().mapv(|x| x as f32);
    basis.project(free.view_mut())?;
    let mut free = free.t().as_standard_layout().to_owned();
    basis.project(free.view_mut())?;
    let symmetric = free.mapv(f64::from);
    let symmetric = (&symmetric + &symmetric.t()) / 2.0;
    let found = linalg::eigh(symmetric.view())?;
    let mut top = found.vectors.slice(s![.., ..rank.min(basis.width())]).t().mapv(|x| x as f32);
    // Where fewer directions are free than asked for, the rest would lie in the protected ones.
    basis.project(top.view_mut())?;
    Ok(top / 3f32.sqrt())
}

impl Strategy for InfLora {
    fn name(&self) -> &'static str {
        "inflora"
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

    fn wants(&self) -> Wants {
        Wants { first: true, inputs: true, ..Wants::default() }
    }

    fn begin(&self, task: &TaskContext, memory: &mut Memory) -> Result<()> {
        let zeros = |s: &super::SlotShape| Pair::zeros(task.rank, s.inputs, s.outputs);
        memory.current = memory.slots.iter().map(zeros).collect();
        Ok(())
    }

    fn meet(&self, task: &TaskContext, memory: &mut Memory, moments: &Moments) -> Result<()> {
        for (slot, pair) in memory.slots.iter().zip(&mut memory.current) {
            pair.a = design(&memory.inputs[slot.tap], &moments.inputs[slot.tap], task.rank)?;
        }
        Ok(())
    }

    fn delta(&self, _: &Memory, _: usize, delta: &mut Trained, _: f32) -> Result<()> {
        delta.pair.a.fill(0.0);
        Ok(())
    }

    fn end(&self, task: &TaskContext, memory: &mut Memory, moments: &Moments) -> Result<()> {
        let energy = self.energy.at(task.index);
        for (basis, moment) in memory.inputs.iter_mut().zip(&moments.inputs) {
            basis.extend(moment, energy)?;
        }
        memory.settle(self.max_rank)
    }
}
