//! Perennial: a runtime that lets robots and cameras keep learning after they have shipped.
#![cfg_attr(not(test), warn(clippy::unwrap_used))]

pub mod error;
pub mod graph;
pub mod linalg;

pub mod adapter;
pub mod autodiff;
pub mod mixture;
pub mod onnx;
pub mod subspace;

pub mod backbone;
pub mod engine;
pub mod head;
pub mod joint;
pub mod optim;
pub mod plan;
pub mod signature;

pub mod gradcheck;
pub mod strategy;

pub mod learner;

pub mod store;

#[cfg(feature = "eval")]
pub mod data;
#[cfg(feature = "eval")]
pub mod eval;
#[cfg(feature = "eval")]
pub mod report;

#[cfg(feature = "cli")]
pub mod cli;

pub use error::{Error, ErrorKind, Result};
