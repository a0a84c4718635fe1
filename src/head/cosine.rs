//! A cosine classifier that is trained elsewhere, with what joins the sections of the features that it reads.

use alloc::vec::Vec;

use ndarray::{Array2, ArrayD, Axis, s};
use serde::{Deserialize, Serialize};

use super::Fusion;
use crate::error::Result;
use crate::linalg;

/// Rows that stand for classes while a task is learned (the proxy of NTK-CL): `logits = scale cos(z, W)`. They are drawn
/// anew for every task and thrown away after it; the fusion stays.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Cosine {
    pub(super) weights: Array2<f32>,
    scale: f32,
    pub(super) fusion: Fusion,
    seed: u64,
}

impl Cosine {
    /// For the view that `fusion` makes, with room for `capacity` classes.
    pub fn new(fusion: Fusion, capacity: usize, seed: u64) -> Self {
        let weights = Array2::zeros((0, fusion.width()));
        let mut cosine = Self { weights, scale: 1.0, fusion, seed };
        cosine.refresh(capacity, seed);
        cosine
    }

    /// New rows for a new task, and scale 1.
    pub fn refresh(&mut self, capacity: usize, seed: u64) {
        let width = self.fusion.width();
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
        let mut weights = linalg::gaussian(self.seed, new, self.fusion.width());
        weights.slice_mut(s![..old, ..]).assign(&self.weights);
        self.weights = weights;
        true
    }

    /// Rows of `W`.
    pub fn capacity(&self) -> usize {
        self.weights.nrows()
    }

    /// What joins the sections.
    pub fn fusion(&self) -> &Fusion {
        &self.fusion
    }

    /// The fusion's parameters as the joint graph takes them: where the open task found them.
    pub fn found(&self) -> Vec<ArrayD<f32>> {
        self.inputs().split_off(2)
    }

    /// Rows, scale and fusion as the joint graph takes them: all but the rows and a fusion's matrix are vectors.
    pub(super) fn inputs(&self) -> Vec<ArrayD<f32>> {
        let shaped = |(i, m): (usize, Array2<f32>)| match i > 0 && m.nrows() == 1 {
            true => m.remove_axis(Axis(0)).into_dyn(),
            false => m.into_dyn(),
        };
        self.parameters().into_iter().enumerate().map(shaped).collect()
    }

    /// The same as matrices.
    pub(super) fn parameters(&self) -> Vec<Array2<f32>> {
        let own = [self.weights.clone(), Array2::from_elem((1, 1), self.scale)];
        own.into_iter().chain(self.fusion.parameters()).collect()
    }

    /// Adds deltas of the same shapes.
    ///
    /// # Errors
    /// `Bug` for another number of deltas than the fusion has parameters.
    pub(super) fn add(
        &mut self,
        weights: &Array2<f32>,
        scale: &Array2<f32>,
        fusion: &[Array2<f32>],
    ) -> Result<()> {
        self.weights += weights;
        self.scale += scale[[0, 0]];
        self.fusion.add(fusion)
    }

    /// Leaves nothing of a class: its row is the one that was drawn.
    pub(super) fn forget(&mut self, class: usize) {
        if class < self.weights.nrows() {
            let drawn = linalg::gaussian(self.seed, class + 1, self.fusion.width());
            self.weights.row_mut(class).assign(&drawn.row(class));
        }
    }

    /// Bytes of state.
    pub fn bytes(&self) -> usize {
        size_of::<f32>() * (self.weights.len() + 1) + self.fusion.bytes() + size_of::<u64>()
    }
}
