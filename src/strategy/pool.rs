//! Frozen units of finished tasks, and what every task makes of them.
//!
//! A unit is one rank-1 term: a row of `A` and a column of `B`. The units of all tasks stand in two contiguous matrices a
//! slot, `A [R, in]` and `B [out, R]`, and a task is a sparse list of weights over them (methods.md 3.11):
//!
//! ```text
//! y += scaling * ((x A^T) * s_k) B^T           two thin products, never an `out x in` matrix
//! ```
//!
//! Units are appended and never changed, so a network of a finished task stays bit-identical whatever is learned after.

use alloc::vec::Vec;

use half::f16;
use ndarray::{Array1, Array2, Axis};
use serde::{Deserialize, Serialize};

use super::Pair;
use crate::error::Result;

/// Weight of one unit of the pool; units that are not listed have weight zero.
pub type Weight = (u32, f32);

/// Units by slot, and compositions by task.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Pool {
    units: Vec<Pair>,
    tasks: Vec<Composition>,
}

/// What a task makes of the pool.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Composition {
    /// The first unit of its own.
    first: u32,
    /// By slot.
    pub(super) weights: Vec<Vec<Weight>>,
}

impl Pool {
    /// Units a slot.
    pub fn rank(&self) -> usize {
        self.units.first().map_or(0, Pair::rank)
    }

    /// Number of compositions.
    pub fn tasks(&self) -> usize {
        self.tasks.len()
    }

    /// The units of all slots.
    pub(super) fn all(&self) -> &[Pair] {
        &self.units
    }

    /// What every task makes of them.
    pub(super) fn compositions(&self) -> &[Composition] {
        &self.tasks
    }

    /// The units of `slot`; `None` before the first task.
    pub fn units(&self, slot: usize) -> Option<&Pair> {
        self.units.get(slot)
    }

    /// Adds the units of a finished task, rounded to f16, and what it makes of the pool: `weights` by slot. Units of earlier
    /// tasks that are not listed have weight 0, its own that are not listed have weight 1.
    ///
    /// # Errors
    /// [`Bug`](crate::ErrorKind::Bug) where widths differ.
    pub fn append(&mut self, own: &[Pair], weights: &[Array1<f32>]) -> Result<()> {
        let first = self.rank();
        let mut all = Vec::with_capacity(own.len());
        for (slot, pair) in own.iter().enumerate() {
            let given = weights.get(slot).map_or(0, Array1::len).max(first);
            let some = weights.get(slot).into_iter().flatten().enumerate();
            let some =
                some.map(|(unit, &w)| (unit as u32, f16::from_f32(w).to_f32())).filter(|(_, w)| *w != 0.0);
            let rest = (given..first + pair.rank()).map(|unit| (unit as u32, 1.0));
            all.push(some.chain(rest).collect());
            let mut pair = pair.clone();
            pair.round();
            match self.units.get_mut(slot) {
                Some(units) => *units = units.join(&pair)?,
                None => self.units.push(pair),
            }
        }
        self.tasks.push(Composition { first: first as u32, weights: all });
        Ok(())
    }

    /// The adapters of task `index`, by slot: its units, B scaled by their weights.
    ///
    /// # Errors
    /// [`Bug`](crate::ErrorKind::Bug) for a task that has no composition.
    pub fn network(&self, index: usize) -> Result<Vec<Pair>> {
        let task =
            self.tasks.get(index).ok_or_else(|| crate::err!(Bug, "task {index} has no composition"))?;
        Ok(self.units.iter().zip(&task.weights).map(|(units, weights)| weighted(units, weights)).collect())
    }

    /// Weights of all units in task `index`, by slot, zeros included.
    ///
    /// # Errors
    /// [`Bug`](crate::ErrorKind::Bug) for a task that has no composition.
    pub fn weights(&self, index: usize) -> Result<Vec<Array1<f32>>> {
        let task =
            self.tasks.get(index).ok_or_else(|| crate::err!(Bug, "task {index} has no composition"))?;
        let dense = |weights: &Vec<Weight>| {
            let mut dense = Array1::zeros(self.rank());
            weights.iter().for_each(|&(unit, w)| dense[unit as usize] = w);
            dense
        };
        Ok(task.weights.iter().map(dense).collect())
    }

    /// Units of earlier tasks that task `index` uses, summed over the slots.
    pub fn reused(&self, index: usize) -> usize {
        let Some(task) = self.tasks.get(index) else { return 0 };
        task.weights.iter().flatten().filter(|(unit, _)| *unit < task.first).count()
    }

    /// Bytes at rest.
    pub fn bytes(&self) -> usize {
        let weights: usize = self.tasks.iter().flat_map(|t| &t.weights).map(Vec::len).sum();
        self.units.iter().map(Pair::bytes).sum::<usize>() + weights * size_of::<Weight>()
    }
}

fn weighted(units: &Pair, weights: &[Weight]) -> Pair {
    let rows: Vec<usize> = weights.iter().map(|(unit, _)| *unit as usize).collect();
    let scale: Array1<f32> = weights.iter().map(|(_, w)| *w).collect();
    let (a, b): (Array2<f32>, Array2<f32>) = (units.a.select(Axis(0), &rows), units.b.select(Axis(1), &rows));
    Pair { a, b: b * &scale }
}
