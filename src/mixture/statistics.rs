//! What a component knows of the data: additive sufficient statistics.

use ndarray::{Array1, Array2, ArrayView2, Axis, Zip};

/// Weighted count `[K]`, mean `[K, d]` and scatter about that mean `[K, d]` of the records of each component.
#[derive(Clone, Debug)]
pub(super) struct Statistics {
    pub counts: Array1<f64>,
    pub means: Array2<f64>,
    pub scatter: Array2<f64>,
}

impl Statistics {
    /// From records `[n, d]` and responsibilities `[n, K]`.
    pub fn new(x: ArrayView2<f64>, r: &Array2<f64>) -> Self {
        // The tiny addend keeps the mean of an empty component defined; scikit-learn has the same.
        let counts = r.sum_axis(Axis(0)) + 10.0 * f64::EPSILON;
        let means = r.t().dot(&x) / counts.view().insert_axis(Axis(1));
        let mut scatter = Array2::zeros(means.dim());
        for (row, weights) in x.outer_iter().zip(r.outer_iter()) {
            for ((mut s, mean), &w) in scatter.outer_iter_mut().zip(means.outer_iter()).zip(weights) {
                if w > 0.0 {
                    Zip::from(&mut s).and(&row).and(&mean).for_each(|s, x, m| *s += w * (x - m) * (x - m));
                }
            }
        }
        Self { counts, means, scatter }
    }

    /// With component `j` taken into `i < j`.
    pub fn merged(&self, i: usize, j: usize) -> Self {
        let mut out = self.clone();
        let (a, b) = (self.counts[i], self.counts[j]);
        let share = b / (a + b);
        out.counts[i] = a + b;
        Zip::from(out.means.row_mut(i))
            .and(out.scatter.row_mut(i))
            .and(self.means.row(j))
            .and(self.scatter.row(j))
            .for_each(|m, s, &mj, &sj| {
                let gap = mj - *m;
                *s += sj + a * share * gap * gap;
                *m += share * gap;
            });
        let rest: Vec<usize> = (0..self.counts.len()).filter(|&l| l != j).collect();
        out.counts = rest.iter().map(|&l| out.counts[l]).collect();
        out.means = out.means.select(Axis(0), &rest);
        out.scatter = out.scatter.select(Axis(0), &rest);
        out
    }
}
