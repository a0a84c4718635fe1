//! Adam with decoupled weight decay.

use ndarray::{Array2, ArrayView2, ArrayViewMut2, Zip};
use serde::{Deserialize, Serialize};

use super::{Optimizer, check, slot};
use crate::error::Result;

/// AdamW, with the update of `torch.optim.AdamW` (no AMSGrad):
///
/// ```text
/// m <- b1 m + (1-b1) g      v <- b2 v + (1-b2) g²
/// delta = -lr (decay p + (m / (1-b1^t)) / (sqrt(v / (1-b2^t)) + eps))
/// ```
///
/// Eight bytes of state a parameter.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AdamW {
    /// Learning rate.
    pub lr: f32,
    /// Memory of the mean gradient.
    pub beta1: f32,
    /// Memory of the squared gradient.
    pub beta2: f32,
    /// Floor of the denominator.
    pub eps: f32,
    /// Decoupled decay: `lr * weight_decay` of the parameter goes each step. It moves along protected directions too,
    /// one more reason to project the delta.
    pub weight_decay: f32,
    steps: u32,
    moments: Vec<Option<Moments>>,
}

/// First and second moment of one parameter.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Moments {
    mean: Array2<f32>,
    square: Array2<f32>,
}

impl Default for AdamW {
    /// `lr` 1e-3, betas 0.9 and 0.999, `eps` 1e-8, no decay.
    fn default() -> Self {
        Self {
            lr: 1e-3,
            beta1: 0.9,
            beta2: 0.999,
            eps: 1e-8,
            weight_decay: 0.0,
            steps: 0,
            moments: Vec::new(),
        }
    }
}

impl AdamW {
    /// The defaults with another learning rate.
    pub fn new(lr: f32) -> Self {
        Self { lr, ..Self::default() }
    }

    /// The same with another decay.
    #[must_use]
    pub fn with_weight_decay(self, weight_decay: f32) -> Self {
        Self { weight_decay, ..self }
    }

    /// The same with other betas and floor.
    #[must_use]
    pub fn with_betas(self, beta1: f32, beta2: f32, eps: f32) -> Self {
        Self { beta1, beta2, eps, ..self }
    }

    /// Steps begun.
    pub fn steps(&self) -> u32 {
        self.steps
    }

    /// `1 - beta^t`, in f64 because `1 - 0.999^t` cancels.
    fn correction(&self, beta: f32) -> f64 {
        1.0 - f64::from(beta).powi(self.steps.max(1) as i32)
    }
}

impl Optimizer for AdamW {
    fn begin_step(&mut self) {
        self.steps += 1;
    }

    fn step(
        &mut self,
        index: usize,
        param: ArrayView2<'_, f32>,
        grad: ArrayView2<'_, f32>,
    ) -> Result<Array2<f32>> {
        check(index, param, grad)?;
        let (beta1, beta2, eps) = (self.beta1, self.beta2, self.eps);
        let rate = (f64::from(self.lr) / self.correction(beta1)) as f32;
        let root = self.correction(beta2).sqrt() as f32;
        let decay = self.lr * self.weight_decay;
        let zeros = || Array2::zeros(param.dim());
        let new = || Moments { mean: zeros(), square: zeros() };
        let moments = slot(&mut self.moments, index, param.dim(), new, |m| m.mean.dim())?;
        let mut delta = param.mapv(|p| -decay * p);
        Zip::from(&mut delta).and(&mut moments.mean).and(&mut moments.square).and(grad).for_each(
            |d, m, v, &g| {
                *m += (1.0 - beta1) * (g - *m);
                *v = beta2 * *v + (1.0 - beta2) * g * g;
                *d -= rate * *m / (v.sqrt() / root + eps);
            },
        );
        Ok(delta)
    }

    fn moments_mut(&mut self, index: usize) -> Option<ArrayViewMut2<'_, f32>> {
        self.moments.get_mut(index)?.as_mut().map(|m| m.mean.view_mut())
    }

    fn lr_mut(&mut self) -> &mut f32 {
        &mut self.lr
    }

    fn reset(&mut self) {
        self.moments.clear();
        self.steps = 0;
    }

    fn bytes(&self) -> usize {
        self.moments.iter().flatten().map(|m| size_of::<f32>() * (m.mean.len() + m.square.len())).sum()
    }

    fn duplicate(&self) -> Box<dyn Optimizer + Send + Sync> {
        Box::new(self.clone())
    }
}
