//! Anchor rows: how far adapters have moved what they do to inputs of earlier tasks (methods.md 1.12).

use alloc::vec::Vec;

use ndarray::{Array2, ArrayView2, Axis, concatenate, s};
#[cfg(not(feature = "std"))]
use num_traits::Float;
use serde::{Deserialize, Serialize};

use super::{Memory, Pair};
use crate::error::Result;
use crate::linalg::{from_halves, to_halves};

/// Rows kept of every tap and task.
pub const ROWS: usize = 16;

/// Input rows of one task, by tap, `[ROWS, width]` in f16.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Probe {
    taps: Vec<Vec<u8>>,
}

impl Probe {
    /// From rows by tap; at most [`ROWS`] of each are kept.
    pub fn new(taps: &[Array2<f32>]) -> Self {
        let halves = |rows: &Array2<f32>| {
            to_halves(rows.rows().into_iter().take(ROWS).flatten().map(|&x| f64::from(x)))
        };
        Self { taps: taps.iter().map(halves).collect() }
    }

    /// Rows of two tasks as those of one: every other of each.
    pub fn united(&self, other: &Self, widths: &[usize]) -> Self {
        let every_other = |probe: &Self, tap: usize, from: usize| {
            let rows = probe.rows(tap, widths[tap]).unwrap_or_else(|| Array2::zeros((0, widths[tap])));
            rows.slice(s![from.min(rows.nrows())..;2, ..]).to_owned()
        };
        let both = |tap: usize| {
            let (own, others) = (every_other(self, tap, 0), every_other(other, tap, 1));
            concatenate(Axis(0), &[own.view(), others.view()]).unwrap_or(own)
        };
        Self::new(&(0..self.taps.len()).map(both).collect::<Vec<_>>())
    }

    /// The rows of a tap of this width.
    pub(super) fn rows(&self, tap: usize, width: usize) -> Option<Array2<f32>> {
        let rows: Vec<f32> = from_halves(self.taps.get(tap)?).collect();
        Array2::from_shape_vec((rows.len() / width.max(1), width), rows).ok()
    }

    /// Bytes at rest.
    pub fn bytes(&self) -> usize {
        self.taps.iter().map(Vec::len).sum()
    }
}

fn norm(m: ArrayView2<'_, f32>) -> f64 {
    m.iter().map(|&x| f64::from(x).powi(2)).sum::<f64>().sqrt()
}

/// By slot, the largest relative change over all probes of what the adapters add to a probe's rows:
/// `|after(x) - before(x)| / |before(x)|`; zero where the adapters did nothing before.
///
/// # Errors
/// [`Bug`](crate::ErrorKind::Bug) where widths differ.
pub fn drift(probes: &[Probe], before: &Memory, after: &Memory) -> Result<Vec<f64>> {
    let mut all = Vec::with_capacity(after.slots.len());
    for (slot, shape) in after.slots.iter().enumerate() {
        let (old, new) = (before.sum(slot)?, after.sum(slot)?);
        let adds = |pair: &Pair, x: &Array2<f32>| shape.adds(pair, x.view());
        let rows = probes.iter().filter_map(|p| p.rows(shape.tap, shape.inputs));
        let moved = rows.map(|x| {
            let (then, now) = (adds(&old, &x), adds(&new, &x));
            let size = norm(then.view());
            if size > 0.0 { norm((now - then).view()) / size } else { 0.0 }
        });
        all.push(moved.fold(0.0, f64::max));
    }
    Ok(all)
}
