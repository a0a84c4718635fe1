//! The ridge parameter by generalised cross-validation, from the sums alone.
//!
//! With `G = Φᵀ Φ`, `Q = Φᵀ Y`, one-hot `Y` of `n` rows and `W = (G + λ I)⁻¹ Q`:
//!
//! ```text
//! RSS(λ) = ‖Y - Φ W‖² = n - <Q, W> - λ ‖W‖²        df(λ) = tr(G (G + λ I)⁻¹) = M - λ tr((G + λ I)⁻¹)
//! GCV(λ) = (RSS / n) / (1 - df / n)²
//! ```
//!
//! Each λ costs one Cholesky factor and its inverse's trace. That beats one eigendecomposition, which is bound by
//! memory, because a search needs about four. GCV is smooth and has one
//! valley in every set measured, so the search walks decades downhill and ends in the vertex of a parabola.
//!
//! λ is searched relative to the mean eigenvalue `tr(G) / M`, so the scale of the features does not matter. All in f64:
//! in f32, with `n < M`, the small eigenvalues are noise and the choice with them. With `n < M` GCV also tends to
//! 0 / 0 as λ falls, which is why λ that leave next to no residual or freedom are not considered.

use ndarray::Array2;
#[cfg(not(feature = "std"))]
use num_traits::Float;

use crate::error::Result;
use crate::linalg::{Cholesky, PackedGram, Real};

/// Where the walk starts, and its limits, as `log10(λ M / tr G)`.
const START: i32 = -2;
const LOWEST: i32 = -9;
const HIGHEST: i32 = 3;

/// Below this share of the rows, residual and freedom are differences of rounded sums: GCV would be 0 / 0.
const ROUNDING: f64 = 1e-3;

/// The λ of least GCV for sums over `rows` rows; `moments` is `Q: [M, C]`.
///
/// # Errors
/// `Numeric` when no λ in range gives a positive definite system.
pub(super) fn best_lambda(gram: &PackedGram<impl Real>, moments: &Array2<f64>, rows: u64) -> Result<f64> {
    let scale = (gram.trace() / gram.width() as f64).max(f64::MIN_POSITIVE);
    let log_gcv = |decade: i32| gcv(gram, moments, rows as f64, scale * 10_f64.powi(decade)).ln();
    let (mut at, mut here) = (START, log_gcv(START));
    let (mut left, mut right) = (log_gcv(at - 1), log_gcv(at + 1));
    while at > LOWEST && left < here {
        (at, right, here) = (at - 1, here, left);
        left = log_gcv(at - 1);
    }
    // Also out of where nothing can be solved, as with a handful of rows.
    while at < HIGHEST && (right < here || here == f64::INFINITY) {
        (at, left, here) = (at + 1, here, right);
        right = log_gcv(at + 1);
    }
    if !here.is_finite() {
        crate::bail!(
            Numeric,
            "no ridge parameter makes the sums of {rows} rows solvable; observe more images"
        );
    }
    let curvature = left - 2.0 * here + right;
    let vertex =
        if curvature > 0.0 && curvature.is_finite() { 0.5 * (left - right) / curvature } else { 0.0 };
    Ok(scale * 10_f64.powf(f64::from(at) + vertex.clamp(-0.5, 0.5)))
}

/// GCV(λ); infinite where the system cannot be solved or leaves no degree of freedom.
fn gcv(gram: &PackedGram<impl Real>, moments: &Array2<f64>, n: f64, lambda: f64) -> f64 {
    let Ok(factor) = Cholesky::of_gram(gram, lambda) else { return f64::INFINITY };
    let Ok(weights) = factor.solve(moments.view()) else { return f64::INFINITY };
    let fit = moments.iter().zip(&weights).map(|(q, w)| q * w).sum::<f64>();
    let norm = weights.iter().map(|w| w * w).sum::<f64>();
    let residual = n - fit - lambda * norm;
    let freedom = n - (gram.width() as f64 - lambda * factor.inverse_trace());
    if residual > ROUNDING * n && freedom > ROUNDING * n {
        residual * n / (freedom * freedom)
    } else {
        f64::INFINITY
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::linalg::{eigh, gaussian};

    /// Sums of `n` rows of `m` lifted features, four classes that overlap.
    fn sums(n: usize, m: usize) -> (PackedGram<f64>, Array2<f64>) {
        let (centres, random) = (gaussian(1, 4, 10), gaussian(2, 10, m));
        let mut features = gaussian(3, n, 10);
        features.rows_mut().into_iter().enumerate().for_each(|(i, mut row)| row += &centres.row(i % 4));
        let phi = features.dot(&random).mapv(|x| f64::from(x.max(0.0)));
        let targets = Array2::from_shape_fn((n, 4), |(i, c)| f64::from(u8::from(i % 4 == c)));
        let mut gram = PackedGram::new(m);
        gram.add_rows(phi.view(), 1.0).unwrap();
        (gram, phi.t().dot(&targets))
    }

    /// The same from one eigendecomposition, by the textbook.
    fn gcv_by_eigenvalues(gram: &PackedGram<f64>, moments: &Array2<f64>, n: f64, lambda: f64) -> f64 {
        let eigh = eigh(gram.dense().view()).unwrap();
        let rotated = eigh.vectors.t().dot(moments);
        let (mut residual, mut freedom) = (n, n);
        for (value, row) in eigh.values.iter().zip(rotated.rows()) {
            let square = row.dot(&row);
            residual += square * (value / (value + lambda).powi(2) - 2.0 / (value + lambda));
            freedom -= value / (value + lambda);
        }
        residual * n / (freedom * freedom)
    }

    #[test]
    fn cholesky_and_eigenvalues_give_one_curve_and_the_search_ends_in_its_valley() {
        for (n, m) in [(600, 60), (300, 200), (100, 200), (40, 150)] {
            let (gram, moments) = sums(n, m);
            let scale = gram.trace() / m as f64;
            let mut least = f64::INFINITY;
            for step in -60..=20 {
                let lambda = scale * 10_f64.powf(f64::from(step) / 10.0);
                let (a, b) = (
                    gcv(&gram, &moments, n as f64, lambda),
                    gcv_by_eigenvalues(&gram, &moments, n as f64, lambda),
                );
                if a.is_finite() {
                    assert!((a / b - 1.0).abs() < 1e-6, "n {n}, m {m}, step {step}: {a} and {b}");
                    least = least.min(a);
                }
            }
            let found = best_lambda(&gram, &moments, n as u64).unwrap();
            let there = gcv(&gram, &moments, n as f64, found);
            println!("n {n} m {m}: {:.2} decades, {there} of {least}", (found / scale).log10());
            assert!(there <= 1.05 * least, "n {n}, m {m}: {there} against {least}");
        }
    }

    #[test]
    fn nothing_to_solve_is_an_error() {
        let empty = PackedGram::<f64>::new(3);
        assert!(best_lambda(&empty, &Array2::zeros((3, 2)), 0).is_err());
    }
}
