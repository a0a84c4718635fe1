//! Dirichlet-process Gaussian mixtures with diagonal covariances, fitted by variational inference.
//!
//! A [`DpGmm`] describes where a set of `n` points of width `d` lives. It is the summary by which a learned task is
//! recognised later, so it must be small (2 bytes a number at rest), scored fast, and identical on every run.
//!
//! ```text
//! v_j ~ Beta(1, gamma)        pi_j = v_j prod_{l<j} (1 - v_l)          sticks
//! lambda_jd ~ Gamma(nu0/2, c0_d/2)                                      precisions
//! mu_jd ~ N(m0_d, 1 / (beta0 lambda_jd))                                means
//! x_i ~ N(mu_j, diag(1 / lambda_j))  with  j ~ pi
//! ```
//!
//! in scikit-learn's names `gamma = weight_concentration_prior`, `beta0 = mean_precision_prior`,
//! `nu0 = degrees_of_freedom_prior`, `c0 = covariance_prior`, `m0 = mean_prior`. Truncated at `n_components`; after a
//! fit the posterior is `(N_j, m_j, C_j)` per component and everything else follows from it and the prior.
//!
//! Two forms share the code ([`Form`]): [`Form::NormalGamma`], the conjugate model above with its exact lower bound,
//! and [`Form::ScikitLearn`], the updates and the bound of `BayesianGaussianMixture(covariance_type="diag")`. The former also tries, once converged,
//! to merge components and keeps what raises its bound.
//!
//! Invariants: components are finite, counts and variances positive; the bound never falls during a `NormalGamma` fit;
//! the same data and seed give the same bytes.
//!
//! It does not choose the feature space, know about classes or tasks, or read and write anything.
//!
//! Sources: Blei & Jordan, *Variational inference for Dirichlet process mixtures* (2006); Kurihara, Welling & Teh,
//! *Collapsed variational Dirichlet process mixture models* (2007) for sorting the sticks by size; Runnalls,
//! *Kullback-Leibler approach to Gaussian mixture reduction* (2007) for [`DpGmm::merged`].

mod algorithm;
mod errors;
mod hyperparams;
mod init;
mod merge;
mod model;
mod moves;
mod overlap;
mod posterior;
mod statistics;
mod storage;

pub use hyperparams::{DpGmmParams, DpGmmValidParams, Form};
pub use model::DpGmm;
pub(crate) use storage::{from_halves, to_halves};
