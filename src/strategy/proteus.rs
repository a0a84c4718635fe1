//! Proteus: a network a task over a shared pool of rank-1 units, found again by its signature (arXiv 2603.13235).
//!
//! ```text
//! dW_k = alpha sum_u S_k[u] b_u a_u^T  +  B_k A_k        u: units of earlier tasks, frozen; trained: S_k, A_k, B_k
//! loss = CE over the task's classes + lambda_S (|S|_1 + 1/2 |S|^2) + lambda_o sum_uv cos(a_u, a_v)^2
//! ```
//!
//! `|S|_1` acts by its proximal step after the optimizer, so weights become exactly zero and a dead unit costs nothing. The
//! orthogonality loss compares directions of unit length and reads parameters only; its gradient is added on the
//! host. A network of a finished task is never touched again.
//!
//! A re-implementation from the paper's public description and its lineage code, not a reproduction. Decided here
//! (methods.md 3.3 to 3.11): the outer product of a unit; inputs drawn at random and outputs zero at the start, where the
//! lineage has it the other way round and the cosine would be undefined; the norm of the penalty; routing by one
//! sample, and only through the networks whose frozen signatures are nearest.

use alloc::vec;
use alloc::vec::Vec;

use ndarray::{Array1, Axis};
#[cfg(not(feature = "std"))]
use num_traits::Float;
use rand::Rng;

use super::{Classifier, Memory, Moments, Pair, Reading, Strategy, TaskContext, Trained, View};
use crate::error::Result;
use crate::linalg;

/// The strategy and its settings.
#[derive(Clone, Copy, Debug)]
pub struct Proteus {
    /// Strength of what is reused.
    pub alpha: f32,
    /// Weight of the penalty on `S`.
    pub sparsity: f32,
    /// Weight of the orthogonality loss, over directions of unit length.
    pub orthogonality: f32,
    /// Networks that are run for one image at most.
    pub most: usize,
    /// What predicts on the features of the network that was chosen.
    pub classifier: Classifier,
}

impl Proteus {
    /// Published settings under `classifier`.
    pub fn new(classifier: Classifier) -> Self {
        Self { alpha: 0.3, sparsity: 0.006, orthogonality: 0.1, most: 2, classifier }
    }
}

/// Gradient of `sum_uv cos(old_u, new_v)^2` by the rows of `new`.
fn overlap_gradient(old: &Pair, new: &Pair) -> ndarray::Array2<f32> {
    let unit = |m: &ndarray::Array2<f32>| {
        let norms = m.map_axis(Axis(1), |row| row.dot(&row).sqrt().max(f32::MIN_POSITIVE));
        (m / &norms.view().insert_axis(Axis(1)), norms)
    };
    let ((old, _), (new, norms)) = (unit(&old.a), unit(&new.a));
    let cosines = new.dot(&old.t());
    let own = cosines.map_axis(Axis(1), |row| row.dot(&row));
    let gradient = cosines.dot(&old) - &new * &own.insert_axis(Axis(1));
    2.0 * gradient / norms.insert_axis(Axis(1))
}

/// Where the proximal step of `rate * weight * (|s|_1 + 1/2 |s|^2)` ends.
fn shrunk(s: f32, by: f32) -> f32 {
    s.signum() * (s.abs() - by).max(0.0) / (1.0 + by)
}

impl Strategy for Proteus {
    fn name(&self) -> &'static str {
        "proteus"
    }

    fn reading(&self) -> Reading {
        Reading { classifier: self.classifier, view: View::Routed(self.most) }
    }

    fn adds_up(&self) -> bool {
        true
    }

    fn adapts(&self, _: usize) -> bool {
        true
    }

    fn mixes(&self) -> Option<f32> {
        Some(self.alpha)
    }

    fn begin(&self, task: &TaskContext, memory: &mut Memory) -> Result<()> {
        let (mut rng, units) = (task.rng(), memory.pool.rank());
        memory.mixing = vec![Array1::zeros(units); memory.slots.len()];
        for (slot, pair) in memory.slots.iter().zip(&mut memory.current) {
            *pair = Pair::zeros(task.rank, slot.inputs, slot.outputs);
            pair.a = linalg::gaussian(rng.r#gen(), task.rank, slot.inputs) / (slot.inputs as f32).sqrt();
        }
        Ok(())
    }

    fn gradient(&self, memory: &Memory, slot: usize, gradient: &mut Trained) {
        if let Some(old) = memory.pool.units(slot) {
            gradient.pair.a.scaled_add(self.orthogonality, &overlap_gradient(old, &memory.current[slot]));
        }
    }

    fn delta(&self, memory: &Memory, slot: usize, delta: &mut Trained, rate: f32) -> Result<()> {
        let by = rate * self.sparsity;
        delta.mixing.zip_mut_with(&memory.mixing[slot], |d, &s| *d = shrunk(s + *d, by) - s);
        Ok(())
    }

    fn end(&self, _: &TaskContext, memory: &mut Memory, _: &Moments) -> Result<()> {
        memory.mixing.iter_mut().for_each(|s| *s *= self.alpha);
        memory.keep_apart()
    }

    fn networks(&self, memory: &Memory) -> Result<Vec<Vec<Pair>>> {
        (0..memory.pool.tasks()).map(|task| memory.pool.network(task)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::Array2;

    #[test]
    fn the_orthogonality_gradient_is_that_of_central_differences() {
        let pair = |rank: usize, seed: f32| {
            let mut pair = Pair::zeros(rank, 5, 2);
            pair.a = Array2::from_shape_fn((rank, 5), |(i, j)| ((i * 5 + j) as f32 * 1.7 + seed).sin());
            pair
        };
        let (old, new) = (pair(3, 0.3), pair(2, 1.1));
        let loss = |a: &Array2<f32>| {
            let cos = |u: ndarray::ArrayView1<f32>, v: ndarray::ArrayView1<f32>| {
                let dot = |x: &ndarray::ArrayView1<f32>, y: &ndarray::ArrayView1<f32>| {
                    x.iter().zip(y).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum::<f64>()
                };
                dot(&u, &v) / (dot(&u, &u) * dot(&v, &v)).sqrt()
            };
            old.a
                .rows()
                .into_iter()
                .flat_map(|u| a.rows().into_iter().map(move |v| cos(u, v).powi(2)))
                .sum::<f64>()
        };
        let found = overlap_gradient(&old, &new);
        for at in [(0, 0), (0, 4), (1, 2)] {
            let (mut up, mut down) = (new.a.clone(), new.a.clone());
            (up[at], down[at]) = (up[at] + 1e-2, down[at] - 1e-2);
            let want = (loss(&up) - loss(&down)) / (f64::from(up[at]) - f64::from(down[at]));
            assert!((f64::from(found[at]) - want).abs() < 1e-3, "{at:?}: {} {want}", found[at]);
        }
    }

    #[test]
    fn the_proximal_step_ends_in_exact_zeros() {
        assert_eq!(shrunk(0.5, 0.6), 0.0);
        assert_eq!(shrunk(-0.5, 0.5), 0.0);
        assert!((shrunk(1.0, 0.25) - 0.6).abs() < 1e-6);
        assert!((shrunk(-1.0, 0.25) + 0.6).abs() < 1e-6);
    }
}
