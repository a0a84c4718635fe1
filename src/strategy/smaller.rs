//! A memory in fewer bytes, and what that gives up.

use alloc::vec::Vec;

use ndarray::{Array2, Axis, concatenate};

use super::{Memory, Pair};
use crate::adapter::Mechanism;
use crate::error::Result;

/// What is left of ranks and directions by one step.
const LEFT: f64 = 0.75;

/// `LEFT` of `n`, at least one less.
fn fewer(n: usize) -> usize {
    ((n as f64 * LEFT) as usize).min(n.saturating_sub(1))
}

impl Memory {
    /// Branches of finished tasks in fewer ranks (a singular value decomposition of each sum), with `resting` also the adapter that no
    /// later task trains. Gives the largest share of a slot's energy that was given up; `None` where nothing can become smaller.
    ///
    /// # Errors
    /// [`Numeric`](crate::ErrorKind::Numeric) where a factorization fails.
    pub fn compress(&mut self, resting: bool) -> Result<Option<f64>> {
        let mut worst = None;
        for slot in 0..self.slots.len() {
            if self.slots[slot].mechanism != Mechanism::Lora {
                continue;
            }
            let current = Some(&mut self.current[slot]).filter(|_| resting);
            for pair in self.settled[slot].as_mut().into_iter().chain(current) {
                let Some(lost) = thin(pair)? else { continue };
                self.given_up[slot] += lost;
                worst = Some(lost.max(worst.unwrap_or(0.0)));
            }
        }
        Ok(worst)
    }

    /// Fewer protected directions of every input: those that anchor rows of finished tasks use least go. Gives the largest share of an input's
    /// energy that is not protected any more; `None` where nothing can become smaller.
    ///
    /// # Errors
    /// [`Bug`](crate::ErrorKind::Bug) where widths differ.
    pub fn protect_less(&mut self) -> Result<Option<f64>> {
        let mut worst = None;
        for tap in 0..self.inputs.len() {
            let basis = &self.inputs[tap];
            let (held, width) = (basis.protected(), basis.width());
            if basis.is_complement() || held == 0 {
                continue;
            }
            let rows: Vec<Array2<f32>> = self.probes.iter().filter_map(|p| p.rows(tap, width)).collect();
            let views: Vec<_> = rows.iter().map(|rows| rows.view()).collect();
            let Ok(rows) = concatenate(Axis(0), &views) else { continue };
            let (basis, lost) = basis.strongest(rows.view(), fewer(held))?;
            self.inputs[tap] = basis;
            worst = Some(lost.max(worst.unwrap_or(0.0)));
        }
        Ok(worst)
    }

    /// Makes two tasks one, the earlier of the two: their anchor rows; later tasks move down by one.
    pub fn unite_tasks(&mut self, kept: usize, other: usize) {
        if other < self.probes.len() && kept < other {
            let widths: Vec<usize> = self.inputs.iter().map(|basis| basis.width()).collect();
            let gone = self.probes.remove(other);
            self.probes[kept] = self.probes[kept].united(&gone, &widths);
        }
    }
}

/// Gives up part of the rank of `pair`; `None` where one is all there is.
fn thin(pair: &mut Pair) -> Result<Option<f64>> {
    if pair.rank() <= 1 {
        return Ok(None);
    }
    let (mut fewer, lost) = pair.compress(fewer(pair.rank()))?;
    fewer.round();
    *pair = fewer;
    Ok(Some(lost))
}
