//! The head that is trained together with adapters, whatever the objective.

use alloc::vec;
use alloc::vec::Vec;

use ndarray::{Array1, Array2, ArrayD, Axis};
use serde::{Deserialize, Serialize};

use super::{Cosine, Head, Linear, Vectors};
use crate::error::Result;

/// A head whose parameters are inputs of the joint graph.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum TrainingHead {
    /// Of cross-entropy on features.
    Linear(Linear),
    /// Of NTK-CL's views.
    Cosine(Cosine),
    /// Of the caller; nothing of it is trained.
    Given(Vectors),
}

impl TrainingHead {
    /// Rows of the head.
    pub fn capacity(&self) -> usize {
        match self {
            Self::Linear(h) => h.capacity(),
            Self::Cosine(h) => h.capacity(),
            Self::Given(h) => h.capacity(),
        }
    }

    /// Makes `class` known, called `name`; `true` where rows were added, so that the joint graph must be compiled again.
    ///
    /// # Errors
    /// `InvalidArgument` for a class index beyond the limit, `NotFound` where a vector had to be given and was not.
    pub fn add_class(&mut self, class: usize, name: &str) -> Result<bool> {
        let before = self.capacity();
        match self {
            Self::Linear(h) => h.add_class(class),
            Self::Cosine(h) => Ok(h.add_class(class)),
            Self::Given(h) => Ok(h.add_class(class, name)? && h.capacity() > before),
        }
    }

    /// Takes a class out, such as one that came with a failed call.
    pub fn forget(&mut self, class: usize) {
        // A class that the head never met needs no forgetting.
        match self {
            Self::Linear(h) => drop(h.forget(class)),
            Self::Given(h) => drop(h.forget(class)),
            Self::Cosine(h) => h.forget(class),
        }
    }

    /// Number of parameters that are trained, as tensors.
    pub fn count(&self) -> usize {
        match self {
            Self::Linear(_) => 2,
            Self::Cosine(h) => h.parameters().len(),
            Self::Given(_) => 0,
        }
    }

    /// The parameters as the joint graph takes them, or what stands in their place.
    pub fn inputs(&self) -> Vec<ArrayD<f32>> {
        match self {
            Self::Linear(h) => vec![h.weights().to_owned().into_dyn(), h.bias().to_owned().into_dyn()],
            Self::Cosine(h) => h.inputs(),
            Self::Given(h) => vec![h.weights().into_dyn()],
        }
    }

    /// The parameters as matrices, as an optimizer takes them; vectors are one row.
    pub fn parameters(&self) -> Vec<Array2<f32>> {
        match self {
            Self::Linear(h) => vec![h.weights().to_owned(), h.bias().to_owned().insert_axis(Axis(0))],
            Self::Cosine(h) => h.parameters(),
            Self::Given(_) => Vec::new(),
        }
    }

    /// Adds deltas. Rows of classes outside `mask` stay where they are, whatever the optimizer says.
    ///
    /// # Errors
    /// `Bug` for another number of deltas than parameters.
    pub fn add(&mut self, deltas: &[Array2<f32>], mask: &Array1<f32>) -> Result<()> {
        let by_row = mask.view().insert_axis(Axis(1));
        match (self, deltas) {
            (Self::Linear(h), [weights, bias]) => {
                let mut now = h.weights_mut();
                now += &(weights * &by_row);
                let mut now = h.bias_mut();
                now += &(&bias.row(0) * mask);
            }
            (Self::Cosine(h), [weights, scale, fusion @ ..]) => {
                h.add(&(weights * &by_row), scale, fusion)?;
            }
            (Self::Given(_), []) => {}
            _ => crate::bail!(Bug, "{} deltas for a training head", deltas.len()),
        }
        Ok(())
    }

    /// The head as a classifier, where it is one.
    pub fn classifier(&self) -> Option<&dyn Head> {
        match self {
            Self::Linear(h) => Some(h),
            Self::Given(h) => Some(h),
            Self::Cosine(_) => None,
        }
    }

    /// Bytes of state.
    pub fn bytes(&self) -> usize {
        match self {
            Self::Linear(h) => h.bytes(),
            Self::Cosine(h) => h.bytes(),
            Self::Given(h) => h.bytes(),
        }
    }
}
