//! A fitted mixture: what it holds and how a point is scored.

use alloc::vec::Vec;

use ndarray::{Array1, Array2, ArrayBase, ArrayView1, ArrayView2, Axis, Data, Ix2};
#[cfg(not(feature = "std"))]
use num_traits::Float;
use statrs::function::gamma::ln_gamma;

use super::posterior::{LN_2PI, Posterior};
use super::{Covariance, CovarianceType, storage};
use crate::error::Result;

/// A fitted Dirichlet-process Gaussian mixture of `K` components over `d` features.
///
/// Scores take `[n, d]` and return natural logarithms. A row that is not finite scores NaN or minus infinity, never
/// a panic. Serialised it takes 2 bytes a number ([`Self::rounded`] says what that costs).
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(into = "storage::Packed", try_from = "storage::Packed")]
pub struct DpGmm {
    pub(super) posterior: Posterior,
    pub(super) lower_bound: f64,
    pub(super) n_iter: usize,
    pub(super) converged: bool,
}

impl DpGmm {
    pub(super) fn new(posterior: Posterior, lower_bound: f64, n_iter: usize, converged: bool) -> Self {
        Self { posterior, lower_bound, n_iter, converged }
    }

    /// Keeps the components `kept`, in that order; nothing of the others stays, also not in the prior's mean.
    pub fn keep(&mut self, kept: &[usize]) {
        let posterior = &mut self.posterior;
        posterior.select(kept);
        if let Some(mean) = posterior.means.mean_axis(Axis(0)) {
            posterior.prior.mean = mean;
        }
        self.lower_bound = f64::NAN;
    }

    /// Number of components kept.
    pub fn n_components(&self) -> usize {
        self.posterior.n_components()
    }

    /// Width `d` of the records.
    pub fn n_features(&self) -> usize {
        self.posterior.n_features()
    }

    /// Components with a weight above one percent.
    pub fn active_components(&self) -> usize {
        self.weights().iter().filter(|&&w| w > 0.01).count()
    }

    /// Expected number of records per component, `N_j`, shape `[K]`.
    pub fn counts(&self) -> &Array1<f64> {
        &self.posterior.counts
    }

    /// Expected mixing weights, summing to one, shape `[K]`.
    pub fn weights(&self) -> Array1<f64> {
        self.posterior.weights()
    }

    /// Posterior means, shape `[K, d]`.
    pub fn means(&self) -> &Array2<f64> {
        &self.posterior.means
    }

    /// Inverses of the expected precisions, `K` of them.
    pub fn covariances(&self) -> &[Covariance] {
        &self.posterior.covariances
    }

    /// Diagonals of the covariances, shape `[K, d]`.
    pub fn variances(&self) -> Array2<f64> {
        let rows: Vec<_> = self.covariances().iter().map(Covariance::variances).collect();
        Array2::from_shape_fn(self.means().dim(), |(j, d)| rows[j][d])
    }

    /// How the covariances are held.
    pub fn covariance_type(&self) -> CovarianceType {
        self.posterior.kind
    }

    /// Lower bound on the log evidence at the end of the fit (before pruning).
    pub fn lower_bound(&self) -> f64 {
        self.lower_bound
    }

    /// Iterations of the fit.
    pub fn n_iter(&self) -> usize {
        self.n_iter
    }

    /// Whether the fit stopped because the bound did.
    pub fn converged(&self) -> bool {
        self.converged
    }

    /// Probability of each component for each record, shape `[n, K]`.
    pub fn responsibilities<D: Data<Elem = f64>>(&self, x: &ArrayBase<D, Ix2>) -> Array2<f64> {
        let mut r = log_joint(x.view(), &self.posterior);
        for mut row in r.outer_iter_mut() {
            let total = log_sum_exp(row.view());
            row.mapv_inplace(|v| (v - total).exp());
        }
        r
    }

    /// Variational log-likelihood per record, shape `[n]`: scikit-learn's `score_samples`.
    pub fn score_samples<D: Data<Elem = f64>>(&self, x: &ArrayBase<D, Ix2>) -> Array1<f64> {
        log_joint(x.view(), &self.posterior).map_axis(Axis(1), log_sum_exp)
    }

    /// `ln sum_j E[pi_j] N(x; m_j, C_j)` per record, shape `[n]`: the mixture as it stands, without what is unsure about it.
    pub fn log_density<D: Data<Elem = f64>>(&self, x: &ArrayBase<D, Ix2>) -> Array1<f64> {
        let constants = self.weights().mapv(f64::ln) + gaussian_constants(self.covariances());
        log_gaussians(x.view(), self.means(), self.covariances(), &constants).map_axis(Axis(1), log_sum_exp)
    }

    /// Log of the posterior predictive density per record, shape `[n]`: a mixture of Student's t with location `m_j`,
    /// weighted by `E[pi_j]`. Its tails are heavier than the Gaussian's, so it is slower to call a point unknown when it
    /// has seen little.
    ///
    /// Diagonal: a product over dimensions, `nu_j` degrees of freedom, squared scale `C_j (beta_j + 1) / beta_j`. Full:
    /// one multivariate t of `nu_j - d + 1` degrees, scale times `nu_j / (nu_j - d + 1)`. A low-rank covariance is not the
    /// posterior of anything; it takes one multivariate t of `nu_j` degrees.
    pub fn predictive<D: Data<Elem = f64>>(&self, x: &ArrayBase<D, Ix2>) -> Array1<f64> {
        let log_weights = self.weights().mapv(f64::ln);
        let mut scores = Array2::zeros((x.nrows(), self.n_components()));
        for (j, mut column) in scores.columns_mut().into_iter().enumerate() {
            let beta = self.posterior.mean_precision(j);
            let (nu, widen) = (self.posterior.degrees_of_freedom(j), (beta + 1.0) / beta);
            let student = match &self.covariances()[j] {
                Covariance::Diagonal(v) => student_product(x.view(), self.means().row(j), &(v * widen), nu),
                full @ Covariance::Full(_) => {
                    let degrees = nu - self.n_features() as f64 + 1.0;
                    student(x.view(), self.means().row(j), full, widen * nu / degrees, degrees)
                }
                low_rank => student(x.view(), self.means().row(j), low_rank, widen, nu),
            };
            column.assign(&(student + log_weights[j]));
        }
        scores.map_axis(Axis(1), log_sum_exp)
    }

    /// `max_j ln N(x; m_j, C_j + jitter I)` per record, shape `[n]`, without the mixing weights: the retrieval rule
    /// of Proteus (methods.md 3.6), which uses a jitter of 1e-4.
    ///
    /// # Errors
    /// `Numeric` if a covariance with the jitter is not positive definite.
    pub fn max_component<D: Data<Elem = f64>>(
        &self,
        x: &ArrayBase<D, Ix2>,
        jitter: f64,
    ) -> Result<Array1<f64>> {
        let widened: Vec<Covariance> =
            self.covariances().iter().map(|c| c.plus_identity(jitter)).collect::<Result<_>>()?;
        Ok(log_gaussians(x.view(), self.means(), &widened, &gaussian_constants(&widened))
            .map_axis(Axis(1), |row| row.fold(f64::NEG_INFINITY, |a, &b| a.max(b))))
    }
}

/// `ln rho_ij`, shape `[n, K]`.
pub(super) fn log_joint(x: ArrayView2<f64>, posterior: &Posterior) -> Array2<f64> {
    log_gaussians(x, &posterior.means, &posterior.covariances, &posterior.log_constants())
}

/// `ln N(m_j; m_j, C_j)`, shape `[K]`.
fn gaussian_constants(covariances: &[Covariance]) -> Array1<f64> {
    covariances.iter().map(|c| -0.5 * (c.log_det() + c.width() as f64 * LN_2PI)).collect()
}

/// `constant_j - 1/2 (x_i - m_j)ᵀ C_j⁻¹ (x_i - m_j)`, shape `[n, K]`.
fn log_gaussians(
    x: ArrayView2<f64>,
    means: &Array2<f64>,
    covariances: &[Covariance],
    constants: &Array1<f64>,
) -> Array2<f64> {
    let mut out = Array2::zeros((x.nrows(), covariances.len()));
    for (j, mut column) in out.columns_mut().into_iter().enumerate() {
        let distances = covariances[j].squared_distances(x, means.row(j));
        column.assign(&(constants[j] - 0.5 * distances));
    }
    out
}

/// Log density of a product of Student's t with squared scales `[d]`, per record.
fn student_product(x: ArrayView2<f64>, mean: ArrayView1<f64>, scale: &Array1<f64>, nu: f64) -> Array1<f64> {
    let norm = scale.len() as f64
        * (ln_gamma(0.5 * (nu + 1.0)) - ln_gamma(0.5 * nu) - 0.5 * (nu * core::f64::consts::PI).ln())
        - 0.5 * scale.iter().map(|s| s.ln()).sum::<f64>();
    x.outer_iter()
        .map(|row| {
            let terms = row.iter().zip(mean).zip(scale);
            let tail: f64 = terms.map(|((x, m), s)| ((x - m) * (x - m) / (nu * s)).ln_1p()).sum();
            norm - 0.5 * (nu + 1.0) * tail
        })
        .collect()
}

/// Log density of one multivariate Student's t of squared scale `widen C`, per record.
fn student(
    x: ArrayView2<f64>,
    mean: ArrayView1<f64>,
    covariance: &Covariance,
    widen: f64,
    nu: f64,
) -> Array1<f64> {
    let d = covariance.width() as f64;
    let norm = ln_gamma(0.5 * (nu + d))
        - ln_gamma(0.5 * nu)
        - 0.5 * (d * (nu * core::f64::consts::PI * widen).ln() + covariance.log_det());
    let tail = |distance: f64| norm - 0.5 * (nu + d) * (distance / (widen * nu)).ln_1p();
    covariance.squared_distances(x, mean).mapv(tail)
}

/// `ln sum exp`, safe against overflow.
pub(super) fn log_sum_exp(row: ArrayView1<f64>) -> f64 {
    let max = row.fold(f64::NEG_INFINITY, |a, &b| a.max(b));
    if max.is_finite() { max + row.iter().map(|v| (v - max).exp()).sum::<f64>().ln() } else { max }
}
