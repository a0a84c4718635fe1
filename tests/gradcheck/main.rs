//! Gradients of every rule: central differences in f64, PyTorch goldens, and a transformer block.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // Helpers of tests may fail like tests.

#[path = "../reference/mod.rs"]
mod reference;

mod block;
mod cases;
mod golden;
mod loss;
mod numeric;
mod table;
mod walk;
