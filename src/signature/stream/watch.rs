//! What is watched of one task: its signature, the threshold that fits it, and its labels.

use ndarray::Array1;
use serde::{Deserialize, Serialize};

use super::segmenter::SegmenterParams;
use super::{CusumRule, LabelSurprise};
use crate::error::Result;
use crate::signature::{Reduced, Signature};

/// A task as the segmenter knows it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Watch {
    pub signature: Signature,
    pub rule: CusumRule,
    labels: LabelSurprise,
}

impl Watch {
    /// From samples of the task and, where known, their labels.
    pub fn fit(features: &Reduced, labels: &[Option<u32>], params: &SegmenterParams) -> Result<Self> {
        let classes: Vec<usize> = labels.iter().map(|l| l.map_or(usize::MAX, |l| l as usize)).collect();
        let classes = if params.classes_in_signature { classes } else { vec![0; labels.len()] };
        let (signature, held_out) = Signature::fit_held_out(features, &classes, &params.signature)?;
        let surprise = LabelSurprise::new(labels);
        let evidence = if params.labels { surprise.held_out(labels) } else { vec![0.0; labels.len()] };
        let calibration = signature.calibration();
        let own: Vec<f64> = held_out
            .iter()
            .map(|&(i, score)| surprises(-calibration.z(score), evidence[i], params.drift))
            .collect();
        let rule = CusumRule::calibrated(
            &own,
            params.drift,
            params.window,
            params.run_length,
            params.signature.seed,
        );
        Ok(Self { signature, rule, labels: surprise })
    }

    /// Surprise of every sample, in deviations; `[n]`.
    pub fn surprise(
        &self,
        features: &Reduced,
        labels: &[Option<u32>],
        params: &SegmenterParams,
    ) -> Result<Array1<f64>> {
        let calibration = self.signature.calibration();
        let scores = self.signature.score(features)?;
        let of = |(score, &label): (&f64, &Option<u32>)| {
            let evidence = if params.labels { self.labels.evidence(label) } else { 0.0 };
            surprises(-calibration.z(*score), evidence, params.drift)
        };
        Ok(scores.iter().zip(labels).map(of).collect())
    }

    /// Bytes of the stored numbers.
    pub fn bytes(&self) -> usize {
        self.signature.bytes() + size_of::<CusumRule>() + 4 * self.labels.own().len() + 8
    }
}

/// Of a shift by `2 drift` deviations, `v` is worth `2 drift (v - drift)` nats; so nats are worth `1 / (2 drift)` each.
fn surprises(v: f64, nats: f64, drift: f64) -> f64 {
    v + nats / (2.0 * drift)
}
