//! The variational fit: E-step, M-step, stopping and pruning.

use linfa::dataset::DatasetBase;
use linfa::traits::Fit;
use ndarray::{Array1, Array2, ArrayBase, ArrayView2, Axis, Data, Ix2};

use super::init::start;
use super::model::{DpGmm, log_joint, log_sum_exp};
use super::moves::merge_moves;
use super::posterior::{Posterior, Prior};
use super::statistics::Statistics;
use super::{DpGmmValidParams, Form};
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
        let mut posterior = self.maximise(x.view(), responsibilities, &prior);
        let (mut bound, mut converged, mut n_iter) =
            (posterior.lower_bound(entropy_of(responsibilities)), false, 0);
        while n_iter < self.max_iter && !converged {
            n_iter += 1;
            let (r, entropy) = expect(x.view(), &posterior);
            posterior = self.maximise(x.view(), &r, &prior);
            let next = posterior.lower_bound(entropy);
            if !next.is_finite() {
                bail!(Numeric, "the lower bound became {next}; scale the records or raise `reg_covar`");
            }
            converged = n_iter > 1 && self.has_converged(bound, next);
            bound = next;
            if converged
                && self.merge_moves
                && let Some(merged) = merge_moves(x.view(), &posterior, self.reg_covar)
            {
                (posterior, bound) = merged;
                converged = false;
            }
        }
        if self.prune {
            prune(&mut posterior, n);
        }
        Ok(DpGmm::new(posterior, bound, n_iter, converged))
    }

    fn maximise(&self, x: ArrayView2<f64>, r: &Array2<f64>, prior: &Prior) -> Posterior {
        prior.update(self.form, self.reg_covar, &Statistics::new(x, r))
    }

    fn has_converged(&self, before: f64, now: f64) -> bool {
        let scale = match self.form {
            Form::NormalGamma => now.abs().max(1.0),
            Form::ScikitLearn => 1.0,
        };
        (now - before).abs() < self.tol * scale
    }

    /// The prior with what was left open taken from the data.
    fn prior(&self, x: ArrayView2<f64>) -> Result<Prior> {
        let (k, d) = (self.n_components as f64, x.ncols());
        let mean = x.mean_axis(Axis(0)).unwrap_or_else(|| Array1::zeros(d));
        let (gamma, beta0, nu0, ddof) = match self.form {
            Form::NormalGamma => (0.1, 0.05, 4.0, 0.0),
            Form::ScikitLearn => (1.0 / k, 1.0, d as f64, 1.0),
        };
        let nu0 = self.degrees_of_freedom_prior.unwrap_or(nu0);
        if self.form == Form::ScikitLearn && nu0 <= d as f64 - 1.0 {
            bail!(
                InvalidArgument,
                "`degrees_of_freedom_prior` is {nu0}; with {d} features it must exceed {}",
                d - 1
            );
        }
        let covariance = match &self.covariance_prior {
            Some(c) => c.clone(),
            None => {
                let var = x.var_axis(Axis(0), if x.nrows() > 1 { ddof } else { 0.0 });
                // A dimension that never varies would make every density infinite.
                let floor = (1e-4 * var.sum() / d as f64).max(self.reg_covar).max(f64::MIN_POSITIVE);
                match self.form {
                    Form::NormalGamma => {
                        let shrink = k.powf(-2.0 / effective_dimensions(&var));
                        var.mapv(|v| nu0 * v.max(floor) * shrink)
                    }
                    Form::ScikitLearn => var.mapv(|v| if v > 0.0 { v } else { floor }),
                }
            }
        };
        let mean = self.mean_prior.clone().unwrap_or(mean);
        if covariance.len() != d || mean.len() != d {
            bail!(
                InvalidArgument,
                "priors of width {} and {} for records of width {d}; give {d} numbers each",
                covariance.len(),
                mean.len()
            );
        }
        Ok(Prior {
            weight_concentration: self.weight_concentration_prior.unwrap_or(gamma),
            mean_precision: self.mean_precision_prior.unwrap_or(beta0),
            degrees_of_freedom: nu0,
            mean,
            covariance,
        })
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
