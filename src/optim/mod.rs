//! Host-side optimizers: gradient in, *delta to apply* out.
//!
//! Floor 3. The joint graph returns gradients; an [`Optimizer`] turns one into the change it proposes, and the learner
//! decides what is really added (a protected [`Basis`](crate::subspace::Basis) projects the delta first):
//!
//! ```text
//! optimizer.begin_step();
//! for i in parameters { delta = optimizer.step(i, param[i], grad[i]); project(delta); param[i] += delta }
//! ```
//!
//! | file | holds |
//! |---|---|
//! | `adamw` | [`AdamW`] (arXiv 1711.05101), as `torch.optim.AdamW` |
//! | `sgd` | [`Sgd`] with momentum, Nesterov and decay, as `torch.optim.SGD` |
//! | `clip` | [`clip`] by the global norm |
//! | `loss_scale` | [`LossScale`], for steps that compute in f16 |
//! | `schedule` | [`Schedule`]: the learning rate's factor over time |
//!
//! Invariants: parameters are never written here; momentum can be reached ([`Optimizer::moments_mut`]) because it
//! leaks along newly protected directions unless it is projected when a basis grows. Adam's second moment is a
//! per-coordinate scale, not a direction, and is left alone.

mod adamw;
mod clip;
mod loss_scale;
mod schedule;
mod sgd;

use ndarray::{Array2, ArrayView2, ArrayViewMut2};

pub use adamw::AdamW;
pub use clip::clip;
pub use loss_scale::LossScale;
pub use schedule::Schedule;
pub use sgd::Sgd;

use crate::error::Result;

/// Turns gradients of a list of parameter matrices into deltas.
pub trait Optimizer {
    /// Starts the next step; call once before the parameters of a step are visited.
    fn begin_step(&mut self);

    /// The delta for parameter `index` from its value and gradient, all of one shape.
    ///
    /// # Errors
    /// `Shape` when value, gradient and remembered moments differ in shape, `Numeric` when the gradient is not finite;
    /// the moments are then unchanged.
    fn step(
        &mut self,
        index: usize,
        param: ArrayView2<'_, f32>,
        grad: ArrayView2<'_, f32>,
    ) -> Result<Array2<f32>>;

    /// Momentum of parameter `index`; `None` before its first step or without momentum.
    fn moments_mut(&mut self, index: usize) -> Option<ArrayViewMut2<'_, f32>>;

    /// The learning rate, to be scaled by a [`Schedule`].
    fn lr_mut(&mut self) -> &mut f32;

    /// Forgets all moments and the step count; the settings stay.
    fn reset(&mut self);

    /// Bytes of moments held.
    fn bytes(&self) -> usize;

    /// A copy to go back to.
    fn duplicate(&self) -> Box<dyn Optimizer + Send + Sync>;
}

/// Shapes and values that a step may start from.
fn check(index: usize, param: ArrayView2<'_, f32>, grad: ArrayView2<'_, f32>) -> Result<()> {
    if param.dim() != grad.dim() {
        crate::bail!(Shape, "parameter {index} is {:?}, its gradient {:?}", param.dim(), grad.dim());
    }
    if !grad.iter().all(|g| g.is_finite()) {
        crate::bail!(
            Numeric,
            "the gradient of parameter {index} is not finite; skip the batch or lower the rate"
        );
    }
    Ok(())
}

/// The moments of parameter `index`, made by `new` when it is first seen and of the given shape ever after.
fn slot<T>(
    slots: &mut Vec<Option<T>>,
    index: usize,
    shape: (usize, usize),
    new: impl FnOnce() -> T,
    dim: impl Fn(&T) -> (usize, usize),
) -> Result<&mut T> {
    if slots.len() <= index {
        slots.resize_with(index + 1, || None);
    }
    let slot = slots[index].get_or_insert_with(new);
    if dim(slot) != shape {
        let was = dim(slot);
        crate::bail!(
            Shape,
            "parameter {index} is {shape:?} but was {was:?}; reset the optimizer when shapes change"
        );
    }
    Ok(slot)
}
