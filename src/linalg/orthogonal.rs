//! Orthonormal bases by Householder reflections.

use faer::Mat;
use faer::dyn_stack::{MemBuffer, MemStack};
use faer::linalg::{householder, qr::no_pivoting::factor};
use ndarray::{Array2, ArrayView2};

use super::SEQUENTIAL;
use super::view::{check_finite, to_array, with_view};
use crate::error::Result;

/// Orthonormal columns `Q: [m, min(m, n)]` with `A = Q R`; the first `j` columns span those of `A` wherever the first
/// `j` columns of `A` are independent.
///
/// # Errors
/// `Numeric` on NaN or infinity.
pub fn qr(a: ArrayView2<'_, f64>) -> Result<Array2<f64>> {
    let k = a.nrows().min(a.ncols());
    householder_columns(a, 0, k)
}

/// Orthonormal columns `[m, m - n]` that complete the `n <= m` independent columns of `a: [m, n]` to a basis.
///
/// # Errors
/// `Shape` when there are more columns than rows, `Numeric` on NaN or infinity.
pub fn complement(a: ArrayView2<'_, f64>) -> Result<Array2<f64>> {
    let (m, n) = a.dim();
    if n > m {
        crate::bail!(Shape, "{n} columns of length {m} cannot be independent; pass at most {m}");
    }
    householder_columns(a, n, m)
}

/// Columns `from..to` of the full `[m, m]` orthogonal factor.
fn householder_columns(a: ArrayView2<'_, f64>, from: usize, to: usize) -> Result<Array2<f64>> {
    check_finite("qr", a)?;
    let (m, n) = a.dim();
    let block = factor::recommended_block_size::<f64>(m, n);
    let mut basis = with_view(a, |a| a.to_owned());
    let mut coefficients = Mat::<f64>::zeros(block, m.min(n));
    let scratch = factor::qr_in_place_scratch::<f64>(m, n, block, SEQUENTIAL, Default::default());
    let mut memory = MemBuffer::new(scratch);
    factor::qr_in_place(
        basis.as_mut(),
        coefficients.as_mut(),
        SEQUENTIAL,
        MemStack::new(&mut memory),
        Default::default(),
    );
    let mut q = Mat::<f64>::from_fn(m, to - from, |i, j| f64::from(u8::from(i == j + from)));
    let scratch = householder::apply_block_householder_sequence_on_the_left_in_place_scratch::<f64>(
        m,
        block,
        to - from,
    );
    let mut memory = MemBuffer::new(scratch);
    householder::apply_block_householder_sequence_on_the_left_in_place_with_conj(
        basis.as_ref().subcols(0, m.min(n)),
        coefficients.as_ref(),
        faer::Conj::No,
        q.as_mut(),
        SEQUENTIAL,
        MemStack::new(&mut memory),
    );
    Ok(to_array(q.as_ref()))
}
