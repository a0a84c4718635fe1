//! Where the scores of a task's own unseen images lie.
//!
//! Scores are densities, and those of different tasks are not on one scale: a task of many looks spreads its mass, a
//! task seen through its own adapter lives in another space. Scores of held-out own features tell how low is low.
//! Features are scarce on a device, so they are held out in turn (folds of a tenth) and the final mixture sees all.

use alloc::vec::Vec;

#[cfg(not(feature = "std"))]
use num_traits::Float;
use serde::{Deserialize, Serialize};

/// Mean, deviation and acceptance threshold of own held-out scores.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Calibration {
    /// Mean of own held-out scores, in nats.
    pub mean: f32,
    /// Their standard deviation, in nats.
    pub sd: f32,
    /// The z-score above which the wanted share of own held-out samples lies.
    pub threshold: f32,
}

impl Calibration {
    /// From own held-out scores; `recall` of them shall be accepted. Without two finite scores nothing is known:
    /// deviation one, and everything is accepted.
    pub fn new(scores: &[f64], recall: f64) -> Self {
        let mut scores: Vec<f64> = scores.iter().copied().filter(|s| s.is_finite()).collect();
        let n = scores.len() as f64;
        let mean = scores.iter().sum::<f64>() / n.max(1.0);
        if scores.len() < 2 {
            return Self { mean: mean as f32, sd: 1.0, threshold: f32::MIN };
        }
        let var = scores.iter().map(|s| (s - mean) * (s - mean)).sum::<f64>() / (n - 1.0);
        let sd = var.sqrt().max(1e-6);
        scores.sort_by(f64::total_cmp);
        // The largest threshold that still accepts the wanted share.
        let rejected = ((1.0 - recall) * n).floor() as usize;
        let low = scores.get(rejected).copied().unwrap_or(f64::MIN);
        // Rounded down, so that the sample at the threshold itself is accepted.
        let threshold = (((low - mean) / sd) as f32).next_down();
        Self { mean: mean as f32, sd: sd as f32, threshold }
    }

    /// Of a score that is higher the stranger a sample is: negated, so that the threshold is the bound.
    pub fn of_strangeness(mean: f64, sd: f64, bound: f64) -> Self {
        let sd = sd.max(1e-6);
        Self { mean: -mean as f32, sd: sd as f32, threshold: ((mean - bound) / sd) as f32 }
    }

    /// Of the scores of `n` samples and of `m` others together; the lower threshold of the two.
    pub(super) fn pooled(&self, n: u32, other: &Self, m: u32) -> Self {
        let (a, b) = (f64::from(n), f64::from(m));
        let (a, b) = (a / (a + b).max(1.0), b / (a + b).max(1.0));
        let [own, theirs] = [self, other].map(|c| (f64::from(c.mean), f64::from(c.sd)));
        let variance = a * own.1 * own.1 + b * theirs.1 * theirs.1 + a * b * (own.0 - theirs.0).powi(2);
        Self {
            mean: (a * own.0 + b * theirs.0) as f32,
            sd: variance.sqrt().max(1e-6) as f32,
            threshold: self.threshold.min(other.threshold),
        }
    }

    /// `(score - mean) / sd`.
    pub fn z(&self, score: f64) -> f64 {
        (score - f64::from(self.mean)) / f64::from(self.sd)
    }
}
