//! Labels as evidence: a task brings classes of its own.
//!
//! A label is *own* if the segment showed it at least twice, and at least a quarter as often as labels on average. The
//! chance `u` that an own sample has another label is estimated by the share of the others: it covers rare classes as
//! well as blurry boundaries. Under another task such labels have a chance of 0.9. The evidence is the log likelihood
//! ratio of the two.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Chance of a foreign label under another task; the rest are samples of this one that linger.
const FOREIGN: f64 = 0.9;
/// A label is own from this count on, or from this share of the mean count.
const OWN: (usize, f64) = (2, 0.25);

/// The labels of a segment.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct LabelSurprise {
    /// Rising.
    own: Vec<u32>,
    /// Chance of another label within the segment.
    unseen: f64,
}

impl LabelSurprise {
    /// From the labels of a segment; samples without one count for nothing.
    pub fn new(labels: &[Option<u32>]) -> Self {
        let counts = count(labels);
        let total = counts.values().sum::<usize>() as f64;
        let least = least(&counts);
        let others = counts.values().filter(|&&n| n < least).sum::<usize>() as f64;
        let own = counts.into_iter().filter(|&(_, n)| n >= least).map(|(label, _)| label).collect();
        Self { own, unseen: (others + 1.0) / (total + 2.0) }
    }

    /// Labels of the segment itself, rising.
    pub fn own(&self) -> &[u32] {
        &self.own
    }

    /// How much `label` speaks for another task, in nats. Zero without a label, or where the segment's labels tell
    /// nothing.
    pub fn evidence(&self, label: Option<u32>) -> f64 {
        label.map_or(0.0, |label| self.ratio(!self.is_own(label)))
    }

    /// Whether the segment's own samples have this label.
    pub fn is_own(&self, label: u32) -> bool {
        self.own.binary_search(&label).is_ok()
    }

    /// The evidence of every label of the segment that this was made from, had it not been seen.
    pub fn held_out(&self, labels: &[Option<u32>]) -> Vec<f64> {
        let counts = count(labels);
        let least = least(&counts);
        let foreign = |label: &u32| counts.get(label).is_none_or(|&n| n <= least);
        labels.iter().map(|l| l.as_ref().map_or(0.0, |l| self.ratio(foreign(l)))).collect()
    }

    fn ratio(&self, foreign: bool) -> f64 {
        match foreign {
            _ if self.unseen >= FOREIGN || self.own.is_empty() => 0.0,
            true => (FOREIGN / self.unseen).ln(),
            false => ((1.0 - FOREIGN) / (1.0 - self.unseen)).ln(),
        }
    }
}

/// How often an own label was seen.
fn least(counts: &BTreeMap<u32, usize>) -> usize {
    let mean = counts.values().sum::<usize>() as f64 / counts.len().max(1) as f64;
    OWN.0.max((OWN.1 * mean).ceil() as usize)
}

fn count(labels: &[Option<u32>]) -> BTreeMap<u32, usize> {
    let mut counts = BTreeMap::new();
    labels.iter().flatten().for_each(|&label| *counts.entry(label).or_default() += 1);
    counts
}
