//! Dirichlet-process Gaussian mixtures with diagonal, low-rank or full covariances, fitted by variational inference.
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
//! With full covariances ([`CovarianceType::Full`]) the precisions of a component are one matrix with a Wishart prior; with
//! low-rank ones ([`CovarianceType::LowRank`]) the fit is the diagonal one and directions are added at its end.
//!
//! Two forms share the code ([`Form`]): [`Form::Conjugate`], the conjugate model above with its exact lower bound, and
//! [`Form::ScikitLearn`], the updates and the bound of `BayesianGaussianMixture` with `covariance_type` `"diag"` or
//! `"full"`. The former also tries, once converged, to merge components and keeps what raises its bound.
//!
//! Invariants: components are finite, counts and variances positive; the bound never falls during a `Conjugate` fit;
//! the same data and seed give the same bytes.
//!
//! It does not choose the feature space, know about classes or tasks, or read and write anything.
//!
//! Sources: Blei & Jordan, *Variational inference for Dirichlet process mixtures* (2006); Kurihara, Welling & Teh,
//! *Collapsed variational Dirichlet process mixture models* (2007) for sorting the sticks by size; Runnalls,
//! *Kullback-Leibler approach to Gaussian mixture reduction* (2007) for [`DpGmm::merged`].

#[cfg(feature = "std")]
mod algorithm;
#[cfg(feature = "std")]
mod bound;
mod covariance;
#[cfg(feature = "std")]
mod errors;
mod form;
mod full;
#[cfg(feature = "std")]
mod hyperparams;
#[cfg(feature = "std")]
mod init;
mod low_rank;
mod merge;
mod model;
#[cfg(feature = "std")]
mod moves;
mod overlap;
mod posterior;
#[cfg(feature = "std")]
mod predict;
#[cfg(feature = "std")]
mod sampling;
#[cfg(feature = "std")]
mod statistics;
mod storage;
mod symmetric;
#[cfg(feature = "std")]
mod update;

pub use covariance::{Covariance, CovarianceType};
pub use form::Form;
pub use full::Triangle;
#[cfg(feature = "std")]
pub use hyperparams::{DpGmmParams, DpGmmValidParams};
pub use low_rank::LowRank;
pub use model::DpGmm;
pub use overlap::Overlap;
