//! A cumulative sum that rises when samples are more surprising than they should be.
//!
//! ```text
//! s = max(0, s + clip(e, -3, 3) - drift)          alarm when s > h for w samples in a row
//! ```
//!
//! `e` is the surprise of a sample in deviations, of mean zero and deviation one for the task's own samples. For a shift
//! of the mean by `2 drift` this is the test that notices soonest among all with as few false alarms. Clipping keeps one broken
//! image from raising an alarm alone.
//!
//! The threshold `h` is found by bootstrap: streams are drawn from held-out surprises, and `h` is the smallest value that
//! gives at most one false alarm in `run_length` samples. Every stream first draws its own sample of the held-out ones,
//! so that a small held-out set, whose mean is uncertain, gets a higher threshold.

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

/// Largest surprise that counts, in deviations.
const CLIP: f64 = 3.0;
/// Bootstrap samples of the held-out set.
const REPLICATES: usize = 64;
/// How many run lengths are simulated.
const SPAN: f64 = 20.0;
/// Most simulated samples, which bounds what a run length may ask for.
const LONGEST: usize = 1_000_000;

/// When a [`Cusum`] raises an alarm.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct CusumRule {
    /// Surprise a sample that is allowed for, in deviations.
    pub drift: f64,
    /// What the sum must exceed. Infinite where nothing is known: never an alarm.
    pub threshold: f64,
    /// For how many samples in a row; at least one.
    pub window: u32,
}

impl CusumRule {
    /// At most one false alarm in `run_length` samples (up to 50,000; beyond, the threshold of 50,000 is given), from surprises
    /// of own samples that the signature had not seen. Fewer than two of them tell nothing.
    pub fn calibrated(held_out: &[f64], drift: f64, window: u32, run_length: f64, seed: u64) -> Self {
        let mut rule = Self { drift, threshold: f64::INFINITY, window };
        if held_out.len() < 2 {
            return rule;
        }
        let wanted = (SPAN * run_length.max(1.0)).ceil().min(LONGEST as f64);
        let streams = resampled(held_out, wanted as usize / REPLICATES + 1, seed);
        // One standard error below what is wanted: the smallest threshold that passes has been lucky.
        let expected = wanted / run_length.max(1.0);
        let allowed = (expected - expected.sqrt()).floor().max(1.0) as usize;
        let (mut low, mut high) = (0.0, CLIP * 1000.0);
        for _ in 0..30 {
            rule.threshold = 0.5 * (low + high);
            if alarms(&rule, &streams) > allowed {
                low = rule.threshold;
            } else {
                high = rule.threshold;
            }
        }
        rule.threshold = high;
        rule
    }
}

/// One stream a replicate, `length` samples each.
fn resampled(held_out: &[f64], length: usize, seed: u64) -> Vec<Vec<f64>> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let n = held_out.len();
    let mut draw = |from: &[f64], count| (0..count).map(|_| from[rng.gen_range(0..n)]).collect::<Vec<_>>();
    (0..REPLICATES)
        .map(|_| {
            let own = draw(held_out, n);
            draw(&own, length)
        })
        .collect()
}

/// Alarms in all streams, the sum starting again after each.
fn alarms(rule: &CusumRule, streams: &[Vec<f64>]) -> usize {
    let one = |stream: &Vec<f64>| {
        let mut cusum = Cusum::default();
        let mut count = 0;
        for &e in stream {
            if cusum.step(rule, e) {
                count += 1;
                cusum = Cusum::default();
            }
        }
        count
    };
    streams.iter().map(one).sum()
}

/// The state of the test.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Cusum {
    statistic: f64,
    above: u32,
}

impl Cusum {
    /// Takes the surprise of one sample; what is not a number counts as the largest. `true` is an alarm.
    pub fn step(&mut self, rule: &CusumRule, surprise: f64) -> bool {
        let surprise = if surprise.is_nan() { CLIP } else { surprise.clamp(-CLIP, CLIP) };
        self.statistic = (self.statistic + surprise - rule.drift).max(0.0);
        self.above = if self.statistic > rule.threshold { self.above.saturating_add(1) } else { 0 };
        self.above >= rule.window.max(1)
    }

    /// The sum.
    pub fn statistic(&self) -> f64 {
        self.statistic
    }

    /// Whether nothing is suspected.
    pub fn is_calm(&self) -> bool {
        self.statistic <= 0.0
    }
}
