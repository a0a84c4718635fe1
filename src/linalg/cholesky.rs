//! Symmetric positive definite systems.

use faer::dyn_stack::{MemBuffer, MemStack};
use faer::linalg::cholesky::llt::{factor, solve};
use faer::linalg::matmul::triangular::{self, BlockStructure};
use faer::linalg::triangular_solve::solve_lower_triangular_in_place;
use faer::{Accum, Mat};
use ndarray::{Array2, ArrayView2};
#[cfg(not(feature = "std"))]
use num_traits::Float;

use super::view::{Real, check_finite, check_square, to_array, with_view};
use super::{PackedGram, SEQUENTIAL};
use crate::error::Result;

/// `A = L Lᵀ`, factored once (`n³/3` multiply-adds), solved as often as needed (`n²` a right-hand side).
#[derive(Clone, Debug)]
pub struct Cholesky {
    lower: Mat<f64>,
}

impl Cholesky {
    /// Factors `a + shift I`; only the lower triangle of `a` is read.
    ///
    /// # Errors
    /// `Shape` when not square, `Numeric` on NaN or infinity or when `a + shift I` is not positive definite.
    pub fn new(a: ArrayView2<'_, f64>, shift: f64) -> Result<Self> {
        let n = check_square("Cholesky", a)?;
        check_finite("Cholesky", a)?;
        let mut lower = Mat::<f64>::zeros(n, n);
        with_view(a, |a| lower.copy_from_triangular_lower(a));
        Self::factor(lower, shift)
    }

    /// Factors `gram + shift I` without an unpacked copy beside the factor.
    ///
    /// # Errors
    /// `Numeric` when it is not positive definite.
    pub fn of_gram<T: Real>(gram: &PackedGram<T>, shift: f64) -> Result<Self> {
        Self::of_scaled_gram(gram, 1.0, shift)
    }

    /// Factors `scale gram + shift I` in the same way.
    ///
    /// # Errors
    /// As [`Cholesky::of_gram`].
    pub fn of_scaled_gram<T: Real>(gram: &PackedGram<T>, scale: f64, shift: f64) -> Result<Self> {
        let mut lower = Mat::<f64>::zeros(gram.width(), gram.width());
        gram.fill_lower(&mut lower, scale);
        Self::factor(lower, shift)
    }

    /// Factors `gram + Rᵀ R + shift I` for `rows: [k, n]` in the same way.
    ///
    /// # Errors
    /// As [`Cholesky::of_gram`], and `Shape` when `rows` has another number of columns.
    pub fn of_gram_and_rows<T: Real>(
        gram: &PackedGram<T>,
        rows: ArrayView2<'_, T>,
        shift: f64,
    ) -> Result<Self> {
        let n = gram.width();
        if rows.ncols() != n {
            crate::bail!(Shape, "rows of {} columns for a {n} x {n} system", rows.ncols());
        }
        let rows = rows.mapv(Real::to_f64);
        let mut lower = Mat::<f64>::zeros(n, n);
        gram.fill_lower(&mut lower, 1.0);
        with_view(rows.view(), |rows| {
            triangular::matmul(
                lower.as_mut(),
                BlockStructure::TriangularLower,
                Accum::Add,
                rows.transpose(),
                BlockStructure::Rectangular,
                rows,
                BlockStructure::Rectangular,
                1.0,
                SEQUENTIAL,
            );
        });
        Self::factor(lower, shift)
    }

    /// Factors in place.
    fn factor(mut lower: Mat<f64>, shift: f64) -> Result<Self> {
        let n = lower.nrows();
        for i in 0..n {
            lower[(i, i)] += shift;
        }
        let scratch = factor::cholesky_in_place_scratch::<f64>(n, SEQUENTIAL, Default::default());
        let mut memory = MemBuffer::new(scratch);
        factor::cholesky_in_place(
            lower.as_mut(),
            Default::default(),
            SEQUENTIAL,
            MemStack::new(&mut memory),
            Default::default(),
        )
        .map_err(|_| {
            crate::err!(
                Numeric,
                "a {n} x {n} matrix plus {shift:e} is not positive definite; raise the shift"
            )
        })?;
        Ok(Self { lower })
    }

    /// `(a + shift I)⁻¹ b` for `b: [n, k]`.
    ///
    /// # Errors
    /// `Shape` when `b` has another number of rows.
    pub fn solve(&self, b: ArrayView2<'_, f64>) -> Result<Array2<f64>> {
        let n = self.lower.nrows();
        if b.nrows() != n {
            crate::bail!(Shape, "a right-hand side of {} rows for a {n} x {n} system", b.nrows());
        }
        let mut x = with_view(b, |b| b.to_owned());
        let mut memory = MemBuffer::new(solve::solve_in_place_scratch::<f64>(n, b.ncols(), SEQUENTIAL));
        solve::solve_in_place(self.lower.as_ref(), x.as_mut(), SEQUENTIAL, MemStack::new(&mut memory));
        Ok(to_array(x.as_ref()))
    }

    /// Columns of the inverse that [`Cholesky::inverse_trace`] holds at a time.
    pub const PANEL: usize = 256;

    /// `trace((a + shift I)⁻¹) = ‖L⁻¹‖²`; costs as much as the factorization and `n * PANEL` numbers.
    pub fn inverse_trace(&self) -> f64 {
        let n = self.lower.nrows();
        let panel = |start: usize| {
            let left = n - start;
            let corner = self.lower.as_ref().submatrix(start, start, left, left);
            let mut columns = Mat::<f64>::identity(left, left.min(Self::PANEL));
            solve_lower_triangular_in_place(corner, columns.as_mut(), SEQUENTIAL);
            columns.squared_norm_l2()
        };
        (0..n).step_by(Self::PANEL).map(panel).sum()
    }

    /// `x Lᵀ` for `x: [k, n]`: rows of covariance `a + shift I` where those of `x` are independent.
    ///
    /// # Errors
    /// `Shape` when `x` has another number of columns.
    pub fn correlate(&self, x: ArrayView2<'_, f64>) -> Result<Array2<f64>> {
        let n = self.lower.nrows();
        if x.ncols() != n {
            crate::bail!(Shape, "rows of {} columns for a {n} x {n} system", x.ncols());
        }
        let mut out = Mat::<f64>::zeros(x.nrows(), n);
        with_view(x, |x| {
            triangular::matmul(
                out.as_mut(),
                BlockStructure::Rectangular,
                Accum::Replace,
                x,
                BlockStructure::Rectangular,
                self.lower.as_ref().transpose(),
                BlockStructure::TriangularUpper,
                1.0,
                SEQUENTIAL,
            );
        });
        Ok(to_array(out.as_ref()))
    }

    /// `L` `[n, n]`, zeros above the diagonal.
    pub fn lower(&self) -> Array2<f64> {
        let n = self.lower.nrows();
        Array2::from_shape_fn((n, n), |(i, j)| if j > i { 0.0 } else { self.lower[(i, j)] })
    }

    /// `log det(a + shift I)`.
    pub fn log_det(&self) -> f64 {
        (0..self.lower.nrows()).map(|i| 2.0 * self.lower[(i, i)].ln()).sum()
    }
}

/// Solves `A X = B` once for a symmetric positive definite `A`.
///
/// # Errors
/// As [`Cholesky::new`] and [`Cholesky::solve`].
pub fn cholesky_solve(a: ArrayView2<'_, f64>, b: ArrayView2<'_, f64>) -> Result<Array2<f64>> {
    Cholesky::new(a, 0.0)?.solve(b)
}

/// Least squares with a ridge: `W: [m, k]` that minimises `‖X W - Y‖² + lambda ‖W‖²` for `x: [n, m]`, `y: [n, k]`.
///
/// # Errors
/// `Shape` on different numbers of rows, `Numeric` on NaN or infinity or when `lambda` is too small for the rank.
pub fn ridge(x: ArrayView2<'_, f64>, y: ArrayView2<'_, f64>, lambda: f64) -> Result<Array2<f64>> {
    let gram = super::matmul(x.t(), x)?;
    let moments = super::matmul(x.t(), y)?;
    Cholesky::new(gram.view(), lambda)?.solve(moments.view())
}
