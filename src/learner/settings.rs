//! What a caller may set, with defaults that the measurements in ARCHITECTURE.md support.

use alloc::vec::Vec;

use serde::{Deserialize, Serialize};

use super::concession::Lever;
use crate::adapter::{Lora, Named};
use crate::error::Result;

/// Which optimizer steps.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Descent {
    /// Adam with decoupled decay: 8 bytes a parameter. The default.
    #[default]
    AdamW,
    /// Stochastic gradient descent with Nesterov momentum 0.9: 4 bytes a parameter, and a learning rate some
    /// hundred times larger.
    Sgd,
}

/// Settings of a learner. They are part of the stored state: a restored learner goes on as it was.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Settings {
    /// Where to adapt and with how much.
    pub lora: Lora,
    /// Sites and boundary that the user names.
    pub named: Named,
    /// Everything random derives from it.
    pub seed: u64,
    /// Images an optimizer step.
    pub batch: usize,
    /// Images a pass through the engine; bounds activation memory. A step sums over its micro-batches.
    pub micro: usize,
    /// What turns gradients into steps.
    pub descent: Descent,
    /// Learning rate.
    pub learning_rate: f32,
    /// Weight decay, decoupled in AdamW.
    pub weight_decay: f32,
    /// Largest global gradient norm.
    pub clip: f32,
    /// Columns of a random-feature head.
    pub random_features: usize,
    /// Crops of a picture that is learned: 1, the picture itself, to [`MOST_CROPS`](super::MOST_CROPS); `None` for as many as
    /// the strategy wants.
    pub crops: Option<usize>,
    /// Whether a training step keeps one value for every part of a block, and computes the others again in the backward pass: less memory,
    /// more time, and the same gradients up to rounding.
    pub recompute: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            lora: Lora::default(),
            named: Named::default(),
            seed: 0,
            batch: 16,
            micro: 4,
            descent: Descent::AdamW,
            learning_rate: Descent::AdamW.usual_rate(),
            weight_decay: 0.0,
            clip: 1.0,
            random_features: 2000,
            crops: None,
            recompute: false,
        }
    }
}

impl Descent {
    /// A rate that suits adapters of a vision transformer.
    pub fn usual_rate(self) -> f32 {
        match self {
            Self::AdamW => 1e-3,
            Self::Sgd => 0.05,
        }
    }
}

impl core::str::FromStr for Descent {
    type Err = crate::Error;

    fn from_str(name: &str) -> Result<Self> {
        match name {
            "adamw" => Ok(Self::AdamW),
            "sgd" => Ok(Self::Sgd),
            _ => crate::bail!(InvalidArgument, "no optimizer {name:?}; use adamw or sgd"),
        }
    }
}

/// What of a [`Budget`](super::Budget) a state keeps: all but the file for pictures and what only a clock can tell.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Promise {
    /// Bytes of RAM.
    pub ram: Option<usize>,
    /// Bytes of them for what is kept of the pictures of the open task.
    pub cache: usize,
    /// Bytes of a stored state.
    pub flash: Option<usize>,
    /// What may be given up before a task is refused.
    pub give_up: Vec<Lever>,
    /// Classes that are planned for.
    pub classes: usize,
}
