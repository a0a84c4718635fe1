//! A cosine classifier that is trained elsewhere, with a gate over the features that it reads.

use ndarray::{Array1, Array2, Axis, s};
use serde::{Deserialize, Serialize};

use crate::error::Result;
use crate::linalg;

/// Rows that stand for classes while a task is learned (the proxy of NTK-CL): `logits = scale cos(z, W)`. They are drawn
/// anew for every task and thrown away after it; the gate stays.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Cosine {
    weights: Array2<f32>,
    scale: f32,
    gate: Array1<f32>,
    seed: u64,
}

impl Cosine {
    /// For features of `width` (`E`) with room for `capacity` classes; the gate is zero.
    pub fn new(width: usize, capacity: usize, seed: u64) -> Self {
        let mut cosine =
            Self { weights: Array2::zeros((0, width)), scale: 1.0, gate: Array1::zeros(width), seed };
        cosine.refresh(capacity, seed);
        cosine
    }

    /// New rows for a new task, and scale 1.
    pub fn refresh(&mut self, capacity: usize, seed: u64) {
        let width = self.gate.len();
        (self.scale, self.seed) = (1.0, seed);
        self.weights = linalg::gaussian(seed, capacity.max(1).next_power_of_two(), width);
    }

    /// Makes room for `class`; `true` when rows were added.
    pub fn add_class(&mut self, class: usize) -> bool {
        let (old, new) = (self.weights.nrows(), (class + 1).next_power_of_two());
        if new <= old {
            return false;
        }
        // Row after row of one generator: the rows that were there are its first.
        let mut weights = linalg::gaussian(self.seed, new, self.gate.len());
        weights.slice_mut(s![..old, ..]).assign(&self.weights);
        self.weights = weights;
        true
    }

    /// Rows of `W`.
    pub fn capacity(&self) -> usize {
        self.weights.nrows()
    }

    /// `1.1 z + 0.5 gate z`, the fused view of features `[n, E]`.
    ///
    /// # Errors
    /// `Shape` on another width.
    pub fn fuse(&self, mut z: Array2<f32>) -> Result<Array2<f32>> {
        super::check_width(self.gate.len(), z.view())?;
        z *= &self.gate.mapv(|g| 1.1 + 0.5 * g);
        Ok(z)
    }

    /// Rows, scale and gate, in the order of the joint graph.
    pub(super) fn parameters(&self) -> [Array2<f32>; 3] {
        let gate = self.gate.clone().insert_axis(Axis(0));
        [self.weights.clone(), Array2::from_elem((1, 1), self.scale), gate]
    }

    /// Adds deltas of the same shapes.
    pub(super) fn add(&mut self, [weights, scale, gate]: [&Array2<f32>; 3]) {
        self.weights += weights;
        self.scale += scale[[0, 0]];
        self.gate += &gate.row(0);
    }

    /// Leaves nothing of a class.
    pub(super) fn forget(&mut self, class: usize) {
        if class < self.weights.nrows() {
            self.weights.row_mut(class).fill(0.0);
        }
    }

    /// Bytes of state.
    pub fn bytes(&self) -> usize {
        size_of::<f32>() * (self.weights.len() + self.gate.len() + 1) + size_of::<u64>()
    }
}
