//! A linear classifier that is trained elsewhere.

use alloc::vec;
use alloc::vec::Vec;

use ndarray::{Array1, Array2, ArrayView1, ArrayView2, ArrayViewMut1, ArrayViewMut2, s};
use serde::{Deserialize, Serialize};

use super::{Head, Left, check_batch, check_width};
use crate::error::Result;

/// Score of class `c`: `x · W[c] + b[c]`. `W` and `b` are inputs of the joint graph and are trained there; this type
/// owns them, grows them and says which rows mean a class.
///
/// The capacity is a power of two, so that a new class changes a mask and not the graph; only doubling recompiles.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Linear {
    pub(super) weights: Array2<f32>,
    pub(super) bias: Array1<f32>,
    pub(super) known: Vec<bool>,
}

impl Linear {
    /// Zero weights for features of `width` (`E`) and room for `capacity` classes, rounded up to a power of two.
    pub fn new(width: usize, capacity: usize) -> Self {
        let capacity = capacity.max(1).next_power_of_two();
        Self {
            weights: Array2::zeros((capacity, width)),
            bias: Array1::zeros(capacity),
            known: vec![false; capacity],
        }
    }

    /// Makes `class` known, doubling the capacity as often as needed; `true` when it has grown, so that the joint graph
    /// must be compiled again.
    ///
    /// # Errors
    /// `InvalidArgument` at [`MAX_CLASSES`](super::MAX_CLASSES) and beyond.
    pub fn add_class(&mut self, class: usize) -> Result<bool> {
        if class >= super::MAX_CLASSES {
            crate::bail!(
                InvalidArgument,
                "class index {class}; number classes from 0, below {}",
                super::MAX_CLASSES
            );
        }
        let old = self.capacity();
        let new = old.max((class + 1).next_power_of_two());
        if new > old {
            let mut weights = Array2::zeros((new, self.weights.ncols()));
            weights.slice_mut(s![..old, ..]).assign(&self.weights);
            let mut bias = Array1::zeros(new);
            bias.slice_mut(s![..old]).assign(&self.bias);
            (self.weights, self.bias) = (weights, bias);
            self.known.resize(new, false);
        }
        self.known[class] = true;
        Ok(new > old)
    }

    /// Rows of `W`.
    pub fn capacity(&self) -> usize {
        self.known.len()
    }

    /// `W: [capacity, E]`.
    pub fn weights(&self) -> ArrayView2<'_, f32> {
        self.weights.view()
    }

    /// `W`, to add a delta to.
    pub fn weights_mut(&mut self) -> ArrayViewMut2<'_, f32> {
        self.weights.view_mut()
    }

    /// `b: [capacity]`.
    pub fn bias(&self) -> ArrayView1<'_, f32> {
        self.bias.view()
    }

    /// `b`, to add a delta to.
    pub fn bias_mut(&mut self) -> ArrayViewMut1<'_, f32> {
        self.bias.view_mut()
    }

    /// `[capacity]`: 1 where a row means a class, 0 elsewhere.
    pub fn mask(&self) -> Array1<f32> {
        self.known.iter().map(|&known| f32::from(u8::from(known))).collect()
    }
}

impl Head for Linear {
    /// Makes the labels known; the weights learn in the joint graph.
    fn observe(&mut self, features: ArrayView2<'_, f32>, labels: &[usize]) -> Result<()> {
        check_batch(self.weights.ncols(), features, labels)?;
        labels.iter().try_for_each(|&label| self.add_class(label).map(|_| ()))
    }

    /// Nothing to do.
    fn solve(&mut self) -> Result<()> {
        Ok(())
    }

    fn scores(&self, features: ArrayView2<'_, f32>) -> Result<Array2<f32>> {
        check_width(self.weights.ncols(), features)?;
        let classes = self.classes();
        let mut scores =
            features.dot(&self.weights.slice(s![..classes, ..]).t()) + self.bias.slice(s![..classes]);
        for (class, mut column) in scores.columns_mut().into_iter().enumerate() {
            if !self.known[class] {
                column.fill(f32::NEG_INFINITY);
            }
        }
        Ok(scores)
    }

    fn classes(&self) -> usize {
        self.known.iter().rposition(|&known| known).map_or(0, |last| last + 1)
    }

    /// Zeroes the row. Other scores stay bit-identical; what other rows learned *against* this class stays in them.
    fn forget(&mut self, class: usize) -> Result<Left> {
        match self.known.get_mut(class) {
            Some(known) if *known => *known = false,
            _ => crate::bail!(NotFound, "class {class} is not known; {} classes are", self.classes()),
        }
        self.weights.row_mut(class).fill(0.0);
        self.bias[class] = 0.0;
        Ok(Left::Nothing)
    }

    fn bytes(&self) -> usize {
        size_of::<f32>() * (self.weights.len() + self.bias.len()) + self.known.len()
    }
}
