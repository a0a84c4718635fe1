//! An average of adapters over time.
//!
//! ```text
//! mean <- mean + rate (now - mean)       rate = 1 / (n + 1): the arithmetic mean of n + 1 snapshots
//!                                        rate fixed:         an exponential moving average
//! ```
//!
//! Kept and stored in f32: rounded every time, an arithmetic mean would drift from what it says it is.

use alloc::vec::Vec;

use ndarray::Array2;
use serde::{Deserialize, Serialize};

use super::Pair;

/// A running average, by slot.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Average {
    count: u32,
    factors: Vec<(Array2<f32>, Array2<f32>)>,
}

impl Average {
    /// Snapshots taken.
    pub fn count(&self) -> u32 {
        self.count
    }

    /// The average; empty before the first snapshot.
    pub fn pairs(&self) -> Vec<Pair> {
        self.factors.iter().map(|(a, b)| Pair { a: a.clone(), b: b.clone() }).collect()
    }

    /// Takes a snapshot into the arithmetic mean of all of them.
    pub fn add(&mut self, now: &[Pair]) {
        self.follow(now, 1.0 / (self.count as f32 + 1.0));
    }

    /// Moves towards `now` by `rate`; the first snapshot is taken as it is.
    pub fn follow(&mut self, now: &[Pair], rate: f32) {
        if self.factors.is_empty() {
            self.factors = now.iter().map(|p| (p.a.clone(), p.b.clone())).collect();
        } else {
            for ((a, b), now) in self.factors.iter_mut().zip(now) {
                a.zip_mut_with(&now.a, |mean, x| *mean += rate * (x - *mean));
                b.zip_mut_with(&now.b, |mean, x| *mean += rate * (x - *mean));
            }
        }
        self.count = self.count.saturating_add(1);
    }

    /// Bytes at rest.
    pub fn bytes(&self) -> usize {
        self.factors.iter().map(|(a, b)| 4 * (a.len() + b.len())).sum()
    }
}
