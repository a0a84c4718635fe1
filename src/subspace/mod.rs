//! Protected subspaces: what old inputs span, and how an update is kept off it.
//!
//! Floor 2. For a linear site `y = x Wᵀ`, an update `ΔW` with `ΔW x = 0` for every old input `x` changes nothing that was
//! learned. So after a task the inputs of each site are summarised (`C = Σ x xᵀ`, [`SecondMoment`], or the bounded
//! [`FrequentDirections`]), the directions that carry a given share of their energy join a [`Basis`] `U`, and from
//! then on every *applied delta* `M` is replaced by
//!
//! ```text
//! M  <-  M - (M U) Uᵀ          (or (M U_c) U_cᵀ with the complement, once more than half is protected)
//! ```
//!
//! | file | holds |
//! |---|---|
//! | `moment` | [`SecondMoment`]: the exact sum |
//! | `sketch` | [`FrequentDirections`]: the bounded sum |
//! | `energy` | [`Energy`], [`EnergySchedule`], [`Extension`]: what a basis must capture and what it did |
//! | `basis` | [`Basis`]: extend, project, sample the free space |
//! | `stored` | the basis at rest: f16, checked on load |
//!
//! Invariants: a basis is orthonormal within 1e-3 and never holds more than `D / 2` directions of `D` numbers; the
//! `D x D` projector is never formed. Project deltas *after* momentum, Adam and decay: projecting gradients alone does
//! not hold, because Adam rescales per coordinate (`tests/subspace.rs` shows it failing).
//!
//! Does not choose what to protect: callers push raw inputs, centred inputs, class means, or rows weighted by their
//! gradient. Sources: GPM (arXiv 2103.09762) for the residual rule, DualGPM (InfLoRA, arXiv 2404.00228) for the flip,
//! PEGP (arXiv 2405.13383), Frequent Directions (arXiv 1501.01711).

mod basis;
mod energy;
mod moment;
mod sketch;
mod stored;

pub use basis::Basis;
pub use energy::{Captured, Energy, EnergySchedule, Extension};
pub use moment::SecondMoment;
pub use sketch::FrequentDirections;
