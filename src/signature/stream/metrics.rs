//! How well found boundaries match true ones.

use std::collections::BTreeMap;

use serde::Serialize;

use super::{Boundary, Verdict};

/// Delay, false boundaries and purity of one stream.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Segmentation {
    /// Samples from every true boundary to the decision that a new segment began; `None` where it was missed.
    pub delays: Vec<Option<u64>>,
    /// Decisions for a change where there was none, or a second one after the same boundary.
    pub false_boundaries: usize,
    /// The same per thousand samples.
    pub false_rate: f64,
    /// Share of samples that belong to the most frequent true task of the task they were put into.
    pub purity: f64,
    /// Share of samples that were put into the most frequent found task of their true one: whether tasks stay whole.
    pub completeness: f64,
    /// The found task of every sample.
    pub assigned: Vec<usize>,
}

impl Segmentation {
    /// From the true task of every sample, the indices at which true segments begin (rising, the first segment not
    /// counted), and decisions in order.
    pub fn new(truth: &[usize], starts: &[u64], decisions: &[Boundary]) -> Self {
        let changes: Vec<&Boundary> = decisions.iter().filter(|b| b.verdict != Verdict::Same).collect();
        let delays: Vec<Option<u64>> = starts
            .iter()
            .enumerate()
            .map(|(i, &start)| {
                let end = starts.get(i + 1).copied().unwrap_or(u64::MAX);
                changes.iter().find(|b| (start..end).contains(&b.decided)).map(|b| b.decided - start)
            })
            .collect();
        let false_boundaries = changes.len() - delays.iter().flatten().count();
        let assigned = assign(truth.len(), &changes);
        let pairs = || truth.iter().copied().zip(assigned.iter().copied());
        Self {
            delays,
            false_boundaries,
            false_rate: 1000.0 * false_boundaries as f64 / truth.len() as f64,
            purity: majority(pairs().map(|(t, a)| (a, t))),
            completeness: majority(pairs()),
            assigned,
        }
    }

    /// Mean of the delays that are there; NaN without any.
    pub fn mean_delay(&self) -> f64 {
        let found: Vec<u64> = self.delays.iter().flatten().copied().collect();
        found.iter().sum::<u64>() as f64 / found.len() as f64
    }

    /// Number of true boundaries without a decision.
    pub fn missed(&self) -> usize {
        self.delays.iter().filter(|d| d.is_none()).count()
    }
}

/// The found task of each of `n` samples: what a decision says holds from the start of its segment.
fn assign(n: usize, changes: &[&Boundary]) -> Vec<usize> {
    let mut assigned = vec![0; n];
    for change in changes {
        if let Verdict::New(task) | Verdict::Recurs(task) = change.verdict {
            let start = usize::try_from(change.start).unwrap_or(n).min(n);
            assigned[start..].fill(task);
        }
    }
    assigned
}

/// Share of pairs `(group, member)` whose member is the most frequent of its group.
fn majority(pairs: impl Iterator<Item = (usize, usize)>) -> f64 {
    let mut groups: BTreeMap<usize, BTreeMap<usize, usize>> = BTreeMap::new();
    pairs.for_each(|(group, member)| *groups.entry(group).or_default().entry(member).or_default() += 1);
    let most: usize = groups.values().filter_map(|g| g.values().max()).sum();
    let all: usize = groups.values().flat_map(|g| g.values()).sum();
    most as f64 / all as f64
}
