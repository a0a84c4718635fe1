//! A whole covariance, held as the lower triangle `L` of `C = L Lᵀ`.
//!
//! A rounded `L` still is a root of *some* positive definite matrix, which rounded entries of `C` are not sure to be;
//! so `L` is what is stored, too.

use ndarray::{Array1, Array2, ArrayView1, ArrayView2, Axis};
#[cfg(not(feature = "std"))]
use num_traits::Float;

use crate::bail;
use crate::error::Result;
use crate::linalg::Cholesky;

/// `L` `[d, d]`, lower triangular with a positive diagonal.
#[derive(Clone, Debug, PartialEq)]
pub struct Triangle {
    lower: Array2<f64>,
}

impl Triangle {
    /// The factor of a positive definite matrix.
    pub(super) fn of(matrix: ArrayView2<f64>) -> Result<Self> {
        Self::new(Cholesky::new(matrix, 0.0)?.lower())
    }

    /// From the factor itself.
    pub(super) fn new(lower: Array2<f64>) -> Result<Self> {
        let sound = lower.iter().all(|v| v.is_finite()) && lower.diag().iter().all(|&v| v > 0.0);
        if !sound {
            bail!(
                Numeric,
                "a covariance that is not positive definite; scale the records or raise `reg_covar`"
            );
        }
        Ok(Self { lower })
    }

    /// `L`.
    pub fn lower(&self) -> ArrayView2<'_, f64> {
        self.lower.view()
    }

    /// The diagonal of `C`.
    pub(super) fn variances(&self) -> Array1<f64> {
        self.lower.map_axis(Axis(1), |row| row.dot(&row))
    }

    /// `ln det C`.
    pub(super) fn log_det(&self) -> f64 {
        2.0 * self.lower.diag().iter().map(|v| v.ln()).sum::<f64>()
    }

    /// `|L⁻¹ (x - mean)|²` by forward substitution, all records at once.
    pub(super) fn squared_distances(&self, x: ArrayView2<f64>, mean: ArrayView1<f64>) -> Array1<f64> {
        // Columns are records, so that the inner loop runs over memory that lies together.
        let mut y = (&x - &mean).reversed_axes().as_standard_layout().into_owned();
        let mut sum = Array1::zeros(x.nrows());
        for i in 0..self.lower.nrows() {
            let (solved, mut rest) = y.view_mut().split_at(Axis(0), i);
            let mut row = rest.row_mut(0);
            for (j, known) in solved.outer_iter().enumerate() {
                row.scaled_add(-self.lower[[i, j]], &known);
            }
            row /= self.lower[[i, i]];
            sum += &(&row * &row);
        }
        sum
    }
}
