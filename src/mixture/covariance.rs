//! The covariance of one component, in a form in which densities are cheap.
//!
//! | type | held | `ln N(x)` costs | bytes at rest, `K` components of width `d` |
//! |---|---|---|---|
//! | [`CovarianceType::Diagonal`] | variances | `d` | `K (4 d + 4) + 8 d` |
//! | [`CovarianceType::LowRank`] of `q` | variances, `F: [d, q]` | `d q` | `K (4 d + 2 d q + 4) + 8 d` |
//! | [`CovarianceType::Full`] | `L` of `C = L Lᵀ` | `d² / 2` | `K (2 d + d (d + 1) + 4) + 8 d` |
//!
//! Everything that a score needs is one squared Mahalanobis distance and one log determinant, so the three are told
//! apart here and nowhere else. Invariant: positive definite and finite; a constructor refuses anything else.

use ndarray::{Array1, Array2, ArrayView1, ArrayView2};
#[cfg(not(feature = "std"))]
use num_traits::Float;
use serde::{Deserialize, Serialize};

use super::full::Triangle;
use super::low_rank::LowRank;
use super::symmetric::Symmetric;
use crate::bail;
use crate::error::Result;

/// How many numbers describe the shape of a component.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum CovarianceType {
    /// Variances only. The default.
    #[default]
    Diagonal,
    /// The whole matrix, with a Normal-Wishart prior.
    Full,
    /// Fitted with variances only; then each component gets so many directions in which its features vary together.
    LowRank(u16),
}

/// A positive definite matrix `C` of `d x d`.
#[derive(Clone, Debug, PartialEq)]
pub enum Covariance {
    /// Variances `[d]`.
    Diagonal(Array1<f64>),
    /// Held as its lower Cholesky factor.
    Full(Triangle),
    /// A diagonal plus a product of thin matrices.
    LowRank(LowRank),
}

impl Covariance {
    /// From variances, or from a whole matrix by its Cholesky factor.
    pub(super) fn new(matrix: Symmetric) -> Result<Self> {
        match matrix {
            Symmetric::Diagonal(v) => Self::diagonal(v),
            Symmetric::Dense(m) => Ok(Self::Full(Triangle::of(m.view())?)),
        }
    }

    /// From variances `[d]`.
    pub(super) fn diagonal(variances: Array1<f64>) -> Result<Self> {
        if variances.iter().any(|v| !(v.is_finite() && *v > 0.0)) {
            bail!(Numeric, "a component without spread or with an infinite one; scale the records");
        }
        Ok(Self::Diagonal(variances))
    }

    /// Width `d`.
    pub fn width(&self) -> usize {
        match self {
            Self::Diagonal(v) => v.len(),
            Self::Full(t) => t.lower().nrows(),
            Self::LowRank(c) => c.diagonal().len(),
        }
    }

    /// The diagonal of `C`, `[d]`.
    pub fn variances(&self) -> Array1<f64> {
        match self {
            Self::Diagonal(v) => v.clone(),
            Self::Full(t) => t.variances(),
            Self::LowRank(c) => c.variances(),
        }
    }

    /// `C`, `[d, d]`.
    pub fn dense(&self) -> Array2<f64> {
        match self {
            Self::Diagonal(v) => Array2::from_diag(v),
            Self::Full(t) => t.lower().dot(&t.lower().t()),
            Self::LowRank(c) => c.dense(),
        }
    }

    /// `ln det C`.
    pub fn log_det(&self) -> f64 {
        match self {
            Self::Diagonal(v) => v.iter().map(|v| v.ln()).sum(),
            Self::Full(t) => t.log_det(),
            Self::LowRank(c) => c.log_det(),
        }
    }

    /// `(x - mean)ᵀ C⁻¹ (x - mean)` of every record, `[n]`. Both must have the width of `C`.
    pub fn squared_distances(&self, x: ArrayView2<f64>, mean: ArrayView1<f64>) -> Array1<f64> {
        match self {
            Self::Diagonal(v) => {
                let precisions = v.mapv(f64::recip);
                x.outer_iter()
                    .map(|row| {
                        let terms = row.iter().zip(mean).zip(&precisions);
                        terms.map(|((x, m), p)| p * (x - m) * (x - m)).sum::<f64>()
                    })
                    .collect()
            }
            Self::Full(t) => t.squared_distances(x, mean),
            Self::LowRank(c) => c.squared_distances(x, mean),
        }
    }

    /// `C + jitter I`.
    pub(crate) fn plus_identity(&self, jitter: f64) -> Result<Self> {
        match self {
            Self::Diagonal(v) => Self::diagonal(v + jitter),
            Self::Full(_) => {
                let mut dense = Symmetric::Dense(self.dense());
                dense.add_to_diagonal(jitter);
                Self::new(dense)
            }
            Self::LowRank(c) => {
                Ok(Self::LowRank(LowRank::new(&c.diagonal() + jitter, c.factor().to_owned())?))
            }
        }
    }

    /// `a self + b other + a b gap gapᵀ` with `a + b = 1`: the covariance of two components taken as one, of the type
    /// of `self`. A low-rank one keeps its rank: the nearest of that rank.
    pub(super) fn pooled(&self, a: f64, other: &Self, b: f64, gap: ArrayView1<f64>) -> Result<Self> {
        let mut sum = match (self, other) {
            (Self::Diagonal(_), _) => Symmetric::Diagonal(self.variances()),
            _ => Symmetric::Dense(self.dense()),
        };
        sum.scale(a);
        sum.add(
            b,
            &match sum {
                Symmetric::Diagonal(_) => Symmetric::Diagonal(other.variances()),
                Symmetric::Dense(_) => Symmetric::Dense(other.dense()),
            },
        );
        sum.add_outer(a * b, gap);
        match (self, sum) {
            (Self::LowRank(c), Symmetric::Dense(m)) => Ok(Self::LowRank(LowRank::nearest(&m, c.rank())?)),
            (_, sum) => Self::new(sum),
        }
    }
}
