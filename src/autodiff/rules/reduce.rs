//! Reductions. `y` is the result, `g = dL/dy`; both are first given back the reduced axes, with length one.
//! Gradients that are the same for all reduced elements are returned like that; the walk spreads them.

use super::{Grads, Step};
use crate::autodiff::forms;
use crate::error::Result;
use crate::graph::{Emit, ValueId};

/// A reduction with its axes read.
struct Reduction {
    axes: Vec<usize>,
    g: ValueId,
    y: ValueId,
}

/// Axes stand in an attribute before the form of opset 18 (for `ReduceSum`, 13), then in operand 1.
fn read(e: &mut Emit, s: &Step) -> Result<Reduction> {
    let rank = e.shape(s.x(0)?)?.rank();
    let attribute = s.since < 18 && s.node.op != "ReduceSum";
    let given = if attribute { s.node.ints("axes").map(<[i64]>::to_vec) } else { forms::ints(e, s, 1)? };
    let given = given.unwrap_or_default();
    let axes = match given.as_slice() {
        [] if s.node.int("noop_with_empty_axes", 0) != 0 => {
            crate::bail!(Unsupported, "the node reduces no axis; replace it by an Identity");
        }
        [] => (0..rank).collect(),
        given => given.iter().map(|a| forms::axis(*a, rank)).collect::<Result<Vec<_>>>()?,
    };
    let keep = s.node.int("keepdims", 1) != 0 || rank == 0;
    let mut kept = |v| {
        let at: Vec<i64> = axes.iter().map(|a| *a as i64).collect();
        if keep { Ok(v) } else { e.unsqueeze(v, &at) }
    };
    let (g, y) = (kept(s.grad()?)?, kept(s.y()?)?);
    Ok(Reduction { axes, g, y })
}

/// `y = sum(x)`: `g`.
pub(super) fn sum(e: &mut Emit, s: &Step) -> Result<Grads> {
    Ok(vec![Some(read(e, s)?.g)])
}

/// `y = sum(x) / n`: `g / n`.
pub(super) fn mean(e: &mut Emit, s: &Step) -> Result<Grads> {
    let r = read(e, s)?;
    let n = forms::count(e, s.x(0)?, &r.axes)?;
    Ok(vec![Some(e.div(r.g, n)?)])
}

/// Mean over all axes from the third on: `g / n`.
pub(super) fn global_average(e: &mut Emit, s: &Step) -> Result<Grads> {
    let x = s.x(0)?;
    let axes: Vec<usize> = (2..e.shape(x)?.rank()).collect();
    let n = forms::count(e, x, &axes)?;
    Ok(vec![Some(e.div(s.grad()?, n)?)])
}

/// `y = max(x)` or `min(x)`: `g` to the elements that equal `y`, shared evenly.
pub(super) fn extreme(e: &mut Emit, s: &Step) -> Result<Grads> {
    let r = read(e, s)?;
    Ok(vec![Some(hits(e, s.x(0)?, &r)?)])
}

fn hits(e: &mut Emit, x: ValueId, r: &Reduction) -> Result<ValueId> {
    let dtype = e.graph().dtype(x)?;
    let hit = e.op("Equal", &[x, r.y], &[])?;
    let hit = e.cast(hit, dtype)?;
    let ties = e.reduce_sum(hit, &r.axes, true)?;
    let share = e.div(r.g, ties)?;
    e.mul(share, hit)
}

/// Largest element over all axes from the third on: `g` to the elements that equal it, shared evenly.
pub(super) fn global_max(e: &mut Emit, s: &Step) -> Result<Grads> {
    let axes = (2..e.shape(s.x(0)?)?.rank()).collect();
    let r = Reduction { axes, g: s.grad()?, y: s.y()? };
    Ok(vec![Some(hits(e, s.x(0)?, &r)?)])
}

/// `y = sum |x|`: `g sign(x)`.
pub(super) fn l1(e: &mut Emit, s: &Step) -> Result<Grads> {
    let r = read(e, s)?;
    let sign = e.op("Sign", &[s.x(0)?], &[])?;
    Ok(vec![Some(e.mul(r.g, sign)?)])
}

/// `y = sqrt(sum x^2)`: `g x / y`, 0 where `y = 0`.
pub(super) fn l2(e: &mut Emit, s: &Step) -> Result<Grads> {
    let r = read(e, s)?;
    let positive = forms::above(e, r.y, 0.0)?;
    let share = e.div(r.g, r.y)?;
    let share = forms::keep(e, positive, share)?;
    Ok(vec![Some(e.mul(share, s.x(0)?)?)])
}

/// `y = sum x^2`: `2 g x`.
pub(super) fn sum_square(e: &mut Emit, s: &Step) -> Result<Grads> {
    let r = read(e, s)?;
    let twice = e.scale(r.g, 2.0)?;
    Ok(vec![Some(e.mul(twice, s.x(0)?)?)])
}

/// `y = ln sum e^x`: `g e^(x - y)`.
pub(super) fn log_sum_exp(e: &mut Emit, s: &Step) -> Result<Grads> {
    let r = read(e, s)?;
    let below = e.sub(s.x(0)?, r.y)?;
    let p = e.op("Exp", &[below], &[])?;
    Ok(vec![Some(e.mul(r.g, p)?)])
}
