//! What is watched of one task: its signature, the threshold that fits it, and its labels.

use ndarray::Array1;
use serde::{Deserialize, Serialize};

use super::{CusumRule, LabelSurprise, SegmenterParams};
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
        let surprise = LabelSurprise::new(labels);
        let rows = members(labels, &surprise, params);
        let class = |&i: &usize| labels[i].filter(|_| params.classes_in_signature).map_or(0, |l| l as usize);
        let classes: Vec<usize> = rows.iter().map(class).collect();
        let (signature, held_out) =
            Signature::fit_held_out(&features.select(&rows), &classes, &params.signature)?;
        // Samples that lingered from elsewhere are no part of the signature, but of what must not raise an alarm.
        let others: Vec<usize> = (0..labels.len()).filter(|i| rows.binary_search(i).is_err()).collect();
        let lingering = signature.score(&features.select(&others))?;
        let scores = held_out.into_iter().map(|(i, score)| (rows[i], score));
        let scores = scores.chain(others.iter().copied().zip(lingering));
        let evidence = if params.labels { surprise.held_out(labels) } else { vec![0.0; labels.len()] };
        let calibration = signature.calibration();
        let own: Vec<f64> =
            scores.map(|(i, score)| surprises(-calibration.z(score), evidence[i], params.drift)).collect();
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

/// Rows that make the signature: all, or those of the segment's own labels where labels shape it and leave enough.
fn members(labels: &[Option<u32>], surprise: &LabelSurprise, params: &SegmenterParams) -> Vec<usize> {
    let own = |&i: &usize| labels[i].is_none_or(|label| surprise.is_own(label));
    let rows: Vec<usize> = (0..labels.len()).filter(own).collect();
    if params.classes_in_signature && 2 * rows.len() >= labels.len() {
        rows
    } else {
        (0..labels.len()).collect()
    }
}

/// Of a shift by `2 drift` deviations, `v` is worth `2 drift (v - drift)` nats; so nats are worth `1 / (2 drift)` each.
fn surprises(v: f64, nats: f64, drift: f64) -> f64 {
    v + nats / (2.0 * drift)
}
