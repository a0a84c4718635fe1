//! The variational fit: E-step, M-step, stopping and pruning.

use linfa::dataset::DatasetBase;
use linfa::traits::Fit;
use ndarray::{Array1, Array2, ArrayBase, ArrayView1, ArrayView2, Axis, Data, Ix2};

use super::init::start;
use super::low_rank::LowRank;
use super::model::{DpGmm, log_joint, log_sum_exp};
use super::moves::merge_moves;
use super::posterior::{Posterior, Prior};
use super::statistics::Statistics;
use super::symmetric::Symmetric;
use super::{Covariance, CovarianceType, DpGmmValidParams, Form};
use crate::bail;
use crate::error::{Error, Result};

impl<F: linfa::Float, D: Data<Elem = F>, T> Fit<ArrayBase<D, Ix2>, T, Error> for DpGmmValidParams {
    type Object = DpGmm;

    /// Fits to records `[n, d]` from k-means++ starts. A truncation above `n` is lowered to `n`.
    ///
    /// # Errors
    /// `Shape` without records, `Numeric` for records that are not finite, `InvalidArgument` for priors that do not
    /// fit the width.
    fn fit(&self, dataset: &DatasetBase<ArrayBase<D, Ix2>, T>) -> Result<DpGmm> {
        let x = to_f64(dataset.records())?;
        let mut best: Option<DpGmm> = None;
        for run in 0..self.n_init {
            let responsibilities = start(x.view(), self.n_components, self.seed.wrapping_add(run as u64))?;
            let model = self.fit_from(&x, &responsibilities)?;
            if best.as_ref().is_none_or(|b| model.lower_bound() > b.lower_bound()) {
                best = Some(model);
            }
        }
        best.ok_or_else(|| crate::err!(Bug, "a fit without a start: `n_init` was checked to be positive"))
    }
}

impl DpGmmValidParams {
    /// Fits to records `[n, d]` from given initial responsibilities `[n, K]` (rows sum to one). `K` replaces
    /// `n_components`, but not in the default priors.
    ///
    /// # Errors
    /// As [`Fit::fit`], and `Shape` if the two arrays differ in `n`.
    pub fn fit_from<F: linfa::Float, D: Data<Elem = F>>(
        &self,
        records: &ArrayBase<D, Ix2>,
        responsibilities: &Array2<f64>,
    ) -> Result<DpGmm> {
        let x = to_f64(records)?;
        let (n, k) = responsibilities.dim();
        if n != x.nrows() || k == 0 {
            bail!(
                Shape,
                "initial responsibilities are [{n}, {k}]; give one row for each of the {} records",
                x.nrows()
            );
        }
        let prior = self.prior(x.view())?;
        let mut posterior = self.maximise(x.view(), responsibilities, &prior)?;
        let (mut bound, mut converged, mut n_iter) =
            (posterior.lower_bound(entropy_of(responsibilities)), false, 0);
        while n_iter < self.max_iter && !converged {
            n_iter += 1;
            let (r, entropy) = expect(x.view(), &posterior);
            posterior = self.maximise(x.view(), &r, &prior)?;
            let next = posterior.lower_bound(entropy);
            if !next.is_finite() {
                bail!(Numeric, "the lower bound became {next}; scale the records or raise `reg_covar`");
            }
            converged = n_iter > 1 && self.has_converged(bound, next);
            bound = next;
            if converged
                && self.merge_moves
                && let Some(merged) = merge_moves(x.view(), &posterior, self.reg_covar)?
            {
                (posterior, bound) = merged;
                converged = false;
            }
        }
        if self.prune {
            prune(&mut posterior, n);
        }
        if let CovarianceType::LowRank(rank) = self.covariance_type {
            add_directions(x.view(), &mut posterior, usize::from(rank))?;
        }
        Ok(DpGmm::new(posterior, bound, n_iter, converged))
    }

    fn maximise(&self, x: ArrayView2<f64>, r: &Array2<f64>, prior: &Prior) -> Result<Posterior> {
        let kind = self.covariance_type;
        prior.update(self.form, kind, self.reg_covar, &Statistics::new(kind, x, r)?)
    }

    fn has_converged(&self, before: f64, now: f64) -> bool {
        let scale = match self.form {
            Form::Conjugate => now.abs().max(1.0),
            Form::ScikitLearn => 1.0,
        };
        (now - before).abs() < self.tol * scale
    }

    /// The prior with what was left open taken from the data.
    fn prior(&self, x: ArrayView2<f64>) -> Result<Prior> {
        let (k, d) = (self.n_components as f64, x.ncols());
        let full = self.covariance_type == CovarianceType::Full;
        let (gamma, beta0, nu0) = match self.form {
            Form::Conjugate if full => (0.1, 0.05, d as f64 + 2.0),
            Form::Conjugate => (0.1, 0.05, 4.0),
            Form::ScikitLearn => (1.0 / k, 1.0, d as f64),
        };
        let nu0 = self.degrees_of_freedom_prior.unwrap_or(nu0);
        if (full || self.form == Form::ScikitLearn) && nu0 <= d as f64 - 1.0 {
            bail!(
                InvalidArgument,
                "`degrees_of_freedom_prior` is {nu0}; with {d} features it must exceed {}",
                d - 1
            );
        }
        let covariance = match &self.covariance_prior {
            Some(c) => Symmetric::Diagonal(c.clone()),
            None => self.default_scatter(x, nu0)?,
        };
        let mean =
            self.mean_prior.clone().or_else(|| x.mean_axis(Axis(0))).unwrap_or_else(|| Array1::zeros(d));
        let width = covariance.diagonal().len();
        if width != d || mean.len() != d {
            bail!(
                InvalidArgument,
                "priors of width {width} and {} for records of width {d}; give {d} numbers each",
                mean.len()
            );
        }
        Ok(Prior {
            weight_concentration: self.weight_concentration_prior.unwrap_or(gamma),
            mean_precision: self.mean_precision_prior.unwrap_or(beta0),
            degrees_of_freedom: nu0,
            mean,
            log_det: Covariance::new(covariance.clone())?.log_det(),
            covariance,
        })
    }

    /// The default of `covariance_prior` for records `[n, d]`.
    fn default_scatter(&self, x: ArrayView2<f64>, nu0: f64) -> Result<Symmetric> {
        let (k, (n, d)) = (self.n_components as f64, x.dim());
        let ddof = if n > 1 && self.form == Form::ScikitLearn { 1.0 } else { 0.0 };
        let var = x.var_axis(Axis(0), ddof);
        // A dimension that never varies would make every density infinite.
        let floor = (1e-4 * var.sum() / d as f64).max(self.reg_covar).max(f64::MIN_POSITIVE);
        if self.form == Form::Conjugate {
            let shrink = k.powf(-2.0 / effective_dimensions(&var));
            return Ok(Symmetric::Diagonal(var.mapv(|v| nu0 * v.max(floor) * shrink)));
        }
        if self.covariance_type != CovarianceType::Full {
            return Ok(Symmetric::Diagonal(var.mapv(|v| if v > 0.0 { v } else { floor })));
        }
        let mean = x.mean_axis(Axis(0)).unwrap_or_else(|| Array1::zeros(d));
        let mut scatter = Symmetric::scatter(CovarianceType::Full, x, Array1::ones(n).view(), mean.view())?;
        scatter.scale(1.0 / (n as f64 - ddof));
        if Covariance::new(scatter.clone()).is_err() {
            // Fewer records than features: scikit-learn fails here, a small diagonal helps.
            scatter.add_to_diagonal(floor);
        }
        Ok(scatter)
    }
}

/// `-sum r ln r`.
fn entropy_of(r: &Array2<f64>) -> f64 {
    r.iter().map(|&p| if p > 0.0 { -p * p.ln() } else { 0.0 }).sum()
}

/// E-step: responsibilities `[n, K]` under `posterior`, and their entropy `-sum r ln r`.
pub(super) fn expect(x: ArrayView2<f64>, posterior: &Posterior) -> (Array2<f64>, f64) {
    let mut r = log_joint(x, posterior);
    let mut entropy = 0.0;
    for mut row in r.outer_iter_mut() {
        let total = log_sum_exp(row.view());
        row.mapv_inplace(|v| {
            let p = (v - total).exp();
            if p > 0.0 {
                entropy -= p * (v - total);
            }
            p
        });
    }
    (r, entropy)
}

/// Drops components with fewer than `max(2, n / 100)` points, but never the largest.
fn prune(posterior: &mut Posterior, n: usize) {
    let least = (0.01 * n as f64).max(2.0);
    let largest =
        (0..posterior.n_components()).max_by(|&i, &j| posterior.counts[i].total_cmp(&posterior.counts[j]));
    let keep: Vec<usize> = (0..posterior.n_components())
        .filter(|&j| posterior.counts[j] >= least || Some(j) == largest)
        .collect();
    posterior.select(&keep);
}

/// Gives every component the leading correlations of its points (methods.md A.4).
fn add_directions(x: ArrayView2<f64>, posterior: &mut Posterior, rank: usize) -> Result<()> {
    let (r, _) = expect(x, posterior);
    for (j, weights) in r.columns().into_iter().enumerate() {
        let scatter = Symmetric::scatter(CovarianceType::Full, x, weights, posterior.means.row(j))?;
        if let Symmetric::Dense(scatter) = scatter {
            let variances = posterior.covariances[j].variances();
            let fitted = LowRank::of_scatter(variances.view(), &scatter, posterior.counts[j], rank)?;
            posterior.covariances[j] = Covariance::LowRank(fitted);
        }
    }
    Ok(())
}

impl LowRank {
    /// From the variances `[d]` of a fitted component, its scatter `[d, d]` (any scale) and its number of points.
    fn of_scatter(
        variances: ArrayView1<f64>,
        scatter: &Array2<f64>,
        count: f64,
        rank: usize,
    ) -> Result<Self> {
        let width = variances.len();
        let keep = 1.0 - (width as f64 / count).min(1.0);
        let dense = Array2::from_shape_fn((width, width), |(a, b)| {
            if a == b {
                return variances[a];
            }
            let spread = (scatter[[a, a]] * scatter[[b, b]]).sqrt();
            let correlation = if spread > 0.0 { scatter[[a, b]] / spread } else { 0.0 };
            keep * correlation * (variances[a] * variances[b]).sqrt()
        });
        Self::nearest(&dense, rank)
    }
}

/// `(sum var)^2 / sum var^2`: how many equal variances would carry as much.
fn effective_dimensions(var: &Array1<f64>) -> f64 {
    let squares: f64 = var.iter().map(|v| v * v).sum();
    if squares > 0.0 { (var.sum() * var.sum() / squares).max(1.0) } else { 1.0 }
}

/// The records in f64, checked.
pub(super) fn to_f64<F: linfa::Float, D: Data<Elem = F>>(records: &ArrayBase<D, Ix2>) -> Result<Array2<f64>> {
    let (n, d) = records.dim();
    if n == 0 || d == 0 {
        bail!(Shape, "records are [{n}, {d}]; a mixture needs at least one record of at least one feature");
    }
    let x = records.mapv(|v| v.to_f64().unwrap_or(f64::NAN));
    match x.iter().position(|v| !v.is_finite()) {
        Some(i) => {
            bail!(Numeric, "record {} holds {} at feature {}; drop it", i / d, x[[i / d, i % d]], i % d)
        }
        None => Ok(x),
    }
}
