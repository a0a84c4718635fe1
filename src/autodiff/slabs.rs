//! Gradients that are zero outside a run of one axis.
//!
//! `q, k, v = qkv[0], qkv[1], qkv[2]` gives `qkv` three gradients, each of a third of its size. Padding each to
//! the whole and adding them would move fifteen thirds; put side by side they move three. So operators that
//! pick a run ([`Entry::Pick`](super::rules)) hand over the run itself, and neighbours are joined here.

use super::forms;
use crate::error::Result;
use crate::graph::{Emit, ValueId};

/// One contribution to the gradient of a value.
pub(super) enum Part {
    /// For all elements.
    Whole(ValueId),
    /// For some rows of an axis.
    Slab(Slab),
}

/// The gradient of `value[.., start..start + length, ..]` along `axis`; `length` is that of `grad`.
pub(super) struct Slab {
    pub axis: usize,
    pub start: usize,
    pub grad: ValueId,
}

/// A sequence of slabs without gaps.
struct Run {
    axis: usize,
    start: usize,
    end: usize,
    grads: Vec<ValueId>,
}

/// Joins slabs of `value` to as few whole gradients as their order along the axis allows.
pub(super) fn join(emit: &mut Emit, mut slabs: Vec<Slab>, value: ValueId) -> Result<Vec<ValueId>> {
    slabs.sort_by_key(|s| (s.axis, s.start));
    let mut runs: Vec<Run> = Vec::new();
    for Slab { axis, start, grad } in slabs {
        let end = start + forms::length(emit, grad, axis)?;
        match runs.last_mut().filter(|run| run.axis == axis && run.end == start) {
            Some(run) => {
                run.end = end;
                run.grads.push(grad);
            }
            None => runs.push(Run { axis, start, end, grads: vec![grad] }),
        }
    }
    runs.into_iter().map(|run| whole(emit, run, value)).collect()
}

fn whole(emit: &mut Emit, run: Run, value: ValueId) -> Result<ValueId> {
    let length = forms::length(emit, value, run.axis)?;
    let joined = match run.grads.as_slice() {
        [one] => *one,
        many => emit.concat(many, run.axis as i64)?,
    };
    let after =
        length.checked_sub(run.end).ok_or_else(|| crate::err!(Bug, "a slab ends outside its value"))?;
    forms::pad(emit, joined, run.axis, run.start, after)
}
