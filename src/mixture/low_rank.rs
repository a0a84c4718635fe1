//! `C = D + F Fᵀ`: variances, and a few directions in which features vary together.
//!
//! With `M = I + Fᵀ D⁻¹ F = R Rᵀ` of `q x q` and `G = R⁻¹ Fᵀ D⁻¹`,
//!
//! ```text
//! rᵀ C⁻¹ r = rᵀ D⁻¹ r - |G r|²            Woodbury: d q multiplications
//! ln det C = ln det D + ln det M          determinant lemma
//! ```
//!
//! `of_scatter`, beside the fit, makes it after a diagonal fit (methods.md A.4). The scatter of few points is mostly chance, so
//! its correlations are shrunk by `rho = min(1, d / N_j)`: with fewer points than features nothing is left of them. The
//! variances are those of the fit, prior included; of the correlation matrix the top `q` eigenpairs stay and the others
//! count as their mean (as in probabilistic principal components), so that every variance is kept exactly.

use ndarray::{Array1, Array2, ArrayView1, ArrayView2, Axis, s};
#[cfg(not(feature = "std"))]
use num_traits::Float;

use crate::bail;
use crate::error::Result;
use crate::linalg::{Cholesky, eigh};

/// A diagonal plus `q` directions.
#[derive(Clone, Debug, PartialEq)]
pub struct LowRank {
    diagonal: Array1<f64>,
    factor: Array2<f64>,
    /// `G` `[q, d]`.
    fold: Array2<f64>,
    log_det: f64,
}

impl LowRank {
    /// From `D` `[d]` and `F` `[d, q]`.
    pub(super) fn new(diagonal: Array1<f64>, factor: Array2<f64>) -> Result<Self> {
        let positive = diagonal.iter().all(|v| v.is_finite() && *v > 0.0);
        if !positive || factor.iter().any(|v| !v.is_finite()) {
            bail!(Numeric, "a low-rank covariance that is not positive definite; scale the records");
        }
        let weighted = &factor / &diagonal.view().insert_axis(Axis(1));
        let root =
            Cholesky::new((factor.t().dot(&weighted) + Array2::<f64>::eye(factor.ncols())).view(), 0.0)?;
        let log_det = diagonal.iter().map(|v| v.ln()).sum::<f64>() + root.log_det();
        let mut fold = weighted.reversed_axes().as_standard_layout().into_owned();
        let lower = root.lower();
        for i in 0..fold.nrows() {
            let (solved, mut rest) = fold.view_mut().split_at(Axis(0), i);
            let mut row = rest.row_mut(0);
            solved.outer_iter().enumerate().for_each(|(j, known)| row.scaled_add(-lower[[i, j]], &known));
            row /= lower[[i, i]];
        }
        Ok(Self { diagonal, factor, fold, log_det })
    }

    /// The covariance of this rank with the same variances as `dense` and its leading correlations.
    pub(super) fn nearest(dense: &Array2<f64>, rank: usize) -> Result<Self> {
        let width = dense.nrows();
        let rank = rank.min(width.saturating_sub(1));
        let deviations = dense.diag().mapv(f64::sqrt);
        let outer = deviations.view().insert_axis(Axis(1));
        let eigen = eigh((dense / &outer / &deviations).view())?;
        let rest: f64 = eigen.values.iter().skip(rank).sum::<f64>() / (width - rank) as f64;
        let strength: Array1<f64> =
            eigen.values.iter().take(rank).map(|v| (v - rest).max(0.0).sqrt()).collect();
        let factor = &eigen.vectors.slice(s![.., ..rank]) * &strength * outer;
        let explained = factor.map_axis(Axis(1), |row| row.dot(&row));
        // Exactly positive in theory; the floor is for rounding.
        let diagonal = &dense.diag() - &explained;
        let floor = 1e-6 * &dense.diag();
        Self::new(ndarray::Zip::from(&diagonal).and(&floor).map_collect(|d, f| d.max(*f)), factor)
    }

    /// `D` `[d]`.
    pub fn diagonal(&self) -> ArrayView1<'_, f64> {
        self.diagonal.view()
    }

    /// `F` `[d, q]`.
    pub fn factor(&self) -> ArrayView2<'_, f64> {
        self.factor.view()
    }

    /// `q`.
    pub fn rank(&self) -> usize {
        self.factor.ncols()
    }

    /// The diagonal of `C`.
    pub(super) fn variances(&self) -> Array1<f64> {
        self.factor.map_axis(Axis(1), |row| row.dot(&row)) + &self.diagonal
    }

    /// `C`.
    pub(super) fn dense(&self) -> Array2<f64> {
        self.factor.dot(&self.factor.t()) + Array2::from_diag(&self.diagonal)
    }

    /// `ln det C`.
    pub(super) fn log_det(&self) -> f64 {
        self.log_det
    }

    /// `(x - mean)ᵀ C⁻¹ (x - mean)`, `[n]`.
    pub(super) fn squared_distances(&self, x: ArrayView2<f64>, mean: ArrayView1<f64>) -> Array1<f64> {
        let precisions = self.diagonal.mapv(f64::recip);
        x.outer_iter()
            .map(|row| {
                let off = &row - &mean;
                let plain: f64 = off.iter().zip(&precisions).map(|(r, p)| p * r * r).sum();
                let explained = self.fold.dot(&off);
                plain - explained.dot(&explained)
            })
            .collect()
    }
}
