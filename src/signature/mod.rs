//! Signatures: what a learned task leaves behind so that its images are recognised later, and the router that asks them.
//!
//! ```text
//! features h ──Reduction──> z = Pᵀ (h / |h| - m)        one P per backbone, fitted on the first task, then frozen
//! z, labels  ──Signature::fit──> DpGmm over z + calibration (mean, deviation, threshold of own unseen scores)
//! z          ──Router──> scores of all tasks ──> task, margin, or "unknown"
//! ```
//!
//! | file | holds |
//! |---|---|
//! | `reduction` | [`Reduction`]: the shared space, with within-class whitening |
//! | `task`, `fit` | [`Signature`]: mixture and calibration of one task; how it is fitted |
//! | `calibration` | [`Calibration`]: where own scores lie |
//! | `router` | [`Router`]: which task, or none |
//! | `shortlist` | [`Shortlist`]: few tasks by frozen features, each asked in its own space |
//! | `certificate` | [`Certificate`]: what can be promised about a task, and its worst rival |
//! | [`stream`] | tasks without announced boundaries: alarms, recurrences |
//! | `metrics` | [`retrieval`], [`RetrievalGap`], [`detection`] |
//!
//! Labels are known while a task is learned, so the default uses them: within-class covariance spans the metric and
//! every class has components of its own. The published form (no labels, plain whitening) is kept as
//! [`SignatureForm::Faithful`] for comparison; per sample it recognises far less.
//!
//! Invariants: fitting and scoring are deterministic; a signature read back is the signature that was stored, bit for
//! bit; tasks are independent (removing one changes no other's score).
//!
//! It does not see images or adapters. Scores of different tasks may come from different adapters; the router takes
//! the matrix of scores and does not care.
//!
//! Source: methods.md 3.5, 3.6, 3.11 (Proteus, arXiv 2603.13235, with the per-sample decisions of this project).

mod calibration;
#[cfg(feature = "std")]
mod certificate;
#[cfg(feature = "std")]
mod fit;
#[cfg(feature = "std")]
mod metrics;
mod reduction;
mod router;
mod shortlist;
#[cfg(feature = "std")]
pub mod stream;
mod task;

pub use calibration::Calibration;
#[cfg(feature = "std")]
pub use certificate::{Certificate, Guarantee, threshold as certificate_threshold};
#[cfg(feature = "std")]
pub use metrics::{RetrievalGap, detection, retrieval};
pub use reduction::{Reduced, Reduction, ReductionParams, Whitening};
pub use router::{Router, Routing, Rule};
pub use shortlist::Shortlist;
pub use task::{Score, Signature, SignatureForm, SignatureParams};
