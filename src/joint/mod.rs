//! The joint graph: a training step as an inference graph.
//!
//! Floor 3. Takes a graph that ends in features and has adapters injected, and appends a linear head, the
//! loss and the gradients. Every input and output is named and described, so that any ONNX runtime can train:
//!
//! ```text
//! tokens, labels, class_mask, sample_weights, head_weight, head_bias, {site}.lora_a, {site}.lora_b, ..
//!   -> loss, logits, head_weight.grad, head_bias.grad, {site}.lora_a.grad, {site}.lora_b.grad, ..
//! loss = sum_i sample_weights[i] * cross_entropy(logits[i], labels[i])       over classes with class_mask = 1
//! ```
//!
//! The loss is a weighted *sum*: with weights `1 / batch` the gradients of micro-batches add up to the
//! gradient of the batch, and a padded row with weight 0 contributes nothing.
//!
//! [`Views`] and [`Branches`] are other objectives over the same rows. Knows nothing about optimizers, strategies or engines.

#[cfg(feature = "std")]
mod branches;
#[cfg(feature = "std")]
mod contrast;
#[cfg(feature = "std")]
mod manifest;
#[cfg(feature = "std")]
mod rows;
#[cfg(feature = "std")]
mod step;
mod terms;
#[cfg(feature = "std")]
mod views;

#[cfg(feature = "std")]
pub use branches::Branches;
#[cfg(feature = "std")]
pub use manifest::{Manifest, PortInfo};
#[cfg(feature = "std")]
pub use step::{Joint, Objective, joint, minimising};
pub use terms::Terms;
#[cfg(feature = "std")]
pub use views::Views;
