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

use ndarray::{Array1, Array2, Zip};
use statrs::function::beta::ln_beta;
use statrs::function::gamma::{digamma, ln_gamma};

use super::statistics::Statistics;
use super::symmetric::Symmetric;
use super::{Covariance, CovarianceType, Form};
use crate::error::Result;

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

impl Prior {
    /// The posterior of an M-step. `reg` is added to every empirical variance.
    pub fn update(&self, form: Form, kind: CovarianceType, reg: f64, data: &Statistics) -> Result<Posterior> {
        let mut means = data.means.clone();
        let mut covariances = Vec::with_capacity(data.counts.len());
        for (j, &n) in data.counts.iter().enumerate() {
            let (beta, nu) = (self.mean_precision + n, self.degrees_of_freedom + n);
            let off = &means.row(j) - &self.mean;
            let mut c = data.scatter[j].clone();
            c.add(1.0, &self.covariance);
            c.add_to_diagonal(n * reg);
            c.add_outer(n * self.mean_precision / beta, off.view());
            c.scale(1.0 / nu);
            covariances.push(Covariance::new(c)?);
            Zip::from(means.row_mut(j))
                .and(&self.mean)
                .for_each(|m, &m0| *m = (self.mean_precision * m0 + n * *m) / beta);
        }
        let mut posterior =
            Posterior { form, kind, prior: self.clone(), counts: data.counts.clone(), means, covariances };
        if form == Form::Conjugate {
            posterior.sort_by_count();
        }
        Ok(posterior)
    }
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
    fn sticks(&self) -> Vec<(f64, f64)> {
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
    fn sum_shapes(&self, nu: f64, f: fn(f64) -> f64) -> f64 {
        let d = self.n_features();
        if self.form == Form::ScikitLearn || self.kind == CovarianceType::Full {
            (0..d).map(|i| f(0.5 * (nu - i as f64))).sum()
        } else {
            d as f64 * f(0.5 * nu)
        }
    }

    /// `ln det (nu_j C_j / 2)`.
    fn log_rates(&self, j: usize) -> f64 {
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

    /// Lower bound on the log evidence, given the entropy `-sum r ln r` of the responsibilities this posterior was
    /// made from. Exact for `Conjugate`; without its constants, as scikit-learn reports it, for `ScikitLearn`.
    pub fn lower_bound(&self, entropy: f64) -> f64 {
        let d = self.n_features() as f64;
        let components: f64 = (0..self.n_components())
            .map(|j| {
                let half_nu = 0.5 * self.degrees_of_freedom(j);
                self.sum_shapes(2.0 * half_nu, ln_gamma)
                    - half_nu * self.log_rates(j)
                    - 0.5 * d * self.mean_precision(j).ln()
            })
            .sum();
        let sticks: f64 = self.sticks().iter().map(|&(a, b)| ln_beta(a, b)).sum();
        let constants = match self.form {
            Form::Conjugate => self.bound_constants(),
            Form::ScikitLearn => 0.0,
        };
        entropy + components + sticks + constants
    }

    /// Normalisers of the priors and of the likelihood. Powers of pi in a Wishart's cancel against the posterior's.
    fn bound_constants(&self) -> f64 {
        let Prior { weight_concentration, mean_precision, degrees_of_freedom: nu0, log_det, .. } =
            &self.prior;
        let (k, d) = (self.n_components() as f64, self.n_features() as f64);
        let rates = log_det - d * std::f64::consts::LN_2;
        let component = 0.5 * nu0 * rates - self.sum_shapes(*nu0, ln_gamma) + 0.5 * d * mean_precision.ln();
        k * component + (k - 1.0) * weight_concentration.ln() - 0.5 * d * LN_2PI * self.counts.sum()
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
