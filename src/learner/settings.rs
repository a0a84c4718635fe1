//! What a caller may set, with defaults that the measurements in ARCHITECTURE.md support.

use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::concession::Lever;
use crate::adapter::Lora;
use crate::adapter::named::Named;
use crate::error::Result;
use crate::optim::{AdamW, Optimizer, Sgd};

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

impl std::str::FromStr for Descent {
    type Err = crate::Error;

    fn from_str(name: &str) -> Result<Self> {
        match name {
            "adamw" => Ok(Self::AdamW),
            "sgd" => Ok(Self::Sgd),
            _ => crate::bail!(InvalidArgument, "no optimizer {name:?}; use adamw or sgd"),
        }
    }
}

impl Settings {
    /// A new optimizer.
    pub(super) fn optimizer(&self) -> Box<dyn Optimizer + Send + Sync> {
        match self.descent {
            Descent::AdamW => Box::new(AdamW::new(self.learning_rate).with_weight_decay(self.weight_decay)),
            Descent::Sgd => Box::new(
                Sgd::new(self.learning_rate).with_momentum(0.9, true).with_weight_decay(self.weight_decay),
            ),
        }
    }
}

/// A file for what is kept of the open task's pictures: their boundary tokens, in f16. It has no name and is gone with the task.
#[derive(Clone, Debug, PartialEq)]
pub struct Spill {
    /// Folder on the medium.
    pub folder: PathBuf,
    /// Most bytes of the file.
    pub bytes: usize,
}

/// The promised memory. Unset limits are not enforced.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Budget {
    /// Bytes of RAM for everything that this library holds.
    pub ram: Option<usize>,
    /// Bytes of RAM, within `ram`, for what is kept of the pictures of the open task.
    pub cache: usize,
    /// A file for the larger part of what is kept of those pictures; `None` keeps it in RAM.
    #[serde(skip)]
    pub spill: Option<Spill>,
    /// Longest time of one pass of a training step on this device, during which the thread that learns does nothing else.
    /// [`Builder::fitted`](super::Builder::fitted) measures it and takes micro-batches that keep it. The end of a task is not bounded by it.
    #[serde(skip)]
    pub step_time: Option<Duration>,
    /// Bytes of a stored state ([`State::stored_bytes`](super::State::stored_bytes)): a task that would make it larger is not committed.
    pub flash: Option<usize>,
    /// What may be given up before a task is refused for that, in this order; nothing where it is empty. [`TaskReport`](super::TaskReport) and
    /// [`State::concessions`](super::State) say what was.
    pub give_up: Vec<Lever>,
    /// Classes that are planned for, and centres where every task in which a class comes makes one. Where `ram` is set, more classes are
    /// refused, and tasks with more centres are made one or refused.
    pub classes: usize,
}

impl Default for Budget {
    fn default() -> Self {
        Self {
            ram: None,
            cache: 256 << 20,
            spill: None,
            step_time: None,
            flash: None,
            give_up: Lever::ALL.to_vec(),
            classes: 128,
        }
    }
}
