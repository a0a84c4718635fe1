//! How much of the inputs' energy a basis must capture, and how much it does.

use ndarray::Array2;
use serde::{Deserialize, Serialize};

/// Something that knows the second moment of the rows it has seen.
pub trait Energy {
    /// Width `D` of the rows.
    fn width(&self) -> usize;

    /// Sum of the squared entries of all rows (after centring, where that is on).
    fn total(&self) -> f64;

    /// `C = Σ x xᵀ` as `[D, D]`, or a lower bound of it. The caller holds it for the length of one call.
    fn moment(&self) -> Array2<f64>;
}

/// The share of energy to protect after task `t` of `T`: `start + (end - start) t / T`, so that late tasks, which
/// have more to lose, protect more.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct EnergySchedule {
    /// Share after the first task, in `0..=1`.
    pub start: f64,
    /// Share after the last planned task; kept by all later ones.
    pub end: f64,
    /// Number of tasks `T` over which the share rises.
    pub planned_tasks: usize,
}

impl Default for EnergySchedule {
    fn default() -> Self {
        Self { start: 0.95, end: 0.995, planned_tasks: 10 }
    }
}

impl EnergySchedule {
    /// The share to protect after `task` (from 0).
    pub fn at(&self, task: usize) -> f64 {
        let progress = (task as f64 / self.planned_tasks.max(1) as f64).min(1.0);
        self.start + (self.end - self.start) * progress
    }
}

/// Share of the inputs' energy inside a basis, under the two conventions found in papers. Both in `0..=1`.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Captured {
    /// `tr(Uᵀ C U) / tr(C)`: squared singular values of the inputs, as in GPM. Thresholds here mean this one.
    pub sigma2: f64,
    /// `‖Uᵀ C U‖² / ‖C‖²`: fourth powers, as in InfLoRA and the released PEGP. Always looks larger.
    pub sigma4: f64,
}

/// What one call of [`Basis::extend`](super::Basis::extend) did.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Extension {
    /// Directions that joined.
    pub added: usize,
    /// Directions protected now.
    pub protected: usize,
    /// Captured by the basis as it was.
    pub before: Captured,
    /// Captured by the basis as it is. Below the asked share only where a sketch lost too much to tell.
    pub after: Captured,
}
