//! Stochastic gradient descent.

use ndarray::{Array2, ArrayView2, ArrayViewMut2, Zip};
use serde::{Deserialize, Serialize};

use super::{Optimizer, check, slot};
use crate::error::Result;

/// SGD, with the update of `torch.optim.SGD` (no dampening):
///
/// ```text
/// g <- g + decay p      m <- momentum m + g      delta = -lr (nesterov ? g + momentum m : m)
/// ```
///
/// Four bytes of state a parameter with momentum, none without.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Sgd {
    /// Learning rate.
    pub lr: f32,
    /// Memory of past gradients; 0 keeps none.
    pub momentum: f32,
    /// L2 decay, added to the gradient.
    pub weight_decay: f32,
    /// Look ahead along the momentum.
    pub nesterov: bool,
    velocities: Vec<Option<Array2<f32>>>,
}

impl Sgd {
    /// Plain descent at rate `lr`.
    pub fn new(lr: f32) -> Self {
        Self { lr, ..Self::default() }
    }

    /// The same with momentum.
    #[must_use]
    pub fn with_momentum(self, momentum: f32, nesterov: bool) -> Self {
        Self { momentum, nesterov, ..self }
    }

    /// The same with decay.
    #[must_use]
    pub fn with_weight_decay(self, weight_decay: f32) -> Self {
        Self { weight_decay, ..self }
    }
}

impl Optimizer for Sgd {
    fn begin_step(&mut self) {}

    fn step(
        &mut self,
        index: usize,
        param: ArrayView2<'_, f32>,
        grad: ArrayView2<'_, f32>,
    ) -> Result<Array2<f32>> {
        check(index, param, grad)?;
        let (lr, momentum, decay, nesterov) = (self.lr, self.momentum, self.weight_decay, self.nesterov);
        let mut delta = grad.to_owned();
        delta.scaled_add(decay, &param);
        if momentum != 0.0 {
            let zeros = || Array2::zeros(param.dim());
            let velocity = slot(&mut self.velocities, index, param.dim(), zeros, Array2::dim)?;
            Zip::from(&mut delta).and(velocity).for_each(|d, v| {
                *v = momentum * *v + *d;
                *d = if nesterov { *d + momentum * *v } else { *v };
            });
        }
        delta *= -lr;
        Ok(delta)
    }

    fn moments_mut(&mut self, index: usize) -> Option<ArrayViewMut2<'_, f32>> {
        self.velocities.get_mut(index)?.as_mut().map(|v| v.view_mut())
    }

    fn lr_mut(&mut self) -> &mut f32 {
        &mut self.lr
    }

    fn reset(&mut self) {
        self.velocities.clear();
    }

    fn bytes(&self) -> usize {
        self.velocities.iter().flatten().map(|v| size_of::<f32>() * v.len()).sum()
    }

    fn duplicate(&self) -> Box<dyn Optimizer + Send + Sync> {
        Box::new(self.clone())
    }
}
