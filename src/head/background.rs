//! How far rows are from everything, from how far they are from the centres.
//!
//! ```text
//! T = S + M M'          M = [sqrt(n_k / N) (m_k - m)]_k, m the mean of all rows
//! |x - m|^2_T = |x - m|^2_S - v' C v          v = M' S^-1 (x - m),  C = (1 + M' S^-1 M)^-1      (Woodbury)
//! ```
//!
//! In the difference to the distance from the nearest centre, what `x` alone contributes under `S` falls out, and all that is
//! left are the products `x' S^-1 m_k`, which the scores are made of. So nothing as wide as a feature is kept twice.

use ndarray::{Array1, Array2, ArrayView1, Axis};

use super::metric::{Metric, fewer, rest};
use crate::error::Result;
use crate::linalg::Cholesky;

/// What is needed besides scores.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Background {
    /// `n_k / N`.
    shares: Array1<f64>,
    /// `m_k' S^-1 m_k`.
    squares: Array1<f64>,
    /// `m_k' S^-1 m`.
    to_mean: Array1<f64>,
    /// `m' S^-1 m`.
    mean_square: f64,
    /// `C`.
    inner: Array2<f64>,
}

impl Background {
    pub(super) fn new(metric: &Metric) -> Result<Self> {
        let shares = &metric.counts / metric.counts.sum().max(1.0);
        let products = metric.means.dot(&metric.weights);
        let to_mean = products.dot(&shares);
        let mean_square = to_mean.dot(&shares);
        let roots = shares.mapv(f64::sqrt);
        let mut inner = Array2::from_shape_fn(products.dim(), |(i, j)| {
            roots[i] * roots[j] * (products[[i, j]] - to_mean[i] - to_mean[j] + mean_square)
        });
        inner.diag_mut().mapv_inplace(|x| x + 1.0);
        let inner = Cholesky::new(inner.view(), 0.0)?.solve(Array2::eye(shares.len()).view())?;
        Ok(Self { squares: products.diag().to_owned(), shares, to_mean, mean_square, inner })
    }

    /// `v` of a row from its products `x' S^-1 m_k`.
    fn spread(&self, products: ArrayView1<'_, f64>) -> Array1<f64> {
        let along = products.dot(&self.shares);
        let spread = &products - &self.to_mean - along + self.mean_square;
        spread * self.shares.mapv(f64::sqrt)
    }

    /// `min_k |x - m_k|^2_S - |x - m|^2_T` from scores `x' S^-1 m_k - m_k' S^-1 m_k / 2`, `[n, centres]`.
    pub(super) fn novelty(&self, scores: &Array2<f64>) -> Array1<f64> {
        let of = |row: ArrayView1<'_, f64>| {
            let products = &row + &(&self.squares * 0.5);
            let best = row.iter().zip(&self.shares).filter(|(_, n)| **n > 0.0);
            let best = best.map(|(s, _)| *s).fold(f64::NEG_INFINITY, f64::max);
            let v = self.spread(products.view());
            2.0 * products.dot(&self.shares) - self.mean_square + v.dot(&self.inner.dot(&v)) - 2.0 * best
        };
        scores.map_axis(Axis(1), of)
    }

    /// The same for rows that *were* observed, with these centres and held-out distances, as if they had not been: each is taken out of its centre and of `S`
    /// of everything by rank-one updates, as [`Novelty`](super::Novelty) does it.
    pub(super) fn held_out(
        &self,
        metric: &Metric,
        rows: &Array2<f64>,
        distances: &Array2<f64>,
        centres: &[usize],
    ) -> Result<Array1<f64>> {
        let nearest = distances.map_axis(Axis(1), |row| row.iter().copied().fold(f64::INFINITY, f64::min));
        let products = rows.dot(&metric.weights);
        let squares = metric.squares(rows)?;
        let total = metric.counts.sum();
        let rise = total / (total - 1.0).max(1.0);
        let mut out = nearest;
        for (i, &own) in centres.iter().enumerate() {
            let (grown, alpha) = metric.leaving(own);
            let x = products.row(i);
            // Under S: |x - m|^2, |x - m_own|^2 and their product; then the same under T.
            let along = x.dot(&self.shares);
            let from_mean = squares[i] - 2.0 * along + self.mean_square;
            let from_own = squares[i] - 2.0 * x[own] + self.squares[own];
            let both = squares[i] - x[own] - along + self.to_mean[own];
            let (u, v) = (self.spread(x), self.spread(x) - self.spread_of(metric, own));
            let (cu, cv) = (self.inner.dot(&u), self.inner.dot(&v));
            let (from_mean, from_own, both) =
                (from_mean - u.dot(&cu), from_own - v.dot(&cv), both - u.dot(&cv));
            // Without the row T is T + beta v v' - u u' / (N - 1) but for its scale; v is the row less its centre, u less m.
            let beta = grown / total - alpha;
            let square = from_mean - beta * both * both / rest(-beta * from_own);
            out[i] -= fewer(total) * rise * rise * square / rest(rise / total * square);
        }
        Ok(out)
    }

    /// `v` of a centre.
    fn spread_of(&self, metric: &Metric, centre: usize) -> Array1<f64> {
        self.spread(metric.means.row(centre).dot(&metric.weights).view())
    }
}
