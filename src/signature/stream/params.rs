//! What a segmenter can be told, and the defaults.

use serde::{Deserialize, Serialize};

use crate::bail;
use crate::error::Result;
use crate::mixture::CovarianceType;
use crate::signature::{ReductionParams, SignatureParams, Whitening};

/// How a [`Segmenter`](super::Segmenter) works.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct SegmenterParams {
    /// Samples from which the space is fitted, before the first task's warm-up.
    pub opening: usize,
    /// Samples of a new task before it is watched.
    pub warm_up: usize,
    /// Most rows kept of the current task, and of a suspect segment.
    pub buffer: usize,
    /// Mean surprise that counts as nothing, in deviations; half the shift that is looked for.
    pub drift: f64,
    /// Samples in a row that must be above the threshold.
    pub window: u32,
    /// Samples per false alarm.
    pub run_length: f64,
    /// Samples after an alarm on which the decision rests.
    pub evidence: usize,
    /// Samples after a decision in which no alarm counts.
    pub cooldown: u32,
    /// Whether labels of the stream are evidence for a boundary.
    pub labels: bool,
    /// Whether labels of the stream shape space and signatures, as they do where boundaries are known.
    pub classes_in_signature: bool,
    /// How signatures are fitted. They are fitted often, so a class has one component by default: a tenth of the time
    /// and as good at telling tasks apart (`tests/signature_psmall.rs`).
    pub signature: SignatureParams,
    /// How the space is fitted.
    pub reduction: ReductionParams,
}

impl Default for SegmenterParams {
    fn default() -> Self {
        Self {
            opening: 200,
            warm_up: 100,
            buffer: 400,
            drift: 0.7,
            window: 1,
            run_length: 10_000.0,
            evidence: 20,
            cooldown: 30,
            labels: false,
            classes_in_signature: true,
            signature: SignatureParams { n_components: 1, ..SignatureParams::default() },
            reduction: ReductionParams::default(),
        }
    }
}

impl SegmenterParams {
    /// For features of `width` without labels: one full covariance a task over an unwhitened space. Without classes,
    /// whitening shrinks what tells tasks apart and variances alone see hardly anything (`tests/signature_stream_real.rs`).
    /// A signature takes `width²` bytes instead of a few per class.
    pub fn unlabelled(width: usize) -> Self {
        let plain = Self::default();
        Self {
            drift: 0.5,
            classes_in_signature: false,
            signature: SignatureParams {
                covariance: CovarianceType::Full,
                tie: width as f64 + 8.0,
                ..plain.signature
            },
            reduction: ReductionParams { dims: width, whitening: Whitening::Total, shrinkage: Some(1.0) },
            ..plain
        }
    }

    pub(super) fn check(&self) -> Result<()> {
        let counts = [self.opening, self.warm_up, self.evidence];
        let positive = [self.drift, self.run_length].into_iter().all(|v| v.is_finite() && v > 0.0);
        if !positive || counts.into_iter().any(|n| n < 2 || n > self.buffer) {
            bail!(
                InvalidArgument,
                "{self:?}: give a drift and a run length above 0, and opening, warm-up and evidence from 2 to `buffer`"
            );
        }
        Ok(())
    }
}
