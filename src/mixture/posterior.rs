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
//! In the Gamma notation `a_j = nu_j / 2` and `b_jd = nu_j C_jd / 2`.

use ndarray::{Array1, Array2, Zip};
use statrs::function::beta::ln_beta;
use statrs::function::gamma::{digamma, ln_gamma};

use super::Form;
use super::statistics::Statistics;

/// Prior of every component; all of width `d`.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Prior {
    pub weight_concentration: f64,
    pub mean_precision: f64,
    pub degrees_of_freedom: f64,
    pub mean: Array1<f64>,
    pub covariance: Array1<f64>,
}

impl Prior {
    /// The posterior of an M-step. `reg` is added to every empirical variance.
    pub fn update(&self, form: Form, reg: f64, data: &Statistics) -> Posterior {
        let (mut means, mut covariances) = (data.means.clone(), data.scatter.clone());
        for (j, &n) in data.counts.iter().enumerate() {
            let (beta, nu) = (self.mean_precision + n, self.degrees_of_freedom + n);
            Zip::from(means.row_mut(j))
                .and(covariances.row_mut(j))
                .and(&self.mean)
                .and(&self.covariance)
                .for_each(|m, c, &m0, &c0| {
                    let off = *m - m0;
                    *c = (c0 + *c + n * (reg + self.mean_precision / beta * off * off)) / nu;
                    *m = (self.mean_precision * m0 + n * *m) / beta;
                });
        }
        let mut posterior =
            Posterior { form, prior: self.clone(), counts: data.counts.clone(), means, covariances };
        if form == Form::NormalGamma {
            posterior.sort_by_count();
        }
        posterior
    }
}

/// Posterior of all components: `counts` `[K]`, `means` and `covariances` `[K, d]`.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Posterior {
    pub form: Form,
    pub prior: Prior,
    pub counts: Array1<f64>,
    pub means: Array2<f64>,
    pub covariances: Array2<f64>,
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

    /// The two Beta parameters of every stick. Under `NormalGamma` the last stick is one and has none.
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
        if self.form == Form::NormalGamma {
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

    /// `sum_d f(shape_d)` over the `d` precisions of component `j`, whose shape parameters are all `nu_j / 2`, or
    /// those of a Wishart.
    fn sum_shapes(&self, j: usize, f: fn(f64) -> f64) -> f64 {
        let nu = self.degrees_of_freedom(j);
        match self.form {
            Form::NormalGamma => self.n_features() as f64 * f(0.5 * nu),
            Form::ScikitLearn => (0..self.n_features()).map(|i| f(0.5 * (nu - i as f64))).sum(),
        }
    }

    /// `sum_d ln b_jd`.
    fn log_rates(&self, j: usize) -> f64 {
        let half_nu = 0.5 * self.degrees_of_freedom(j);
        self.covariances.row(j).iter().map(|c| (half_nu * c).ln()).sum()
    }

    /// The part of `ln rho_ij` that does not depend on the point, `E[ln pi_j]` included; shape `[K]`.
    pub fn log_constants(&self) -> Array1<f64> {
        let d = self.n_features() as f64;
        let mut constants = self.expected_log_weights();
        for (j, c) in constants.iter_mut().enumerate() {
            let log_precisions = self.sum_shapes(j, digamma) - self.log_rates(j);
            *c += 0.5 * (log_precisions - d * LN_2PI - d / self.mean_precision(j));
        }
        constants
    }

    /// Lower bound on the log evidence, given the entropy `-sum r ln r` of the responsibilities this posterior was
    /// made from. Exact for `NormalGamma`; without its constants, as scikit-learn reports it, for `ScikitLearn`.
    pub fn lower_bound(&self, entropy: f64) -> f64 {
        let d = self.n_features() as f64;
        let components: f64 = (0..self.n_components())
            .map(|j| {
                let half_nu = 0.5 * self.degrees_of_freedom(j);
                self.sum_shapes(j, ln_gamma)
                    - half_nu * self.log_rates(j)
                    - 0.5 * d * self.mean_precision(j).ln()
            })
            .sum();
        let sticks: f64 = self.sticks().iter().map(|&(a, b)| ln_beta(a, b)).sum();
        let constants = match self.form {
            Form::NormalGamma => self.bound_constants(),
            Form::ScikitLearn => 0.0,
        };
        entropy + components + sticks + constants
    }

    /// Normalisers of the priors and of the likelihood.
    fn bound_constants(&self) -> f64 {
        let Prior { weight_concentration, mean_precision, degrees_of_freedom, covariance, .. } = &self.prior;
        let (k, d) = (self.n_components() as f64, self.n_features() as f64);
        let a0 = 0.5 * degrees_of_freedom;
        let rates: f64 = covariance.iter().map(|c| (0.5 * c).ln()).sum();
        let component = a0 * rates - d * ln_gamma(a0) + 0.5 * d * mean_precision.ln();
        k * component + (k - 1.0) * weight_concentration.ln() - 0.5 * d * LN_2PI * self.counts.sum()
    }

    /// Keeps the components `order`, in that order.
    pub fn select(&mut self, order: &[usize]) {
        self.counts = order.iter().map(|&j| self.counts[j]).collect();
        self.means = self.means.select(ndarray::Axis(0), order);
        self.covariances = self.covariances.select(ndarray::Axis(0), order);
    }

    /// Orders the components by falling count (ties keep their order).
    pub fn sort_by_count(&mut self) {
        let mut order: Vec<usize> = (0..self.n_components()).collect();
        order.sort_by(|&i, &j| self.counts[j].total_cmp(&self.counts[i]));
        self.select(&order);
    }
}

/// `ln(2 pi)`.
pub(super) const LN_2PI: f64 = 1.837_877_066_409_345_3;
