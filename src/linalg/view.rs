//! Crossing between ndarray and faer.

use alloc::vec::Vec;

use faer::{MatMut, MatRef};
use ndarray::{Array2, ArrayView2, ArrayViewMut2, LinalgScalar};

use crate::error::Result;

/// The two float widths that products are offered in.
pub trait Real: LinalgScalar + faer::traits::ComplexField + PartialOrd + core::ops::AddAssign {
    /// Whether the number is neither NaN nor infinite.
    fn finite(self) -> bool;

    /// Widened.
    fn to_f64(self) -> f64;

    /// Rounded.
    fn from_f64(x: f64) -> Self;
}

impl Real for f32 {
    fn finite(self) -> bool {
        self.is_finite()
    }

    fn to_f64(self) -> f64 {
        f64::from(self)
    }

    fn from_f64(x: f64) -> Self {
        x as f32
    }
}

impl Real for f64 {
    fn finite(self) -> bool {
        self.is_finite()
    }

    fn to_f64(self) -> f64 {
        self
    }

    fn from_f64(x: f64) -> Self {
        x
    }
}

/// Lends `a` to faer: by reference when rows or columns are contiguous, else through a copy.
pub(super) fn with_view<T: Real, R>(a: ArrayView2<'_, T>, f: impl FnOnce(MatRef<'_, T>) -> R) -> R {
    let (rows, cols) = a.dim();
    if let Some(slice) = a.as_slice() {
        return f(MatRef::from_row_major_slice(slice, rows, cols));
    }
    if let Some(slice) = a.t().as_slice() {
        return f(MatRef::from_column_major_slice(slice, rows, cols));
    }
    let copy: Vec<T> = a.iter().copied().collect();
    f(MatRef::from_row_major_slice(&copy, rows, cols))
}

/// Lends a row-major array to faer for writing; `None` when it is not contiguous.
pub(super) fn view_mut<'a, T: Real>(a: &'a mut ArrayViewMut2<'_, T>) -> Option<MatMut<'a, T>> {
    let (rows, cols) = a.dim();
    a.as_slice_mut().map(|slice| MatMut::from_row_major_slice_mut(slice, rows, cols))
}

/// Copies a faer matrix out.
pub(super) fn to_array(m: MatRef<'_, f64>) -> Array2<f64> {
    Array2::from_shape_fn((m.nrows(), m.ncols()), |(i, j)| m[(i, j)])
}

/// Refuses NaN and infinity, naming the first.
pub(super) fn check_finite<T: Real>(what: &str, a: ArrayView2<'_, T>) -> Result<()> {
    match a.indexed_iter().find(|(_, x)| !x.finite()) {
        None => Ok(()),
        Some(((i, j), _)) => {
            crate::bail!(Numeric, "{what}: entry ({i}, {j}) is not finite; drop the sample it came from")
        }
    }
}

/// Refuses a matrix that is not square.
pub(super) fn check_square(what: &str, a: ArrayView2<'_, f64>) -> Result<usize> {
    let (n, m) = a.dim();
    if n != m {
        crate::bail!(Shape, "{what} needs a square matrix, got {n} x {m}");
    }
    Ok(n)
}
