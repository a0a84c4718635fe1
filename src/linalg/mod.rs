//! Dense linear algebra: thin wrappers that take and return `ndarray` arrays; every algorithm is faer's.
//!
//! Floor 1. Decompositions work in `f64`, where a rank decision or a tiny ridge survives; products exist in both widths.
//!
//! | file | holds |
//! |---|---|
//! | `view` | ndarray to faer and back without a copy where the layout allows, the finite check |
//! | `product` | [`matmul`], and [`PackedGram`]: `G += XᵀX` in packed storage |
//! | `rounded` | [`RoundedGram`]: the same, its mean at rest in f16 |
//! | `halves` | [`to_halves`]: f16 as bytes, which is how numbers rest |
//! | `eigen` | [`eigh`], [`svd_thin`] |
//! | `orthogonal` | [`qr`], [`complement`] |
//! | `cholesky` | [`Cholesky`], [`cholesky_solve`], [`ridge`] |
//! | `rows` | [`unit_rows`] |
//! | `random` | [`gaussian`], a matrix that a state can keep as one seed |
//!
//! Invariants: everything runs on the calling thread, so results do not depend on a thread count (faer's parallel
//! eigensolver differs in the last bits). NaN or infinity going in is
//! `ErrorKind::Numeric` coming out, never a loop or a panic.
//!
//! Knows nothing about features, classes or adapters.

mod cholesky;
mod eigen;
mod halves;
mod orthogonal;
mod product;
mod random;
mod rounded;
mod rows;
mod view;

pub use cholesky::{Cholesky, cholesky_solve, ridge};
pub use eigen::{Eigh, Svd, eigh, svd_thin};
pub use halves::{from_halves, to_halves};
pub use orthogonal::{complement, qr};
pub use product::{PackedGram, matmul};
pub use random::{GAUSSIAN, Gaussian, gaussian};
pub use rounded::RoundedGram;
pub use rows::unit_rows;
pub use view::Real;

use faer::Par;

/// Every call runs on its caller's thread; see the module page.
const SEQUENTIAL: Par = Par::Seq;

#[cfg(test)]
mod tests;
