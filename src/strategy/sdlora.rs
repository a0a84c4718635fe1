//! SD-LoRA: the directions of old branches are kept, their magnitudes are trained on (arXiv 2501.13198).
//!
//! ```text
//! dW_t = sum_{k < t} m_k  A_k B_k / (|A_k| |B_k|)  +  B_t A_t          trained: every m_k, A_t and B_t
//! ```
//!
//! One network predicts, that of the newest task; nothing is routed. All units of a branch share one magnitude.
//! A task starts where the one before ended: `m_k` begins as it was left, a new one as `|A_k| |B_k|`, which the branch had
//! when it was frozen. What the released code starts from was not read.

use alloc::vec;
use alloc::vec::Vec;
use core::ops::Range;

use ndarray::{Array1, s};
#[cfg(not(feature = "std"))]
use num_traits::Float;

use super::unprotected::start_adapters;
use super::{Classifier, Memory, Moments, Pair, Reading, Strategy, TaskContext, Trained, View};
use crate::error::Result;

/// The strategy.
#[derive(Clone, Copy, Debug)]
pub struct SdLora;

/// The units of every branch; branches have one rank.
fn branches(memory: &Memory) -> impl Iterator<Item = Range<usize>> {
    let (units, tasks) = (memory.pool.rank(), memory.pool.tasks().max(1));
    let rank = units / tasks;
    (0..units).step_by(rank.max(1)).map(move |first| first..first + rank)
}

impl Strategy for SdLora {
    fn name(&self) -> &'static str {
        "sd-lora"
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

    fn mixes(&self) -> Option<f32> {
        Some(1.0)
    }

    fn begin(&self, task: &TaskContext, memory: &mut Memory) -> Result<()> {
        start_adapters(task, memory);
        memory.mixing = match memory.pool.tasks() {
            0 => memory.mixing.clone(),
            tasks => memory.pool.weights(tasks - 1)?,
        };
        Ok(())
    }

    fn gradient(&self, memory: &Memory, _: usize, gradient: &mut Trained) {
        for units in branches(memory) {
            let sum = gradient.mixing.slice(s![units.clone()]).sum();
            gradient.mixing.slice_mut(s![units]).fill(sum);
        }
    }

    fn end(&self, _: &TaskContext, memory: &mut Memory, _: &Moments) -> Result<()> {
        let mut magnitudes = Vec::with_capacity(memory.slots.len());
        for (pair, mixing) in memory.current.iter_mut().zip(&memory.mixing) {
            let norm = |m: &ndarray::Array2<f32>| m.iter().map(|x| x * x).sum::<f32>().sqrt();
            let magnitude = norm(&pair.a) * norm(&pair.b);
            if magnitude > 0.0 {
                pair.b /= magnitude;
            }
            let own = core::iter::repeat_n(magnitude, pair.rank());
            magnitudes.push(mixing.iter().copied().chain(own).collect::<Array1<f32>>());
        }
        memory.mixing = magnitudes;
        memory.keep_apart()
    }

    fn networks(&self, memory: &Memory) -> Result<Vec<Vec<Pair>>> {
        Ok(vec![memory.pool.network(memory.pool.tasks().saturating_sub(1))?])
    }
}
