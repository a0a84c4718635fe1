//! `B A` as a change of a weight, wherever the weight lies.

use ndarray::{Array2, ArrayView2, ArrayViewMut2};

use crate::error::Result;

/// `scaling * B A`, `[out, in]`, in f64: `a` is `[rank, in]`, `b` is `[out, rank]`.
///
/// # Errors
/// [`Shape`](crate::ErrorKind::Shape) where ranks differ.
pub fn delta(a: ArrayView2<'_, f32>, b: ArrayView2<'_, f32>, scaling: f32) -> Result<Array2<f64>> {
    if a.nrows() != b.ncols() {
        crate::bail!(Shape, "A {:?} and B {:?} have different ranks", a.shape(), b.shape());
    }
    Ok(b.mapv(f64::from).dot(&a.mapv(f64::from)) * f64::from(scaling))
}

/// Adds `scaling * B A` to a weight `[out, in]`. The sum is made in f64 and rounded once.
///
/// # Errors
/// [`Shape`](crate::ErrorKind::Shape) where A, B and the weight do not fit.
pub fn fold(
    mut weight: ArrayViewMut2<'_, f32>,
    a: ArrayView2<'_, f32>,
    b: ArrayView2<'_, f32>,
    scaling: f32,
) -> Result<()> {
    let delta = delta(a, b, scaling)?;
    if delta.dim() != weight.dim() {
        crate::bail!(
            Shape,
            "A {:?} and B {:?} do not fit a weight {:?}",
            a.shape(),
            b.shape(),
            weight.shape()
        );
    }
    weight.zip_mut_with(&delta, |w, &d| *w = (f64::from(*w) + d) as f32);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ErrorKind;
    use crate::linalg::gaussian;

    #[test]
    fn a_weight_takes_the_adapter_up_rounded_once() {
        let (a, b, weight) = (gaussian(1, 2, 5), gaussian(2, 3, 2), gaussian(3, 3, 5));
        let mut folded = weight.clone();
        fold(folded.view_mut(), a.view(), b.view(), 0.5).unwrap();
        for ((i, j), &now) in folded.indexed_iter() {
            let product: f64 = (0..2).map(|r| f64::from(b[[i, r]]) * f64::from(a[[r, j]])).sum();
            assert_eq!(now, (f64::from(weight[[i, j]]) + 0.5 * product) as f32);
        }
        let wrong = fold(folded.view_mut(), b.view(), a.view(), 0.5);
        assert_eq!(wrong.unwrap_err().kind(), ErrorKind::Shape);
    }
}
