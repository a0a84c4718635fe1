//! The lower bound on the log evidence that a fit raises.

use statrs::function::beta::ln_beta;
use statrs::function::gamma::ln_gamma;

use super::Form;
use super::posterior::{LN_2PI, Posterior, Prior};

impl Posterior {
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
        let rates = log_det - d * core::f64::consts::LN_2;
        let component = 0.5 * nu0 * rates - self.sum_shapes(*nu0, ln_gamma) + 0.5 * d * mean_precision.ln();
        k * component + (k - 1.0) * weight_concentration.ln() - 0.5 * d * LN_2PI * self.counts.sum()
    }
}
