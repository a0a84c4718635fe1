//! What a component knows of the data: additive sufficient statistics.

use ndarray::{Array1, Array2, ArrayView1, ArrayView2, Axis, Zip};

use super::CovarianceType;
use super::symmetric::Symmetric;
use crate::error::Result;
use crate::linalg::matmul;

/// Weighted count `[K]`, mean `[K, d]` and scatter about that mean of the records of each component.
#[derive(Clone, Debug)]
pub(super) struct Statistics {
    pub counts: Array1<f64>,
    pub means: Array2<f64>,
    pub scatter: Vec<Symmetric>,
}

impl Statistics {
    /// From records `[n, d]` and responsibilities `[n, K]`.
    pub fn new(kind: CovarianceType, x: ArrayView2<f64>, r: &Array2<f64>) -> Result<Self> {
        // The tiny addend keeps the mean of an empty component defined; scikit-learn has the same.
        let counts = r.sum_axis(Axis(0)) + 10.0 * f64::EPSILON;
        let means = r.t().dot(&x) / counts.view().insert_axis(Axis(1));
        let scatter = means
            .outer_iter()
            .zip(r.columns())
            .map(|(mean, weights)| Symmetric::scatter(kind, x, weights, mean))
            .collect::<Result<_>>()?;
        Ok(Self { counts, means, scatter })
    }

    /// With component `j` taken into `i < j`.
    pub fn merged(&self, i: usize, j: usize) -> Self {
        let mut out = self.clone();
        let (a, b) = (self.counts[i], self.counts[j]);
        let share = b / (a + b);
        let gap = &self.means.row(j) - &self.means.row(i);
        out.counts[i] = a + b;
        out.scatter[i].add(1.0, &self.scatter[j]);
        out.scatter[i].add_outer(a * share, gap.view());
        Zip::from(out.means.row_mut(i)).and(&gap).for_each(|m, g| *m += share * g);
        let rest: Vec<usize> = (0..self.counts.len()).filter(|&l| l != j).collect();
        out.counts = rest.iter().map(|&l| out.counts[l]).collect();
        out.means = out.means.select(Axis(0), &rest);
        out.scatter.remove(j);
        out
    }
}

impl Symmetric {
    /// `sum_i w_i (x_i - mean) (x_i - mean)ᵀ` for records `[n, d]` and weights `[n]`.
    pub fn scatter(
        kind: CovarianceType,
        x: ArrayView2<f64>,
        weights: ArrayView1<f64>,
        mean: ArrayView1<f64>,
    ) -> Result<Self> {
        if kind == CovarianceType::Full {
            let centred = &x - &mean;
            let weighted = &centred * &weights.insert_axis(ndarray::Axis(1));
            return Ok(Self::Dense(matmul(centred.t(), weighted.view())?));
        }
        let mut sum = Array1::zeros(x.ncols());
        for (row, &w) in x.outer_iter().zip(weights).filter(|(_, w)| **w > 0.0) {
            Zip::from(&mut sum).and(&row).and(&mean).for_each(|s, x, m| *s += w * (x - m) * (x - m));
        }
        Ok(Self::Diagonal(sum))
    }
}
