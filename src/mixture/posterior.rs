//! The prior, the closed-form posterior of one M-step, and what follows from the two.
//!
//! With `N_j`, `xbar_j`, `S_j` (mean squared deviation) of component `j`:
//!
//! ```text
//! beta_j = beta0 + N_j         m_j = (beta0 m0 + N_j xbar_j) / beta_j
//! nu_j   = nu0 + N_j           C_j = (c0 + N_j (S_j + beta0 / beta_j (xbar_j - m0)^2)) / nu_j
//! sticks: Beta(1 + N_j, gamma + sum_{l>j} N_l)
//! ```
//!
//! In the Gamma notation `a_j = nu_j / 2` and `b_jd = nu_j C_jd / 2`. With a full covariance `S_j`, `c0` and `C_j` are
//! matrices, the square is an outer product, and the posterior is Normal-Wishart.

use alloc::vec::Vec;

use ndarray::{Array1, Array2};
#[cfg(not(feature = "std"))]
use num_traits::Float;
use statrs::function::gamma::digamma;

use super::symmetric::Symmetric;
use super::{Covariance, CovarianceType, Form};

/// Prior of every component; all of width `d`.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Prior {
    pub weight_concentration: f64,
    pub mean_precision: f64,
    pub degrees_of_freedom: f64,
    pub mean: Array1<f64>,
    /// The scatter `c0`.
    pub covariance: Symmetric,
    /// `ln det c0`.
    pub log_det: f64,
}

/// Posterior of all components: `counts` `[K]`, `means` `[K, d]` and `K` covariances.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Posterior {
    pub form: Form,
    pub kind: CovarianceType,
    pub prior: Prior,
    pub counts: Array1<f64>,
    pub means: Array2<f64>,
    pub covariances: Vec<Covariance>,
}

impl Posterior {
    pub fn n_components(&self) -> usize {
        self.counts.len()
    }

    pub fn n_features(&self) -> usize {
        self.means.ncols()
    }

    /// `nu_j`.
    pub fn degrees_of_freedom(&self, j: usize) -> f64 {
        self.prior.degrees_of_freedom + self.counts[j]
    }

    /// `beta_j`.
    pub fn mean_precision(&self, j: usize) -> f64 {
        self.prior.mean_precision + self.counts[j]
    }

    /// The two Beta parameters of every stick. Under `Conjugate` the last stick is one and has none.
    pub(super) fn sticks(&self) -> Vec<(f64, f64)> {
        let mut rest = 0.0;
        let mut sticks: Vec<_> = self
            .counts
            .iter()
            .rev()
            .map(|&n| {
                let stick = (1.0 + n, self.prior.weight_concentration + rest);
                rest += n;
                stick
            })
            .collect();
        sticks.reverse();
        if self.form == Form::Conjugate {
            sticks.pop();
        }
        sticks
    }

    /// `E[ln pi_j]`, shape `[K]`.
    pub fn expected_log_weights(&self) -> Array1<f64> {
        let sticks = self.sticks();
        let mut before = 0.0;
        Array1::from_shape_fn(self.n_components(), |j| {
            let Some(&(a, b)) = sticks.get(j) else { return before };
            let total = digamma(a + b);
            let here = before + digamma(a) - total;
            before += digamma(b) - total;
            here
        })
    }

    /// `E[pi_j]` scaled to sum to one, shape `[K]`.
    pub fn weights(&self) -> Array1<f64> {
        let sticks = self.sticks();
        let mut left = 1.0;
        let mut weights = Array1::from_shape_fn(self.n_components(), |j| {
            let Some(&(a, b)) = sticks.get(j) else { return left };
            let here = left * a / (a + b);
            left *= b / (a + b);
            here
        });
        weights /= weights.sum();
        weights
    }

    /// `sum_d f(shape_d)` over the `d` precisions of a component with `nu` degrees of freedom: all `nu / 2`, or those
    /// of a Wishart.
    pub(super) fn sum_shapes(&self, nu: f64, f: fn(f64) -> f64) -> f64 {
        let d = self.n_features();
        if self.form == Form::ScikitLearn || self.kind == CovarianceType::Full {
            (0..d).map(|i| f(0.5 * (nu - i as f64))).sum()
        } else {
            d as f64 * f(0.5 * nu)
        }
    }

    /// `ln det (nu_j C_j / 2)`.
    pub(super) fn log_rates(&self, j: usize) -> f64 {
        let half_nu = 0.5 * self.degrees_of_freedom(j);
        self.n_features() as f64 * half_nu.ln() + self.covariances[j].log_det()
    }

    /// The part of `ln rho_ij` that does not depend on the point, `E[ln pi_j]` included; shape `[K]`.
    pub fn log_constants(&self) -> Array1<f64> {
        let d = self.n_features() as f64;
        let mut constants = self.expected_log_weights();
        for (j, c) in constants.iter_mut().enumerate() {
            let log_precisions = self.sum_shapes(self.degrees_of_freedom(j), digamma) - self.log_rates(j);
            *c += 0.5 * (log_precisions - d * LN_2PI - d / self.mean_precision(j));
        }
        constants
    }

    /// Keeps the components `order`, in that order.
    pub fn select(&mut self, order: &[usize]) {
        self.counts = order.iter().map(|&j| self.counts[j]).collect();
        self.means = self.means.select(ndarray::Axis(0), order);
        self.covariances = order.iter().map(|&j| self.covariances[j].clone()).collect();
    }

    /// Orders the components by falling count (ties keep their order), and says where each was.
    pub fn sort_by_count(&mut self) -> Vec<usize> {
        let mut order: Vec<usize> = (0..self.n_components()).collect();
        order.sort_by(|&i, &j| self.counts[j].total_cmp(&self.counts[i]));
        self.select(&order);
        order
    }
}

/// `ln(2 pi)`.
pub(super) const LN_2PI: f64 = 1.837_877_066_409_345_3;
