//! How well two mixtures can be told apart, in closed form and without data.
//!
//! The Bayes error between densities `p` and `q` with equal priors is at most `1/2 int sqrt(p q)`. For mixtures the
//! root of the sum is at most the sum of the roots, so
//!
//! ```text
//! error <= 1/2 sum_ij sqrt(w_i w_j) exp(-DB_ij)
//! DB_ij  = sum_d [ (m_id - m_jd)^2 / (8 c_d) + 1/2 ln( c_d / sqrt(C_id C_jd) ) ],   c = (C_i + C_j) / 2
//! ```
//!
//! with the Bhattacharyya distances `DB` of the component pairs (methods.md A.7). The components count as Gaussians
//! with the posterior means and covariances. It says nothing about data that the mixtures describe badly.

use ndarray::ArrayView1;

use super::DpGmm;
use crate::bail;
use crate::error::Result;

impl DpGmm {
    /// Upper bound, at most one half, on the share of records that the best possible rule takes for the wrong one of
    /// two equally likely mixtures over the same space.
    ///
    /// # Errors
    /// `Shape` for different widths.
    pub fn error_bound(&self, other: &Self) -> Result<f64> {
        let (d, width) = (self.n_features(), other.n_features());
        if d != width {
            bail!(Shape, "mixtures of width {d} and {width}; compare mixtures of one space");
        }
        let (own, others) = (self.weights(), other.weights());
        let mut bound = 0.0;
        for (i, w) in own.iter().enumerate() {
            for (j, v) in others.iter().enumerate() {
                let distance = bhattacharyya(
                    (self.means().row(i), self.covariances().row(i)),
                    (other.means().row(j), other.covariances().row(j)),
                );
                bound += 0.5 * (w * v).sqrt() * (-distance).exp();
            }
        }
        Ok(bound.min(0.5))
    }
}

/// Distance between two Gaussians given as mean and diagonal covariance.
fn bhattacharyya(a: (ArrayView1<f64>, ArrayView1<f64>), b: (ArrayView1<f64>, ArrayView1<f64>)) -> f64 {
    let means = a.0.iter().zip(b.0);
    let variances = a.1.iter().zip(b.1);
    means
        .zip(variances)
        .map(|((x, y), (c, d))| {
            let middle = 0.5 * (c + d);
            (x - y) * (x - y) / (8.0 * middle) + 0.5 * (middle / (c * d).sqrt()).ln()
        })
        .sum()
}
