//! How well tasks are recognised, per sample and per run of samples.

use ndarray::{ArrayView2, Axis};

/// Share of samples whose best task is the true one, for `scores` `[n, tasks]` and `truth` `[n]`.
///
/// With `context` above one, that many consecutive samples *of one task* are decided together by the sum of their
/// scores (methods.md 3.6); runs that are shorter are left out. Context figures are far higher and must be named as
/// what they are. NaN where nothing was left to count.
pub fn retrieval(scores: ArrayView2<f64>, truth: &[usize], context: usize) -> f64 {
    let context = context.max(1);
    let (mut hits, mut total, mut start) = (0, 0, 0);
    for run in truth.chunk_by(|a, b| a == b) {
        for first in (start..start + run.len()).step_by(context) {
            if first + context > start + run.len() {
                break;
            }
            let sums = scores.slice(ndarray::s![first..first + context, ..]).sum_axis(Axis(0));
            let best = (0..sums.len()).max_by(|&i, &j| sums[i].total_cmp(&sums[j]).then(j.cmp(&i)));
            hits += usize::from(best == Some(truth[first]));
            total += 1;
        }
        start += run.len();
    }
    f64::from(u32::try_from(hits).unwrap_or(u32::MAX)) / f64::from(u32::try_from(total).unwrap_or(u32::MAX))
}

/// The same scores decided per sample and per run of `context` samples: how much of a published figure is the protocol.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize)]
pub struct RetrievalGap {
    /// Consecutive samples decided together.
    pub context: usize,
    /// [`retrieval`] of single samples.
    pub per_sample: f64,
    /// [`retrieval`] of runs.
    pub in_context: f64,
}

impl RetrievalGap {
    /// Of `scores` `[n, tasks]` and `truth` `[n]`.
    pub fn new(scores: ArrayView2<f64>, truth: &[usize], context: usize) -> Self {
        let of = |context| retrieval(scores, truth, context);
        Self { context, per_sample: of(1), in_context: of(context) }
    }

    /// How much better runs look than samples.
    pub fn gap(&self) -> f64 {
        self.in_context - self.per_sample
    }
}

/// Area under the curve of telling known from unknown samples by a novelty that is larger for the unknown: the chance
/// that a random unknown one exceeds a random known one. NaN if either is empty.
pub fn detection(known: &[f64], unknown: &[f64]) -> f64 {
    let mut known = known.to_vec();
    known.sort_by(f64::total_cmp);
    let below = |v: f64| {
        let less = known.partition_point(|&k| k < v);
        let not_more = known.partition_point(|&k| k <= v);
        (less + not_more) as f64 / 2.0
    };
    unknown.iter().map(|&v| below(v)).sum::<f64>() / (known.len() * unknown.len()) as f64
}
