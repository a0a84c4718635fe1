//! Whether the parts of a memory that was read fit each other: one of everything for every slot or tap, all as wide as it is.

use super::{Average, Memory, Pair, Pool, SlotShape};
use crate::error::{Result, fitting};

/// Widest layer and largest rank: bounds what is made anew after reading.
const MAX_WIDTH: usize = 1 << 20;

impl SlotShape {
    fn takes(&self, pair: &Pair) -> bool {
        let rank = pair.rank();
        pair.a.ncols() == self.inputs && pair.b.dim() == (self.outputs, rank)
    }
}

impl Pool {
    fn fits(&self, slots: &[SlotShape]) -> bool {
        let (units, tasks) = (self.all(), self.compositions());
        let rank = self.rank();
        let none = units.is_empty() && tasks.is_empty();
        let alike = units.len() == slots.len()
            && slots.iter().zip(units).all(|(s, p)| s.takes(p) && p.rank() == rank);
        let mut listed = tasks.iter().flat_map(|task| task.weights.iter().flatten());
        none || (alike
            && tasks.iter().all(|task| task.weights.len() == slots.len())
            && listed.all(|&(unit, _)| (unit as usize) < rank))
    }
}

impl Average {
    fn fits(&self, slots: &[SlotShape]) -> bool {
        let pairs = self.pairs();
        pairs.is_empty() || (pairs.len() == slots.len() && slots.iter().zip(&pairs).all(|(s, p)| s.takes(p)))
    }
}

impl Memory {
    /// # Errors
    /// [`Corrupt`](crate::ErrorKind::Corrupt) where a part fits no slot.
    pub(crate) fn fits(&self) -> Result<()> {
        let slots = &self.slots;
        let count = slots.len();
        let width = |tap: usize| slots.iter().find(|s| s.tap == tap).map_or(0, |s| s.inputs);
        let shapes = slots.iter().all(|s| s.tap < count && s.inputs.max(s.outputs) <= MAX_WIDTH);
        let taps = slots.iter().map(|s| s.tap.saturating_add(1)).max().unwrap_or(0);
        let lengths = [
            self.current.len(),
            self.mixing.len(),
            self.settled.len(),
            self.hidden.len(),
            self.anchors.len(),
            self.given_up.len(),
        ];
        let pairs = |pairs: &[Pair]| slots.iter().zip(pairs).all(|(s, p)| s.takes(p));
        let settled = slots.iter().zip(&self.settled).all(|(s, p)| p.as_ref().is_none_or(|p| s.takes(p)));
        let anchors = self.anchors.iter().zip(&self.current).all(|(anchor, pair)| {
            anchor.as_ref().is_none_or(|a| {
                let rank = a.b.ncols();
                rank == pair.rank() && a.b.nrows() == pair.b.nrows() && a.moment.dim() == (rank, rank)
            })
        });
        let bases = self.inputs.len() == taps && (0..taps).all(|tap| self.inputs[tap].width() == width(tap));
        let fits = shapes
            && lengths.iter().all(|&length| length == count)
            && pairs(&self.current)
            && settled
            && (self.found.is_empty() || (self.found.len() == count && pairs(&self.found)))
            && anchors
            && bases
            && self.pool.fits(slots)
            && self.average.fits(slots);
        fitting(fits, "adapters and the layers that they are for")
    }
}
