//! How well pictures of classes never learned are told apart from the learned ones.
//!
//! Every picture gets a score that is higher the stranger it looks. With `K` known and `U` unknown scores
//!
//! ```text
//! auroc            = P(u > k) + P(u = k) / 2            over all pairs, by ranks
//! threshold        = the smallest score that accepts at least 95 % of the known (k <= threshold)
//! false_accept     = share of the unknown with u <= threshold
//! ```
//!
//! as `roc_auc_score` and `roc_curve` of scikit-learn give them (`tests/metrics.rs`).

use serde::{Deserialize, Serialize};

use crate::bail;
use crate::error::Result;
use crate::learner::Prediction;

/// Percent of the known pictures that must be accepted.
const RECALL: usize = 95;

/// Bars of the histogram, and the most points of the curve that are kept.
const BINS: usize = 40;
const CURVE_POINTS: usize = 200;

/// Detection of unknown pictures; shares in percent.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Unknown {
    /// Area under the ROC curve; 50 is chance.
    pub auroc: f64,
    /// Share of unknown pictures accepted where 95 % of the known ones are.
    pub false_accept_at_95: f64,
    /// The score that accepts 95 % of the known ones.
    pub threshold: f64,
    /// Percent of the known and of the unknown pictures that the learner lets pass by its own threshold, which it set before it saw
    /// either; `None` in results of older versions.
    #[serde(default)]
    pub passed: Option<[f64; 2]>,
    /// Number of known pictures.
    pub known: usize,
    /// Number of unknown pictures.
    pub unknown: usize,
    /// Score at the left edge of the first bar and the right edge of the last.
    pub range: [f64; 2],
    /// Known pictures per bar.
    pub known_histogram: Vec<u32>,
    /// Unknown pictures per bar.
    pub unknown_histogram: Vec<u32>,
    /// `[unknown accepted, known accepted]` in percent, from the strictest to the laxest threshold.
    pub roc: Vec<[f64; 2]>,
}

impl Unknown {
    /// Measures what a learner said of known and of unknown pictures.
    ///
    /// # Errors
    /// As [`Unknown::measure`].
    pub fn of(known: &[Prediction], unknown: &[Prediction]) -> Result<Self> {
        let [scores, others] =
            [known, unknown].map(|said| said.iter().map(|p| -f64::from(p.familiarity)).collect::<Vec<f64>>());
        let passed = [known, unknown]
            .map(|said| 100.0 * said.iter().filter(|p| !p.unknown).count() as f64 / said.len().max(1) as f64);
        Ok(Self { passed: Some(passed), ..Self::measure(&scores, &others)? })
    }

    /// Measures from the scores of known and unknown pictures, higher being stranger.
    ///
    /// # Errors
    /// `InvalidArgument` when one side is empty, `Numeric` for a score that is not finite.
    pub fn measure(known: &[f64], unknown: &[f64]) -> Result<Self> {
        if known.is_empty() || unknown.is_empty() {
            bail!(
                InvalidArgument,
                "{} known and {} unknown scores; both are needed",
                known.len(),
                unknown.len()
            );
        }
        if known.iter().chain(unknown).any(|score| !score.is_finite()) {
            bail!(Numeric, "a novelty score is not finite");
        }
        let (known, unknown) = (sorted(known), sorted(unknown));
        let threshold = known[(RECALL * known.len()).div_ceil(100) - 1];
        let range = [known[0].min(unknown[0]), known[known.len() - 1].max(unknown[unknown.len() - 1])];
        Ok(Self {
            auroc: 100.0 * auroc(&known, &unknown),
            false_accept_at_95: share_up_to(&unknown, threshold),
            threshold,
            passed: None,
            known: known.len(),
            unknown: unknown.len(),
            range,
            known_histogram: histogram(&known, range),
            unknown_histogram: histogram(&unknown, range),
            roc: roc(&known, &unknown),
        })
    }
}

fn sorted(scores: &[f64]) -> Vec<f64> {
    let mut scores = scores.to_vec();
    scores.sort_by(f64::total_cmp);
    scores
}

/// Mann-Whitney: for each unknown score, the known ones below it count one and its equals one half.
fn auroc(known: &[f64], unknown: &[f64]) -> f64 {
    let below = |score: f64| known.partition_point(|k| *k < score) + known.partition_point(|k| *k <= score);
    let pairs: usize = unknown.iter().map(|&score| below(score)).sum();
    pairs as f64 / (2.0 * known.len() as f64 * unknown.len() as f64)
}

/// Percent of sorted `scores` at or below `threshold`.
fn share_up_to(scores: &[f64], threshold: f64) -> f64 {
    100.0 * scores.partition_point(|score| *score <= threshold) as f64 / scores.len() as f64
}

fn histogram(scores: &[f64], [low, high]: [f64; 2]) -> Vec<u32> {
    let mut bars = vec![0; BINS];
    for score in scores {
        let share = if high > low { (score - low) / (high - low) } else { 0.5 };
        bars[((share * BINS as f64) as usize).min(BINS - 1)] += 1;
    }
    bars
}

fn roc(known: &[f64], unknown: &[f64]) -> Vec<[f64; 2]> {
    let mut thresholds: Vec<f64> = known.iter().chain(unknown).copied().collect();
    thresholds.sort_by(f64::total_cmp);
    thresholds.dedup();
    let step = thresholds.len().div_ceil(CURVE_POINTS);
    let last = thresholds.len() - 1;
    let kept = thresholds.iter().enumerate().filter(|(at, _)| at % step == 0 || *at == last);
    let point =
        |(_, &threshold): (usize, &f64)| [share_up_to(unknown, threshold), share_up_to(known, threshold)];
    std::iter::once([0.0, 0.0]).chain(kept.map(point)).collect()
}
