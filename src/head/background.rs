//! How far rows are from everything, from how far they are from the centres.
//!
//! ```text
//! T = S + M M'          M = [sqrt(n_k / N) (m_k - m)]_k, m the mean of all rows
//! |x - m|^2_T = |x - m|^2_S - v' C v          v = M' S^-1 (x - m),  C = (1 + M' S^-1 M)^-1      (Woodbury)
//! ```
//!
//! In the difference to the distance from the nearest centre, what `x` alone contributes under `S` falls out, and all that is
//! left are the products `x' S^-1 m_k`, which the scores are made of. So nothing as wide as a feature is kept twice.

use alloc::vec::Vec;

use ndarray::{Array1, Array2, ArrayView1, Axis};
#[cfg(not(feature = "std"))]
use num_traits::Float;

use super::leaving::Everything;
use super::metric::{Asked, Metric};
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

    /// The same for pictures that *were* observed, with these centres and held-out distances, as if they had not been: each
    /// is taken out of its centre and of `S` and `T` with all its crops.
    pub(super) fn held_out(
        &self,
        metric: &Metric,
        asked: &Asked,
        distances: &Array2<f64>,
        centres: &[usize],
    ) -> Result<Array1<f64>> {
        let nearest = distances.map_axis(Axis(1), |row| row.iter().copied().fold(f64::INFINITY, f64::min));
        let mut out = nearest;
        for (i, &own) in centres.iter().enumerate() {
            let (total, share) = (metric.counts.sum(), metric.share());
            let everything = Everything { total, share, stay: metric.staying(own, asked.crops) };
            out[i] -= everything.square(&self.products(metric, asked, i, own))?;
        }
        Ok(out)
    }

    /// Products under `T^-1` of the crops of picture `i`, less the mean of all and less their centre.
    fn products(&self, metric: &Metric, asked: &Asked, i: usize, own: usize) -> Array2<f64> {
        let (g, dots, cross) = (asked.crops, asked.dots(i), asked.cross(i));
        let along = cross.dot(&self.shares);
        let inner = asked.less(dots, &cross, own, self.squares[own]);
        let of_centre = self.spread_of(metric, own);
        let spread: Vec<Array1<f64>> = (0..2 * g)
            .map(|a| match a < g {
                true => self.spread(cross.row(a)),
                false => self.spread(cross.row(a - g)) - &of_centre,
            })
            .collect();
        Array2::from_shape_fn((2 * g, 2 * g), |(a, b)| {
            let (low, high) = (a.min(b), a.max(b));
            let under_s = match (low < g, high < g) {
                (true, true) => dots[[low, high]] - along[low] - along[high] + self.mean_square,
                (true, false) => {
                    dots[[low, high - g]] - cross[[low, own]] - along[high - g] + self.to_mean[own]
                }
                _ => inner[[low - g, high - g]],
            };
            under_s - spread[a].dot(&self.inner.dot(&spread[b]))
        })
    }

    /// `v` of a centre.
    fn spread_of(&self, metric: &Metric, centre: usize) -> Array1<f64> {
        self.spread(metric.means.row(centre).dot(&metric.weights).view())
    }
}
