//! Operators that pick elements along an axis. `g = dL/dy`.
//!
//! The gradient of picking is putting back. A run of neighbours is handed to the walk as a slab; anything else
//! is a product with rows of the unit matrix ([`scatter`]), which sums rows that were picked twice and runs on
//! every engine (`ScatterND` with a reduction does not).

use super::{Grads, Step};
use crate::autodiff::forms;
use crate::autodiff::slabs::{Part, Slab};
use crate::error::Result;
use crate::graph::infer::Span;
use crate::graph::{DType, Dim, Emit, Shape, Tensor, ValueId};

/// Where the rows of a gradient belong.
enum Rows {
    /// Known while the graph is built, of an axis of this length.
    At(Vec<usize>, usize),
    /// A rank-1 value, and all rows of the axis as another.
    Computed(ValueId, ValueId),
}

/// `out[rows[i]] += g[i]` along `axis`.
fn scatter(e: &mut Emit, g: ValueId, axis: usize, rows: &Rows) -> Result<ValueId> {
    let dtype = e.graph().dtype(g)?;
    let unit = match rows {
        Rows::At(rows, n) => {
            let unit_row = |i: usize| (0..*n).map(move |j| f64::from(u8::from(i == j)));
            let unit: Vec<f64> = rows.iter().flat_map(|i| unit_row(*i)).collect();
            e.constant(Tensor::from_f64(dtype, &[rows.len(), *n], &unit)?)
        }
        Rows::Computed(rows, all) => {
            let rows = e.unsqueeze(*rows, &[-1])?;
            let hit = e.op("Equal", &[rows, *all], &[])?;
            e.cast(hit, dtype)?
        }
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
pub(super) fn gather(e: &mut Emit, s: &Step) -> Result<Part> {
    let (g, x, index) = (s.grad()?, s.x(0)?, s.x(1)?);
    let (shape, picked) = (e.shape(x)?, e.shape(index)?);
    let axis = forms::axis(s.node.int("axis", 0), shape.rank())?;
    let rows = match e.graph().constant(index).map(Tensor::to_i64) {
        Some(index) => {
            let n = forms::length(e, x, axis)?;
            Rows::At(index?.iter().map(|i| forms::axis(*i, n)).collect::<Result<_>>()?, n)
        }
        None => computed(e, index, x, axis)?,
    };
    let mut flat = shape.clone();
    flat[axis] = if picked.rank() == 0 { Dim::Known(1) } else { picked.volume() };
    let g = e.reshape(g, &flat)?;
    if let Rows::At(list, _) = &rows
        && let Some(start) = run(list)
    {
        return Ok(Part::Slab(Slab { axis, start, grad: g }));
    }
    Ok(Part::Whole(scatter(e, g, axis, &rows)?))
}

/// A computed index as a vector, counted from the front, beside all rows of the axis.
fn computed(e: &mut Emit, index: ValueId, x: ValueId, axis: usize) -> Result<Rows> {
    let volume = e.shape(index)?.volume();
    let index = e.reshape(index, &Shape(vec![volume]))?;
    let index = e.cast(index, DType::I64)?;
    if let Some(n) = e.shape(x)?[axis].known() {
        let all = forms::arange(e, n);
        let zero = e.scalar_like(index, 0.0)?;
        let negative = e.op("Less", &[index, zero], &[])?;
        let front = forms::shift(e, index, n as f64)?;
        return Ok(Rows::Computed(forms::select(e, negative, front, index)?, all));
    }
    let lengths = e.op("Shape", &[x], &[])?;
    let at = e.constant(Tensor::ints(&[axis as i64]).reshape(&[])?);
    let n = e.op("Gather", &[lengths, at], &[("axis", 0.into())])?;
    let [zero, one] = [0, 1].map(|i| Tensor::ints(&[i]).reshape(&[]));
    let (zero, one) = (e.constant(zero?), e.constant(one?));
    let all = e.op("Range", &[zero, n, one], &[])?;
    Ok(Rows::Computed(e.op("Mod", &[index, n], &[])?, all))
}

/// `y = x[start..end..step]` along some axes: `g` put back axis by axis, the last run as a slab.
pub(super) fn slice(e: &mut Emit, s: &Step) -> Result<Part> {
    let (x, mut g) = (s.x(0)?, s.grad()?);
    let mut slab = None;
    for (axis, rows) in cuts(e, s)? {
        if let Some(Slab { axis, start, grad }) = slab.take() {
            let after = forms::length(e, x, axis)? - start - forms::length(e, grad, axis)?;
            g = forms::pad(e, grad, axis, start, after)?;
        }
        match run(&rows) {
            Some(start) => slab = Some(Slab { axis, start, grad: g }),
            None => g = scatter(e, g, axis, &Rows::At(rows, forms::length(e, x, axis)?))?,
        }
    }
    Ok(slab.map_or(Part::Whole(g), Part::Slab))
}

/// The axes that a `Slice` shortens or reorders, with the indices that it takes.
fn cuts(e: &Emit, s: &Step) -> Result<Vec<(usize, Vec<usize>)>> {
    let x = s.x(0)?;
    let required = |v: Option<Vec<i64>>| v.ok_or_else(|| crate::err!(Parse, "Slice without starts or ends"));
    let (starts, ends) = (required(forms::ints(e, s, 1)?)?, required(forms::ints(e, s, 2)?)?);
    let axes = forms::ints(e, s, 3)?.unwrap_or_else(|| (0..starts.len() as i64).collect());
    let steps = forms::ints(e, s, 4)?.unwrap_or_else(|| vec![1; starts.len()]);
    if [ends.len(), axes.len(), steps.len()] != [starts.len(); 3] {
        crate::bail!(Parse, "Slice with starts, ends, axes and steps of different lengths");
    }
    let mut cuts = Vec::new();
    for (i, a) in axes.iter().enumerate() {
        let axis = forms::axis(*a, e.shape(x)?.rank())?;
        if starts[i] != 0 || steps[i] != 1 || ends[i] < i64::from(i32::MAX) {
            let span = Span::new(forms::length(e, x, axis)?, starts[i], ends[i], steps[i])?;
            cuts.push((axis, span.indices().filter_map(|i| usize::try_from(i).ok()).collect()));
        }
    }
    Ok(cuts)
}

/// `y = x` with `y[indices] = updates`: `(g with zeros there, g[indices])`.
pub(super) fn scatter_nd(e: &mut Emit, s: &Step) -> Result<Grads> {
    if s.node.str("reduction", "none") != "none" {
        crate::bail!(Unsupported, "a reduction; only replaced elements have a gradient");
    }
    let (indices, updates, g) = (s.x(1)?, s.x(2)?, s.grad()?);
    let by_x = s.when(0, || {
        let zeros = forms::zeros_like(e, updates)?;
        e.op("ScatterND", &[g, indices, zeros], &[])
    })?;
    Ok(vec![by_x, None, s.when(2, || e.op("GatherND", &[g, indices], &[]))?])
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
