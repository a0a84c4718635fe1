//! Hyper-parameters of a [`DpGmm`](super::DpGmm), checked before use the linfa way.

use linfa::ParamGuard;
use ndarray::Array1;

use super::{CovarianceType, DpGmm, Form};
use crate::error::{Error, Result};
use crate::{bail, err};

/// Checked hyper-parameters of a [`DpGmm`](super::DpGmm); made by [`DpGmmParams`].
///
/// An option that is `None` takes the default of the [`Form`] from the data.
#[derive(Clone, Debug, PartialEq)]
pub struct DpGmmValidParams {
    pub(super) form: Form,
    pub(super) covariance_type: CovarianceType,
    pub(super) n_components: usize,
    pub(super) weight_concentration_prior: Option<f64>,
    pub(super) mean_precision_prior: Option<f64>,
    pub(super) mean_prior: Option<Array1<f64>>,
    pub(super) degrees_of_freedom_prior: Option<f64>,
    pub(super) covariance_prior: Option<Array1<f64>>,
    pub(super) reg_covar: f64,
    pub(super) tol: f64,
    pub(super) max_iter: usize,
    pub(super) n_init: usize,
    pub(super) merge_moves: bool,
    pub(super) prune: bool,
    pub(super) seed: u64,
}

/// Hyper-parameters of a [`DpGmm`](super::DpGmm), named as in scikit-learn's `BayesianGaussianMixture`.
///
/// | name | `Conjugate` | `ScikitLearn` |
/// |---|---|---|
/// | `weight_concentration_prior` | 0.1 | `1 / n_components` |
/// | `mean_precision_prior` | 0.05 | 1 |
/// | `mean_prior` | mean of the data | mean of the data |
/// | `degrees_of_freedom_prior` | 4 (a Gamma shape of 2); full: `d + 2` | `d` |
/// | `covariance_prior` | `nu0 var_d / K^(2 / d_eff)` | `var_d`; full: the covariance |
/// | `reg_covar` | 1e-6 | 1e-6 |
/// | `tol` | 1e-4, relative | 1e-3, absolute |
/// | `max_iter`, `n_init` | 100, 1 | 100, 1 |
/// | `merge_moves`, `prune` | yes | no |
///
/// `K = n_components`, `d_eff = (sum var)^2 / sum var^2` the number of dimensions that carry variance.
#[derive(Clone, Debug, PartialEq)]
pub struct DpGmmParams(DpGmmValidParams);

impl DpGmmParams {
    /// Defaults of [`Form::Conjugate`] and diagonal covariances with at most `n_components` components and seed 42.
    pub fn new(n_components: usize) -> Self {
        Self(DpGmmValidParams {
            form: Form::Conjugate,
            covariance_type: CovarianceType::Diagonal,
            n_components,
            weight_concentration_prior: None,
            mean_precision_prior: None,
            mean_prior: None,
            degrees_of_freedom_prior: None,
            covariance_prior: None,
            reg_covar: 1e-6,
            tol: 1e-4,
            max_iter: 100,
            n_init: 1,
            merge_moves: true,
            prune: true,
            seed: 42,
        })
    }

    /// Which numbers describe the shape of a component.
    #[must_use]
    pub fn covariance_type(mut self, kind: CovarianceType) -> Self {
        self.0.covariance_type = kind;
        self
    }

    /// Switches to [`Form::ScikitLearn`] and its `tol`, without merging and pruning.
    #[must_use]
    pub fn scikit_learn(mut self) -> Self {
        self.0.form = Form::ScikitLearn;
        self.0.tol = 1e-3;
        self.0.merge_moves = false;
        self.0.prune = false;
        self
    }

    /// Concentration `gamma > 0` of the Dirichlet process; small values want few components.
    #[must_use]
    pub fn weight_concentration_prior(mut self, gamma: f64) -> Self {
        self.0.weight_concentration_prior = Some(gamma);
        self
    }

    /// `beta0 > 0`: how many observations the prior mean is worth.
    #[must_use]
    pub fn mean_precision_prior(mut self, beta0: f64) -> Self {
        self.0.mean_precision_prior = Some(beta0);
        self
    }

    /// Prior mean, of width `d`.
    #[must_use]
    pub fn mean_prior(mut self, mean: Array1<f64>) -> Self {
        self.0.mean_prior = Some(mean);
        self
    }

    /// `nu0`: how many observations the prior variance is worth. Positive; above `d - 1` for
    /// [`Form::ScikitLearn`] and for full covariances.
    #[must_use]
    pub fn degrees_of_freedom_prior(mut self, nu0: f64) -> Self {
        self.0.degrees_of_freedom_prior = Some(nu0);
        self
    }

    /// `c0 > 0`, of width `d`: the prior *scatter*, its diagonal where covariances are full. A component without data has variance `c0 / nu0`.
    #[must_use]
    pub fn covariance_prior(mut self, scatter: Array1<f64>) -> Self {
        self.0.covariance_prior = Some(scatter);
        self
    }

    /// Added to every empirical variance, in squared units of the data.
    #[must_use]
    pub fn reg_covar(mut self, reg: f64) -> Self {
        self.0.reg_covar = reg;
        self
    }

    /// Change of the lower bound below which a fit has converged (relative or absolute, see [`Form`]).
    #[must_use]
    pub fn tol(mut self, tol: f64) -> Self {
        self.0.tol = tol;
        self
    }

    /// Most iterations of a fit. With 0 the posterior is that of the initial responsibilities.
    #[must_use]
    pub fn max_iter(mut self, n: usize) -> Self {
        self.0.max_iter = n;
        self
    }

    /// Fits from so many k-means starts and keeps the best bound.
    #[must_use]
    pub fn n_init(mut self, n: usize) -> Self {
        self.0.n_init = n;
        self
    }

    /// Whether a converged fit tries to merge pairs of components and keeps each merge that raises the exact bound.
    /// Coordinate ascent alone hardly ever empties a surplus component. Not for [`Form::ScikitLearn`], whose bound
    /// cannot compare different numbers of components.
    #[must_use]
    pub fn merge_moves(mut self, yes: bool) -> Self {
        self.0.merge_moves = yes;
        self
    }

    /// Whether components with fewer than `max(2, n / 100)` points are dropped after the fit.
    #[must_use]
    pub fn prune(mut self, yes: bool) -> Self {
        self.0.prune = yes;
        self
    }

    /// Seed of the k-means++ starts.
    #[must_use]
    pub fn seed(mut self, seed: u64) -> Self {
        self.0.seed = seed;
        self
    }
}

impl DpGmm {
    /// Hyper-parameters for at most `n_components` components; then `.fit(&dataset)` (linfa's `Fit`).
    pub fn params(n_components: usize) -> DpGmmParams {
        DpGmmParams::new(n_components)
    }
}

impl ParamGuard for DpGmmParams {
    type Checked = DpGmmValidParams;
    type Error = Error;

    fn check_ref(&self) -> Result<&DpGmmValidParams> {
        let p = &self.0;
        for (name, n) in [("n_components", p.n_components), ("n_init", p.n_init)] {
            if n == 0 {
                bail!(InvalidArgument, "`{name}` is 0; give at least 1");
            }
        }
        let positive = |name: &str, x: f64| match x.is_finite() && x > 0.0 {
            true => Ok(()),
            false => Err(err!(InvalidArgument, "`{name}` is {x}; give a finite number above 0")),
        };
        positive("tol", p.tol)?;
        positive("weight_concentration_prior", p.weight_concentration_prior.unwrap_or(1.0))?;
        positive("mean_precision_prior", p.mean_precision_prior.unwrap_or(1.0))?;
        positive("degrees_of_freedom_prior", p.degrees_of_freedom_prior.unwrap_or(1.0))?;
        if p.covariance_type == CovarianceType::LowRank(0) {
            bail!(InvalidArgument, "a low-rank covariance of rank 0; give 1 or more, or take `Diagonal`");
        }
        for &c in p.covariance_prior.iter().flatten() {
            positive("covariance_prior", c)?;
        }
        if !(p.reg_covar.is_finite() && p.reg_covar >= 0.0) {
            bail!(InvalidArgument, "`reg_covar` is {}; give 0 or a small positive number", p.reg_covar);
        }
        if p.merge_moves && p.form == Form::ScikitLearn {
            bail!(InvalidArgument, "`merge_moves` needs the exact bound; use it with `Form::Conjugate` only");
        }
        if p.mean_prior.iter().flatten().any(|m| !m.is_finite()) {
            bail!(InvalidArgument, "`mean_prior` holds NaN or infinity; give finite numbers");
        }
        Ok(p)
    }

    fn check(self) -> Result<DpGmmValidParams> {
        self.check_ref()?;
        Ok(self.0)
    }
}
