//! Operators that pick elements along an axis. `g = dL/dy`.
//!
//! The gradient of picking is putting back: [`scatter`] places the rows of `g` where they were taken. A run of
//! neighbours is padded with zeros; anything else is a product with rows of the unit matrix, which sums rows
//! that were picked twice and runs on every engine (`ScatterND` with a reduction does not).

use super::{Grads, Step};
use crate::autodiff::forms;
use crate::error::Result;
use crate::graph::{Dim, Emit, Shape, Tensor, ValueId};

/// Where the rows of a gradient belong.
enum Rows {
    /// Known while the graph is built.
    At(Vec<usize>),
    /// A rank-1 value.
    Computed(ValueId),
}

/// `out[rows[i]] += g[i]` along `axis`, of length `n`.
fn scatter(e: &mut Emit, g: ValueId, axis: usize, rows: &Rows, n: usize) -> Result<ValueId> {
    let dtype = e.graph().dtype(g)?;
    let unit = match rows {
        Rows::At(rows) => {
            if let Some(first) = run(rows) {
                return forms::pad(e, g, axis, first, n - first - rows.len());
            }
            let unit_row = |i: usize| (0..n).map(move |j| f64::from(u8::from(i == j)));
            let unit: Vec<f64> = rows.iter().flat_map(|i| unit_row(*i)).collect();
            e.constant(Tensor::from_f64(dtype, &[rows.len(), n], &unit)?)
        }
        Rows::Computed(rows) => forms::one_hot(e, *rows, n, dtype)?,
    };
    let mut order: Vec<usize> = (0..e.shape(g)?.rank()).collect();
    let last = order.len() - 1;
    order.swap(axis, last);
    let turned = e.transpose(g, &order)?;
    let placed = e.matmul(turned, unit)?;
    e.transpose(placed, &order)
}

/// The first index, if each is one more than the one before.
fn run(rows: &[usize]) -> Option<usize> {
    rows.windows(2).all(|w| w[0] + 1 == w[1]).then(|| rows.first().copied()).flatten()
}

/// `y = x[index]` along an axis: `g` added back where it was taken.
pub(super) fn gather(e: &mut Emit, s: &Step) -> Result<Grads> {
    let (g, x, index) = (s.grad()?, s.x(0)?, s.x(1)?);
    let (shape, picked) = (e.shape(x)?, e.shape(index)?);
    let axis = forms::axis(s.node.int("axis", 0), shape.rank())?;
    let n = forms::length(e, x, axis)?;
    let rows = match e.graph().constant(index) {
        Some(t) => Rows::At(t.to_i64()?.iter().map(|i| forms::axis(*i, n)).collect::<Result<_>>()?),
        None => Rows::Computed(wrapped(e, index, n)?),
    };
    let mut flat = shape.clone();
    flat[axis] = if picked.rank() == 0 { Dim::Known(1) } else { picked.volume() };
    let g = e.reshape(g, &flat)?;
    Ok(vec![Some(scatter(e, g, axis, &rows, n)?)])
}

/// A computed index as a vector, counted from the front.
fn wrapped(e: &mut Emit, index: ValueId, n: usize) -> Result<ValueId> {
    let volume = e.shape(index)?.volume();
    let index = e.reshape(index, &Shape(vec![volume]))?;
    let zero = e.scalar_like(index, 0.0)?;
    let negative = e.op("Less", &[index, zero], &[])?;
    let front = forms::shift(e, index, n as f64)?;
    forms::select(e, negative, front, index)
}

/// `y = x[start..end..step]` along some axes: `g` put back axis by axis.
pub(super) fn slice(e: &mut Emit, s: &Step) -> Result<Grads> {
    let (x, mut g) = (s.x(0)?, s.grad()?);
    let shape = e.shape(x)?;
    let required = |v: Option<Vec<i64>>| v.ok_or_else(|| crate::err!(Parse, "Slice without starts or ends"));
    let (starts, ends) = (required(forms::ints(e, s, 1)?)?, required(forms::ints(e, s, 2)?)?);
    let axes = forms::ints(e, s, 3)?.unwrap_or_else(|| (0..starts.len() as i64).collect());
    let steps = forms::ints(e, s, 4)?.unwrap_or_else(|| vec![1; starts.len()]);
    for (i, a) in axes.iter().enumerate() {
        let axis = forms::axis(*a, shape.rank())?;
        let (start, end, step) = (starts[i], ends[i], steps[i]);
        let whole = start == 0 && step == 1 && end >= i64::from(i32::MAX);
        if !whole {
            let n = forms::length(e, x, axis)?;
            g = scatter(e, g, axis, &Rows::At(taken(n, start, end, step)?), n)?;
        }
    }
    Ok(vec![Some(g)])
}

/// The indices that `start..end..step` takes from an axis of length `n`, as ONNX clamps them.
fn taken(n: usize, start: i64, end: i64, step: i64) -> Result<Vec<usize>> {
    let n = n as i64;
    let front = |i: i64| if i < 0 { i.saturating_add(n) } else { i };
    if step == 0 {
        crate::bail!(Parse, "Slice with a step of 0");
    }
    let (low, high) = if step > 0 { (0, n) } else { (-1, n - 1) };
    let (mut at, end) = (front(start).clamp(low.max(0), high), front(end).clamp(low, high));
    let mut rows = Vec::new();
    while (step > 0 && at < end) || (step < 0 && at > end) {
        rows.push(usize::try_from(at).map_err(|_| crate::err!(Bug, "negative row"))?);
        at = at.saturating_add(step);
    }
    Ok(rows)
}

/// `y = x` with a constant border: `g` without it (a negative width cut `x`: zeros there).
pub(super) fn pad(e: &mut Emit, s: &Step) -> Result<Grads> {
    let mode = s.node.str("mode", "constant");
    if mode != "constant" {
        crate::bail!(Unsupported, "mode = {mode:?}; only constant borders have a gradient");
    }
    let mut g = s.grad()?;
    let rank = e.shape(g)?.rank();
    let pads = forms::ints(e, s, 1)?.ok_or_else(|| crate::err!(Parse, "Pad without widths"))?;
    let given = if s.since < 18 { None } else { forms::ints(e, s, 3)? };
    let axes = given.unwrap_or_else(|| (0..rank as i64).collect());
    for (i, a) in axes.iter().enumerate() {
        let axis = forms::axis(*a, rank)?;
        let (before, after) = (pads[i], pads[i + axes.len()]);
        if before > 0 || after > 0 {
            let end = if after > 0 { -after } else { i64::MAX };
            g = forms::slice(e, g, axis, before.max(0), end)?;
        }
        g = forms::pad(e, g, axis, cut(before), cut(after))?;
    }
    Ok(vec![Some(g)])
}

/// Elements that a negative width took away.
fn cut(width: i64) -> usize {
    usize::try_from(width.saturating_neg()).unwrap_or(0)
}
