//! How well mixtures can be told apart, in closed form and without data.
//!
//! The Bayes error between densities `p` and `q` with equal priors is at most `1/2 int sqrt(p q)`. For mixtures the
//! root of the sum is at most the sum of the roots, so
//!
//! ```text
//! error <= 1/2 sum_ij sqrt(w_i w_j) exp(-DB_ij)
//! DB_ij  = 1/8 gᵀ C⁻¹ g + 1/2 ln( det C / sqrt(det C_i det C_j) ),   g = m_i - m_j,  C = (C_i + C_j) / 2
//! ```
//!
//! with the Bhattacharyya distances `DB` of the component pairs (methods.md A.7). Of `T` equally likely mixtures the best
//! rule errs on at most `2/T` times the sum of the pairs' bounds, because `1 - max` is at most the sum of the pairwise
//! minima. The components count as Gaussians with the posterior means and covariances. It says nothing about data that
//! the mixtures describe badly.

use ndarray::{Array2, ArrayView1};
#[cfg(not(feature = "std"))]
use num_traits::Float;
use serde::Serialize;

use super::symmetric::Symmetric;
use super::{Covariance, DpGmm};
use crate::bail;
use crate::error::Result;

impl DpGmm {
    /// Bhattacharyya distances between the components of `self` and of `other`, `[K, K']`.
    ///
    /// # Errors
    /// `Shape` for different widths.
    pub fn bhattacharyya(&self, other: &Self) -> Result<Array2<f64>> {
        let (d, width) = (self.n_features(), other.n_features());
        if d != width {
            bail!(Shape, "mixtures of width {d} and {width}; compare mixtures of one space");
        }
        let mut distances = Array2::zeros((self.n_components(), other.n_components()));
        for ((i, j), distance) in distances.indexed_iter_mut() {
            *distance = between(
                (self.means().row(i), &self.covariances()[i]),
                (other.means().row(j), &other.covariances()[j]),
            )?;
        }
        Ok(distances)
    }

    /// Upper bound, at most one half, on the share of records that the best possible rule takes for the wrong one of
    /// two equally likely mixtures over the same space.
    ///
    /// # Errors
    /// `Shape` for different widths.
    pub fn error_bound(&self, other: &Self) -> Result<f64> {
        let (own, others) = (self.weights(), other.weights());
        let pairs = self.bhattacharyya(other)?;
        let terms = pairs.indexed_iter().map(|((i, j), d)| (own[i] * others[j]).sqrt() * (-d).exp());
        Ok((0.5 * terms.sum::<f64>()).min(0.5))
    }
}

/// Bounds on how often the best possible rule confuses equally likely mixtures.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Overlap {
    /// The bound of every pair alone, `[T, T]`, at most one half; zero on the diagonal.
    pub pairs: Array2<f64>,
    /// The bound on the error among all of them, at most `1 - 1 / T`.
    pub total: f64,
}

impl Overlap {
    /// Of mixtures over one space.
    ///
    /// # Errors
    /// `Shape` for different widths.
    pub fn new(mixtures: &[&DpGmm]) -> Result<Self> {
        let tasks = mixtures.len();
        let mut pairs = Array2::zeros((tasks, tasks));
        for i in 0..tasks {
            for j in i + 1..tasks {
                let bound = mixtures[i].error_bound(mixtures[j])?;
                pairs[[i, j]] = bound;
                pairs[[j, i]] = bound;
            }
        }
        // Each pair stands twice in the matrix.
        let share = tasks.max(1) as f64;
        let total = (pairs.sum() / share).min(1.0 - 1.0 / share);
        Ok(Self { pairs, total })
    }

    /// The two mixtures that are hardest to tell apart, and their bound. `None` with fewer than two.
    pub fn worst_pair(&self) -> Option<(usize, usize, f64)> {
        let above = self.pairs.indexed_iter().filter(|((i, j), _)| i < j);
        above.max_by(|a, b| a.1.total_cmp(b.1)).map(|((i, j), &bound)| (i, j, bound))
    }
}

/// Distance between two Gaussians given as mean and covariance.
fn between(a: (ArrayView1<f64>, &Covariance), b: (ArrayView1<f64>, &Covariance)) -> Result<f64> {
    let mut middle = match (a.1, b.1) {
        (Covariance::Diagonal(c), Covariance::Diagonal(d)) => Symmetric::Diagonal(c + d),
        (c, d) => Symmetric::Dense(c.dense() + d.dense()),
    };
    middle.scale(0.5);
    let middle = Covariance::new(middle)?;
    let distance = middle.squared_distances(a.0.insert_axis(ndarray::Axis(0)), b.0)[0];
    Ok(0.125 * distance + 0.5 * middle.log_det() - 0.25 * (a.1.log_det() + b.1.log_det()))
}
