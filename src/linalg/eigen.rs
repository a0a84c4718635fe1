//! Symmetric eigenvalues and singular values.

use alloc::vec::Vec;

use faer::dyn_stack::{MemBuffer, MemStack};
use faer::linalg::{evd, svd};
use faer::{Mat, diag::Diag};
use ndarray::{Array2, ArrayView2};

use super::SEQUENTIAL;
use super::view::{check_finite, check_square, to_array, with_view};
use crate::error::Result;

/// `A = V diag(values) Vᵀ` of a symmetric matrix.
#[derive(Clone, Debug)]
pub struct Eigh {
    /// Eigenvalues, largest first.
    pub values: Vec<f64>,
    /// `[n, n]`, column `j` belongs to `values[j]`; the entry of largest magnitude in a column is positive, so that
    /// the same matrix gives the same vectors in every version of the library below.
    pub vectors: Array2<f64>,
}

/// Thin singular value decomposition `A = U diag(values) Vᵀ` of `[m, n]`, with `k = min(m, n)`.
#[derive(Clone, Debug)]
pub struct Svd {
    /// `[m, k]`, orthonormal columns.
    pub u: Array2<f64>,
    /// Singular values, largest first.
    pub values: Vec<f64>,
    /// `[k, n]`, orthonormal rows.
    pub vt: Array2<f64>,
}

/// Eigendecomposition of a symmetric matrix; only the lower triangle is read.
///
/// # Errors
/// `Shape` when not square, `Numeric` on NaN or infinity or when the iteration fails.
pub fn eigh(a: ArrayView2<'_, f64>) -> Result<Eigh> {
    let n = check_square("eigh", a)?;
    check_finite("eigh", a)?;
    let (mut values, mut vectors) = (Diag::<f64>::zeros(n), Mat::<f64>::zeros(n, n));
    let scratch = evd::self_adjoint_evd_scratch::<f64>(
        n,
        evd::ComputeEigenvectors::Yes,
        SEQUENTIAL,
        Default::default(),
    );
    let mut memory = MemBuffer::new(scratch);
    with_view(a, |a| {
        evd::self_adjoint_evd(
            a,
            values.as_mut(),
            Some(vectors.as_mut()),
            SEQUENTIAL,
            MemStack::new(&mut memory),
            Default::default(),
        )
    })
    .map_err(|_| crate::err!(Numeric, "eigh: no convergence on a {n} x {n} matrix"))?;
    let signs: Vec<f64> = (0..n).map(|j| sign(vectors.col(j).iter())).collect();
    Ok(Eigh {
        values: (0..n).rev().map(|j| values[j]).collect(),
        vectors: Array2::from_shape_fn((n, n), |(i, j)| signs[n - 1 - j] * vectors[(i, n - 1 - j)]),
    })
}

/// The sign of the entry of largest magnitude.
fn sign<'a>(column: impl Iterator<Item = &'a f64>) -> f64 {
    let peak = column.fold(0.0_f64, |best, &x| if x.abs() > best.abs() { x } else { best });
    if peak < 0.0 { -1.0 } else { 1.0 }
}

/// Thin singular value decomposition.
///
/// # Errors
/// `Numeric` on NaN or infinity or when the iteration fails.
pub fn svd_thin(a: ArrayView2<'_, f64>) -> Result<Svd> {
    check_finite("svd", a)?;
    let (m, n) = a.dim();
    let k = m.min(n);
    let (mut u, mut v, mut values) =
        (Mat::<f64>::zeros(m, k), Mat::<f64>::zeros(n, k), Diag::<f64>::zeros(k));
    let thin = svd::ComputeSvdVectors::Thin;
    let scratch = svd::svd_scratch::<f64>(m, n, thin, thin, SEQUENTIAL, Default::default());
    let mut memory = MemBuffer::new(scratch);
    with_view(a, |a| {
        svd::svd(
            a,
            values.as_mut(),
            Some(u.as_mut()),
            Some(v.as_mut()),
            SEQUENTIAL,
            MemStack::new(&mut memory),
            Default::default(),
        )
    })
    .map_err(|_| crate::err!(Numeric, "svd: no convergence on a {m} x {n} matrix"))?;
    Ok(Svd {
        u: to_array(u.as_ref()),
        values: (0..k).map(|j| values[j]).collect(),
        vt: to_array(v.as_ref().transpose()),
    })
}
