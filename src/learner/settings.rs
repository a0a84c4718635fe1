//! What a caller may set, with defaults that the measurements in ARCHITECTURE.md support.

use serde::{Deserialize, Serialize};

use crate::adapter::Lora;

/// Settings of a learner. They are part of the stored state: a restored learner goes on as it was.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Settings {
    /// Where to adapt and with how much.
    pub lora: Lora,
    /// Everything random derives from it.
    pub seed: u64,
    /// Images an optimizer step.
    pub batch: usize,
    /// Images a pass through the engine; bounds activation memory. A step sums over its micro-batches.
    pub micro: usize,
    /// Adam's rate.
    pub learning_rate: f32,
    /// Decoupled weight decay.
    pub weight_decay: f32,
    /// Largest global gradient norm.
    pub clip: f32,
    /// Columns of a random-feature head.
    pub random_features: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            lora: Lora::default(),
            seed: 0,
            batch: 16,
            micro: 4,
            learning_rate: 1e-3,
            weight_decay: 0.0,
            clip: 1.0,
            random_features: 2000,
        }
    }
}

/// The promised memory. Unset limits are not enforced.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Budget {
    /// Bytes of RAM for everything that this library holds.
    pub ram: Option<usize>,
    /// Bytes of RAM, within `ram`, for the boundary tokens of the open task.
    pub cache: usize,
}

impl Default for Budget {
    fn default() -> Self {
        Self { ram: None, cache: 256 << 20 }
    }
}
