//! Gradients of every rule: central differences in f64, PyTorch goldens, and a transformer block.

#[path = "../reference/mod.rs"]
mod reference;

mod block;
mod cases;
mod golden;
mod loss;
mod numeric;
mod table;
mod walk;
