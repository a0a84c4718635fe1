//! The learning rate over time.

use serde::{Deserialize, Serialize};

/// A factor for the base learning rate, by step.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub enum Schedule {
    /// Always 1.
    #[default]
    Constant,
    /// From 1 to 0 along half a cosine over `total` steps: `(1 + cos(pi t / total)) / 2`.
    Cosine {
        /// Steps until 0.
        total: u32,
    },
    /// Rises evenly to 1 over `warmup` steps, then a cosine to 0 at `total`.
    WarmupCosine {
        /// Steps of the rise.
        warmup: u32,
        /// Steps until 0, the rise included.
        total: u32,
    },
}

impl Schedule {
    /// The factor at `step`, from 0.
    pub fn factor(self, step: u32) -> f32 {
        match self {
            Self::Constant => 1.0,
            Self::Cosine { total } => cosine(step, total),
            Self::WarmupCosine { warmup, .. } if step < warmup => (step + 1) as f32 / warmup as f32,
            Self::WarmupCosine { warmup, total } => cosine(step - warmup, total.saturating_sub(warmup)),
        }
    }
}

/// Half a cosine from 1 to 0 over `total` steps, 0 after.
fn cosine(step: u32, total: u32) -> f32 {
    let progress = (step as f32 / total.max(1) as f32).min(1.0);
    0.5 * (1.0 + (std::f32::consts::PI * progress).cos())
}
