//! A fitted mixture: what it holds and how a point is scored.

use linfa::traits::PredictInplace;
use ndarray::{Array1, Array2, ArrayBase, ArrayView1, ArrayView2, Axis, Data, Ix2};
use statrs::function::gamma::ln_gamma;

use super::posterior::{LN_2PI, Posterior};
use super::{DpGmmParams, storage};

/// A fitted Dirichlet-process Gaussian mixture of `K` diagonal components over `d` features.
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
    /// Hyper-parameters for at most `n_components` components; then `.fit(&dataset)` (linfa's `Fit`).
    pub fn params(n_components: usize) -> DpGmmParams {
        DpGmmParams::new(n_components)
    }

    pub(super) fn new(posterior: Posterior, lower_bound: f64, n_iter: usize, converged: bool) -> Self {
        Self { posterior, lower_bound, n_iter, converged }
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

    /// Inverses of the expected precisions, shape `[K, d]`.
    pub fn covariances(&self) -> &Array2<f64> {
        &self.posterior.covariances
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

    /// Log of the posterior predictive density per record, shape `[n]`: a mixture of products of Student's t with
    /// `nu_j` degrees of freedom, location `m_j` and squared scale `C_j (beta_j + 1) / beta_j`, weighted by `E[pi_j]`.
    /// Its tails are heavier than the Gaussian's, so it is slower to call a point unknown when it has seen little.
    pub fn predictive<D: Data<Elem = f64>>(&self, x: &ArrayBase<D, Ix2>) -> Array1<f64> {
        let (n, k, d) = (x.nrows(), self.n_components(), self.n_features() as f64);
        let log_weights = self.weights().mapv(f64::ln);
        let mut scores = Array2::zeros((n, k));
        for j in 0..k {
            let nu = self.posterior.degrees_of_freedom(j);
            let beta = self.posterior.mean_precision(j);
            let scale = self.covariances().row(j).mapv(|c| c * (beta + 1.0) / beta);
            let norm = d
                * (ln_gamma(0.5 * (nu + 1.0)) - ln_gamma(0.5 * nu) - 0.5 * (nu * std::f64::consts::PI).ln())
                - 0.5 * scale.iter().map(|s| s.ln()).sum::<f64>();
            for (row, score) in x.outer_iter().zip(scores.column_mut(j)) {
                let tail: f64 = row
                    .iter()
                    .zip(self.means().row(j))
                    .zip(&scale)
                    .map(|((x, m), s)| ((x - m) * (x - m) / (nu * s)).ln_1p())
                    .sum();
                *score = log_weights[j] + norm - 0.5 * (nu + 1.0) * tail;
            }
        }
        scores.map_axis(Axis(1), log_sum_exp)
    }

    /// `max_j ln N(x; m_j, C_j + jitter I)` per record, shape `[n]`, without the mixing weights: the retrieval rule
    /// of Proteus (methods.md 3.6), which uses a jitter of 1e-4.
    pub fn max_component<D: Data<Elem = f64>>(&self, x: &ArrayBase<D, Ix2>, jitter: f64) -> Array1<f64> {
        let precisions = self.covariances().mapv(|c| 1.0 / (c + jitter));
        let d = self.n_features() as f64;
        let constants =
            precisions.map_axis(Axis(1), |p| 0.5 * (p.iter().map(|p| p.ln()).sum::<f64>() - d * LN_2PI));
        log_gaussians(x.view(), self.means(), &precisions, &constants)
            .map_axis(Axis(1), |row| row.fold(f64::NEG_INFINITY, |a, &b| a.max(b)))
    }
}

impl<D: Data<Elem = f64>> PredictInplace<ArrayBase<D, Ix2>, Array1<usize>> for DpGmm {
    /// The most probable component of each record.
    fn predict_inplace(&self, x: &ArrayBase<D, Ix2>, y: &mut Array1<usize>) {
        let joint = log_joint(x.view(), &self.posterior);
        for (row, y) in joint.outer_iter().zip(y.iter_mut()) {
            *y = (0..row.len()).max_by(|&i, &j| row[i].total_cmp(&row[j]).then(j.cmp(&i))).unwrap_or(0);
        }
    }

    fn default_target(&self, x: &ArrayBase<D, Ix2>) -> Array1<usize> {
        Array1::zeros(x.nrows())
    }
}

/// `ln rho_ij`, shape `[n, K]`.
pub(super) fn log_joint(x: ArrayView2<f64>, posterior: &Posterior) -> Array2<f64> {
    let precisions = posterior.covariances.mapv(f64::recip);
    log_gaussians(x, &posterior.means, &precisions, &posterior.log_constants())
}

/// `constant_j - 1/2 sum_d precision_jd (x_id - mean_jd)^2`, shape `[n, K]`.
fn log_gaussians(
    x: ArrayView2<f64>,
    means: &Array2<f64>,
    precisions: &Array2<f64>,
    constants: &Array1<f64>,
) -> Array2<f64> {
    Array2::from_shape_fn((x.nrows(), means.nrows()), |(i, j)| {
        let distance: f64 = x
            .row(i)
            .iter()
            .zip(means.row(j))
            .zip(precisions.row(j))
            .map(|((x, m), p)| p * (x - m) * (x - m))
            .sum();
        constants[j] - 0.5 * distance
    })
}

/// `ln sum exp`, safe against overflow.
pub(super) fn log_sum_exp(row: ArrayView1<f64>) -> f64 {
    let max = row.fold(f64::NEG_INFINITY, |a, &b| a.max(b));
    if max.is_finite() { max + row.iter().map(|v| (v - max).exp()).sum::<f64>().ln() } else { max }
}
