//! Labels as evidence: a task brings classes of its own.
//!
//! A label is *own* if the segment showed it at least twice. The chance `u` that an own sample has another label is
//! estimated by the share of labels seen once (Good and Turing): it covers rare classes as well as blurry boundaries.
//! Under another task such labels have a chance of 0.9. The evidence is the log likelihood ratio of the two.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Chance of a foreign label under another task; the rest are samples of this one that linger.
const FOREIGN: f64 = 0.9;
/// A label is own from this count on.
const OWN: usize = 2;

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
        let singles = counts.values().filter(|&&n| n < OWN).count() as f64;
        let total = counts.values().sum::<usize>() as f64;
        let own = counts.into_iter().filter(|&(_, n)| n >= OWN).map(|(label, _)| label).collect();
        Self { own, unseen: (singles + 1.0) / (total + 2.0) }
    }

    /// Labels of the segment itself, rising.
    pub fn own(&self) -> &[u32] {
        &self.own
    }

    /// How much `label` speaks for another task, in nats. Zero without a label, or where the segment's labels tell
    /// nothing.
    pub fn evidence(&self, label: Option<u32>) -> f64 {
        label.map_or(0.0, |label| self.ratio(self.own.binary_search(&label).is_err()))
    }

    /// The evidence of every label of the segment that this was made from, had it not been seen.
    pub fn held_out(&self, labels: &[Option<u32>]) -> Vec<f64> {
        let counts = count(labels);
        let foreign = |label: &u32| counts.get(label).is_none_or(|&n| n <= OWN);
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

fn count(labels: &[Option<u32>]) -> BTreeMap<u32, usize> {
    let mut counts = BTreeMap::new();
    labels.iter().flatten().for_each(|&label| *counts.entry(label).or_default() += 1);
    counts
}
