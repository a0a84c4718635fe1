//! Between the shape of a gradient and the shape of its value.
//!
//! If `y = f(x)` read `x` broadcast, `dx` is the sum over the copies: [`reduce`]. If `y` is a reduction of
//! `x`, every element of `x` gets the same gradient: [`spread`].

use crate::error::Result;
use crate::graph::{Dim, Emit, Shape, Tensor, ValueId};

/// Sums `grad` over the axes along which `value` was broadcast. Axes along which `grad` itself has length
/// one are left for [`spread`].
pub(super) fn reduce(emit: &mut Emit, grad: ValueId, value: ValueId) -> Result<ValueId> {
    let (from, to) = (emit.shape(grad)?, emit.shape(value)?);
    let lead = from.rank().saturating_sub(to.rank());
    let behind = to.rank().saturating_sub(from.rank());
    let one = Dim::Known(1);
    let inner: Vec<usize> =
        (lead..from.rank()).filter(|i| to[i - lead + behind] == one && from[*i] != one).collect();
    if lead > 0 && inner.is_empty() {
        let axes: Vec<usize> = (0..lead).collect();
        return emit.reduce_sum(grad, &axes, false);
    }
    if inner.is_empty() {
        return Ok(grad);
    }
    let axes: Vec<usize> = (0..lead).chain(inner).collect();
    let summed = emit.reduce_sum(grad, &axes, true)?;
    if lead == 0 {
        return Ok(summed);
    }
    let axes: Vec<i64> = (0..lead as i64).collect();
    let axes = emit.constant(Tensor::ints(&axes));
    emit.op("Squeeze", &[summed, axes], &[])
}

/// Repeats `grad` to the full shape of `value`.
pub(super) fn spread(emit: &mut Emit, grad: ValueId, value: ValueId) -> Result<ValueId> {
    let (from, to) = (emit.shape(grad)?, emit.shape(value)?);
    if from == to {
        return Ok(grad);
    }
    let target = match partial(&from, &to) {
        Some(dims) => emit.constant(Tensor::ints(&dims)),
        None => emit.op("Shape", &[value], &[])?,
    };
    emit.op("Expand", &[grad, target], &[])
}

/// The operand of an `Expand` from `from` to `to`, if numbers can say it: a symbolic axis that `from`
/// already has is written as 1, which leaves it alone.
fn partial(from: &Shape, to: &Shape) -> Option<Vec<i64>> {
    let lead = to.rank().checked_sub(from.rank())?;
    let dim = |(i, d): (usize, &Dim)| match d.known() {
        Some(n) => i64::try_from(n).ok(),
        None if i >= lead && from[i - lead] == *d => Some(1),
        None => None,
    };
    to.iter().enumerate().map(dim).collect()
}
