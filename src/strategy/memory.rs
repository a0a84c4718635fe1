//! What a learner remembers in its network: adapters, whole or in units, and protected subspaces.

use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;

use ndarray::{Array1, Array2, ArrayView2, ArrayViewMut1};
#[cfg(not(feature = "std"))]
use num_traits::Float;
use serde::{Deserialize, Serialize};

use super::probe::Probe;
use super::{Average, Pair, Pool};
use crate::adapter::Mechanism;
use crate::error::Result;
use crate::subspace::Basis;

/// Widths of one slot.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SlotShape {
    /// `block3.q`.
    pub name: String,
    /// Width of the input.
    pub inputs: usize,
    /// Width of the output.
    pub outputs: usize,
    /// Which tap records its input; q, k and v of a block share one.
    pub tap: usize,
    /// What A and B compute.
    pub mechanism: Mechanism,
}

impl SlotShape {
    /// What reaches B of rows `[n, in]` of its tap, `[n, rank]`: `x A^T`, `relu` of it, or of tokens the share of attention
    /// among themselves: what the image's own tokens take scales such a row and leaves the span of all rows.
    pub fn hidden(&self, pair: &Pair, x: ArrayView2<'_, f32>) -> Array2<f32> {
        let mut hidden = x.dot(&pair.a.t());
        match self.mechanism {
            Mechanism::Lora => {}
            Mechanism::Bottleneck => hidden.mapv_inplace(|y| y.max(0.0)),
            Mechanism::Prefix | Mechanism::Prompt => hidden.rows_mut().into_iter().for_each(softmax),
        }
        hidden
    }

    /// What the adapter adds to rows of its tap, `[n, out]`; of a prompt, whose values a layer makes, the share of every
    /// token.
    pub fn adds(&self, pair: &Pair, x: ArrayView2<'_, f32>) -> Array2<f32> {
        let hidden = self.hidden(pair, x);
        if self.mechanism == Mechanism::Prompt { hidden } else { hidden.dot(&pair.b.t()) }
    }
}

fn softmax(mut row: ArrayViewMut1<'_, f32>) {
    let most = row.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    row.mapv_inplace(|x| (x - most).exp());
    row /= row.sum();
}

/// What holds B in place: where it was, and the second moment of the hidden rows that it met there.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Anchor {
    /// `B [out, rank]` when the last task ended.
    pub b: Array2<f32>,
    /// Sum over tasks of `C_Y [rank, rank]`, each of unit trace.
    pub moment: Array2<f32>,
}

/// Adapters and protected subspaces, by slot and by tap.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Memory {
    /// The slots, in the order of everything below.
    pub slots: Vec<SlotShape>,
    /// The adapter that the open task trains.
    pub current: Vec<Pair>,
    /// Weights of the pool's units in the open task, by slot; trained where the strategy mixes, empty elsewhere.
    pub mixing: Vec<Array1<f32>>,
    /// The sum of the branches of finished tasks.
    pub settled: Vec<Option<Pair>>,
    /// Branches of finished tasks that are kept apart.
    pub pool: Pool,
    /// A slower copy of the adapters.
    pub average: Average,
    /// The adapters as the open task found them, where the strategy holds on to them; empty elsewhere.
    pub found: Vec<Pair>,
    /// Protected directions of the inputs, by tap.
    pub inputs: Vec<Basis>,
    /// Protected directions of the hidden rows `x A^T`, by slot.
    pub hidden: Vec<Basis>,
    /// Anchors of B, by slot.
    pub anchors: Vec<Option<Anchor>>,
    /// Anchor rows of the site inputs, by task, where inputs are protected.
    pub probes: Vec<Probe>,
    /// Share of adapter energy given up by compression so far, by slot.
    pub given_up: Vec<f64>,
}

impl Memory {
    /// Nothing learned yet.
    pub fn new(slots: Vec<SlotShape>, rank: usize) -> Self {
        let taps = slots.iter().map(|s| s.tap + 1).max().unwrap_or(0);
        let width = |tap: usize| slots.iter().find(|s| s.tap == tap).map_or(0, |s| s.inputs);
        Self {
            current: slots.iter().map(|s| Pair::zeros(rank, s.inputs, s.outputs)).collect(),
            mixing: vec![Array1::zeros(0); slots.len()],
            settled: vec![None; slots.len()],
            pool: Pool::default(),
            average: Average::default(),
            found: Vec::new(),
            inputs: (0..taps).map(|tap| Basis::new(width(tap))).collect(),
            hidden: slots.iter().map(|_| Basis::new(rank)).collect(),
            anchors: vec![None; slots.len()],
            probes: Vec::new(),
            given_up: vec![0.0; slots.len()],
            slots,
        }
    }

    /// The adapter of `slot` as the finished network applies it: settled branches and the current one.
    ///
    /// # Errors
    /// [`Bug`](crate::ErrorKind::Bug) where widths differ.
    pub fn sum(&self, slot: usize) -> Result<Pair> {
        match &self.settled[slot] {
            Some(settled) if self.current[slot].rank() == 0 => Ok(settled.clone()),
            Some(settled) => settled.join(&self.current[slot]),
            None => Ok(self.current[slot].clone()),
        }
    }

    /// Adds the current branch to the settled ones, keeps at most `max_rank`, and clears the current one.
    ///
    /// # Errors
    /// [`Numeric`](crate::ErrorKind::Numeric) where compression fails,
    /// [`Budget`](crate::ErrorKind::Budget) where bottlenecks would need more than `max_rank`.
    pub fn settle(&mut self, max_rank: usize) -> Result<()> {
        for slot in 0..self.slots.len() {
            let sum = self.sum(slot)?;
            let SlotShape { name, mechanism, .. } = &self.slots[slot];
            if *mechanism == Mechanism::Bottleneck && sum.rank() > max_rank {
                crate::bail!(
                    Budget,
                    "{name} would have {} hidden units and at most {max_rank} are planned; bottlenecks cannot be \
                     compressed without loss of what they learned, use q,v or fewer tasks",
                    sum.rank()
                );
            }
            let (mut sum, lost) = sum.compress(max_rank)?;
            sum.round();
            self.settled[slot] = Some(sum);
            self.given_up[slot] += lost;
        }
        self.clear();
        Ok(())
    }

    /// Moves the current branch to the pool, with the weights that the open task gives to the units before it.
    ///
    /// # Errors
    /// [`Bug`](crate::ErrorKind::Bug) where widths differ.
    pub fn keep_apart(&mut self) -> Result<()> {
        self.pool.append(&self.current, &self.mixing)?;
        self.clear();
        Ok(())
    }

    /// Leaves nothing to train.
    fn clear(&mut self) {
        self.current = self.slots.iter().map(|s| Pair::zeros(0, s.inputs, s.outputs)).collect();
        self.mixing = vec![Array1::zeros(0); self.slots.len()];
    }

    /// Anchors B of `slot` where it is now, by the second moment of its hidden rows.
    pub fn anchor(&mut self, slot: usize, moment: &Array2<f32>) {
        let before = self.anchors[slot].take();
        let moment = before.map_or_else(|| moment.clone(), |a| a.moment + moment);
        self.anchors[slot] = Some(Anchor { b: self.current[slot].b.clone(), moment });
    }

    /// Rounds the current adapters to f16, so that stored and live state are the same numbers.
    pub fn round(&mut self) {
        self.current.iter_mut().for_each(Pair::round);
    }

    /// Bytes at rest.
    pub fn bytes(&self) -> usize {
        let pairs = self.current.iter().chain(self.settled.iter().flatten()).map(Pair::bytes);
        let bases = self.inputs.iter().chain(&self.hidden).map(Basis::bytes);
        let probes = self.probes.iter().map(Probe::bytes).sum::<usize>();
        let apart = self.pool.bytes() + self.average.bytes() + probes;
        let anchors = self.anchors.iter().flatten().map(|a| (a.b.len() + a.moment.len()) * size_of::<f32>());
        apart + anchors.sum::<usize>() + pairs.sum::<usize>() + bases.sum::<usize>()
    }
}
