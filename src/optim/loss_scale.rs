//! Dynamic loss scaling, for training steps that compute in f16.
//!
//! The smallest number of f16 is 6e-8, and gradients of a well-learned batch are smaller. So the loss is multiplied by a
//! power of two and the gradients are divided by it on the host, in f32: exact unless something overflows
//! (Micikevicius et al., arXiv 1710.03740). The loss of a joint graph is a weighted sum, so the factor goes in through
//! `sample_weights` and costs nothing.
//!
//! ```text
//! loss or a gradient is not finite:   factor / 2, and the batch is run again
//! 100 steps went well:                factor * 2
//! ```
//!
//! A batch is run again rather than skipped: a device that learns from twenty images has none to give away.

/// The factor on the loss, and when it changes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LossScale {
    factor: f32,
    good: u32,
    fixed: bool,
}

/// First factor: with it, a cross-entropy of 8 is still below the largest f16.
const FIRST: f32 = 8192.0;

/// Largest factor: weights of rows are at most 1, and the largest f16 is 65504.
const LARGEST: f32 = 32768.0;

/// Steps that must go well before the factor is doubled.
const PATIENCE: u32 = 100;

impl LossScale {
    /// Always 1: for f32, where it changes nothing.
    pub fn one() -> Self {
        Self { factor: 1.0, good: 0, fixed: true }
    }

    /// For f16.
    pub fn dynamic() -> Self {
        Self { factor: FIRST, good: 0, fixed: false }
    }

    /// What the loss is multiplied by, a power of two.
    pub fn factor(&self) -> f32 {
        self.factor
    }

    /// Whether overflow is an event that it handles.
    pub fn is_dynamic(&self) -> bool {
        !self.fixed
    }

    /// A step went well.
    pub fn succeeded(&mut self) {
        self.good += 1;
        if !self.fixed && self.good >= PATIENCE {
            self.good = 0;
            self.factor = (2.0 * self.factor).min(LARGEST);
        }
    }

    /// The loss or a gradient was not finite. `false` where a smaller factor cannot be the answer.
    pub fn overflowed(&mut self) -> bool {
        if self.fixed || self.factor <= 1.0 {
            return false;
        }
        (self.factor, self.good) = (self.factor / 2.0, 0);
        true
    }
}
