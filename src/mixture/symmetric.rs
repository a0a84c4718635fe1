//! Sums of outer products, of which only what the covariance type needs is kept: variances, or the whole matrix.

use ndarray::{Array1, Array2, ArrayView1, Zip};

/// A symmetric `d x d` matrix.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Symmetric {
    /// Its diagonal `[d]`; the rest is taken as zero.
    Diagonal(Array1<f64>),
    /// All of it, `[d, d]`.
    Dense(Array2<f64>),
}

impl Symmetric {
    /// `self + weight v vᵀ`.
    pub fn add_outer(&mut self, weight: f64, v: ArrayView1<f64>) {
        match self {
            Self::Diagonal(sum) => Zip::from(sum).and(&v).for_each(|s, v| *s += weight * v * v),
            Self::Dense(sum) => {
                for (mut row, &a) in sum.outer_iter_mut().zip(v) {
                    row.scaled_add(weight * a, &v);
                }
            }
        }
    }

    /// `self + weight other`. A diagonal takes the diagonal of a whole matrix only.
    pub fn add(&mut self, weight: f64, other: &Self) {
        match (self, other) {
            (Self::Diagonal(a), Self::Diagonal(b)) => a.scaled_add(weight, b),
            (Self::Diagonal(a), Self::Dense(b)) => a.scaled_add(weight, &b.diag()),
            (Self::Dense(a), Self::Diagonal(b)) => a.diag_mut().scaled_add(weight, b),
            (Self::Dense(a), Self::Dense(b)) => a.scaled_add(weight, b),
        }
    }

    /// `self + weight I`.
    pub fn add_to_diagonal(&mut self, weight: f64) {
        match self {
            Self::Diagonal(sum) => *sum += weight,
            Self::Dense(sum) => sum.diag_mut().mapv_inplace(|v| v + weight),
        }
    }

    /// `weight self`.
    pub fn scale(&mut self, weight: f64) {
        match self {
            Self::Diagonal(sum) => *sum *= weight,
            Self::Dense(sum) => *sum *= weight,
        }
    }

    /// The diagonal `[d]`.
    pub fn diagonal(&self) -> Array1<f64> {
        match self {
            Self::Diagonal(sum) => sum.clone(),
            Self::Dense(sum) => sum.diag().to_owned(),
        }
    }
}
