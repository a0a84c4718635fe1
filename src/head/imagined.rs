//! Rows as they would be seen of classes that were learned.

use alloc::vec::Vec;

use ndarray::Array2;

use super::metric::Metric;
use crate::error::Result;
use crate::linalg::Gaussian;

/// Rows a block: bounds what is as wide as a row.
const BLOCK: usize = 128;

/// Rows of `N(m, spread S)` of every centre with rows, one centre after the other, in blocks with the class of each row. The same for
/// the same seed.
pub struct Imagined {
    metric: Metric,
    /// Class of every centre.
    owners: Vec<usize>,
    /// The centre of every row that is still to come, the last first.
    left: Vec<usize>,
    spread: f64,
    noise: Gaussian,
}

impl Imagined {
    /// `per` rows a centre.
    pub(super) fn new(metric: Metric, owners: Vec<usize>, per: usize, seed: u64, spread: f64) -> Self {
        let seen = (0..metric.counts.len()).rev().filter(|&centre| metric.counts[centre] > 0.0);
        let left = seen.flat_map(|centre| core::iter::repeat_n(centre, per)).collect();
        Self { metric, owners, left, spread, noise: Gaussian::new(seed) }
    }
}

impl Iterator for Imagined {
    type Item = Result<(Array2<f32>, Vec<usize>)>;

    fn next(&mut self) -> Option<Self::Item> {
        let centres: Vec<usize> = self.left.drain(self.left.len().saturating_sub(BLOCK)..).rev().collect();
        if centres.is_empty() {
            return None;
        }
        let noise = self.noise.rows(centres.len(), self.metric.means.ncols());
        let rows = self.metric.rows(&noise, &centres, self.spread);
        Some(rows.map(|rows| (rows, centres.iter().map(|&centre| self.owners[centre]).collect())))
    }
}
