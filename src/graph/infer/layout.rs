//! The same elements arranged otherwise: reshaped, permuted, joined, cut, repeated, padded.

use super::context::{Axes, Operands, agree, broadcast, resolve, resolve_all, sum};
use super::{Info, Row, Term};
use crate::error::{Context as _, Result};
use crate::graph::{Dim, Shape};

pub(super) const ROWS: &[Row] = &[
    ("Concat", 4, concat),
    ("Expand", 8, expand),
    ("Flatten", 1, flatten),
    ("Pad", 11, pad),
    ("Reshape", 5, reshape),
    ("Slice", 10, slice),
    ("Split", 13, split),
    ("Squeeze", 13, squeeze),
    ("Tile", 6, tile),
    ("Transpose", 1, transpose),
    ("Unsqueeze", 13, unsqueeze),
];

/// A result of known rank of which no dimension is known; of unknown rank without one.
fn open(o: &Operands, rank: Option<usize>) -> Result<Vec<Info>> {
    Ok(vec![Info { dtype: o.dtype(0)?, shape: rank.map(|r| Shape(vec![Dim::Unknown; r])) }])
}

/// 0 copies the operand's dimension (unless `allowzero`), -1 stands for what remains.
fn reshape(o: &Operands) -> Result<Vec<Info>> {
    let (from, rank) = (o.shape(0)?, o.length(1)?);
    let Some(target) = o.terms(1) else {
        return open(o, rank);
    };
    let copy = o.node.int("allowzero", 0) == 0;
    let mut out = Vec::with_capacity(target.len());
    for (i, t) in target.iter().enumerate() {
        out.push(match t {
            Term::Number(0) if copy => from.get(i).cloned().ok_or_else(|| {
                crate::err!(Shape, "entry {i} of the new shape copies axis {i}, which {from} has not")
            })?,
            Term::Number(n) if *n < -1 => crate::bail!(Shape, "entry {i} of the new shape is {n}"),
            t => t.dim(),
        });
    }
    if target.iter().filter(|t| t.number() == Some(-1)).count() > 1 {
        crate::bail!(Shape, "more than one -1 in the new shape {}", Shape(out));
    }
    settle(from, &mut out)?;
    o.one(Shape(out))
}

/// Computes the one open dimension of `out` from the volume of `from`; checks the volume if none is open.
fn settle(from: &Shape, out: &mut [Dim]) -> Result<()> {
    let open: Vec<usize> = (0..out.len()).filter(|&i| out[i] == Dim::Unknown).collect();
    // Equal dimensions cancel, so that a second symbol does not hide the quotient.
    let mut rest = from.0.clone();
    let mut divisor = Dim::Known(1);
    for d in out.iter().filter(|d| **d != Dim::Unknown) {
        match rest.iter().position(|r| r == d && *d != Dim::Known(0)) {
            Some(i) => drop(rest.remove(i)),
            None => divisor = divisor.times(d),
        }
    }
    let volume = Shape(rest).volume();
    let fits = match (open.as_slice(), volume.known(), divisor.known()) {
        ([], Some(v), Some(d)) => v == d,
        ([_], Some(v), Some(d)) if d > 0 => v % d == 0,
        _ => true,
    };
    if !fits {
        let (have, want) = (from.volume(), Shape(out.to_vec()));
        crate::bail!(Shape, "{from} has {have} elements and cannot be viewed as {want}");
    }
    if let [i] = open.as_slice() {
        out[*i] = volume.divide(&divisor);
    }
    Ok(())
}

fn flatten(o: &Operands) -> Result<Vec<Info>> {
    let shape = o.shape(0)?;
    let axis = o.node.int("axis", 1);
    let at = if axis == shape.rank() as i64 { shape.rank() } else { resolve(axis, shape.rank())? };
    let volume = |dims: &[Dim]| Shape(dims.to_vec()).volume();
    o.one(Shape(vec![volume(&shape[..at]), volume(&shape[at..])]))
}

fn transpose(o: &Operands) -> Result<Vec<Info>> {
    let shape = o.shape(0)?;
    let rank = shape.rank();
    let reversed: Vec<i64> = (0..rank as i64).rev().collect();
    let perm = o.node.ints("perm").unwrap_or(&reversed);
    if perm.len() != rank {
        crate::bail!(Shape, "perm {perm:?} permutes {} axes, {shape} has {rank}", perm.len());
    }
    resolve_all(perm, rank).at(|| format!("perm {perm:?}"))?;
    let dims = perm.iter().map(|&p| resolve(p, rank).map(|p| shape[p].clone()));
    o.one(Shape(dims.collect::<Result<_>>()?))
}

fn squeeze(o: &Operands) -> Result<Vec<Info>> {
    let shape = o.shape(0)?;
    let axes = match o.axes_operand()? {
        Axes::Given(axes) => resolve_all(&axes, shape.rank())?,
        Axes::Unknown => return open(o, o.length(1)?.and_then(|n| shape.rank().checked_sub(n))),
        // Which axes go depends on the dimensions, so all must be known.
        Axes::Absent if shape.known().is_none() => return open(o, None),
        Axes::Absent => (0..shape.rank()).filter(|&i| shape[i] == Dim::Known(1)).collect(),
    };
    if let Some(&i) = axes.iter().find(|&&i| shape[i].known().is_some_and(|d| d != 1)) {
        crate::bail!(Shape, "axis {i} of {shape} has length {}; only 1 can be squeezed", shape[i]);
    }
    let kept = shape.iter().enumerate().filter(|(i, _)| !axes.contains(i)).map(|(_, d)| d.clone());
    o.one(Shape(kept.collect()))
}

fn unsqueeze(o: &Operands) -> Result<Vec<Info>> {
    let shape = o.shape(0)?;
    let axes = match o.axes_operand()? {
        Axes::Given(axes) => axes,
        _ => return open(o, o.length(1)?.map(|n| n + shape.rank())),
    };
    let rank = shape.rank() + axes.len();
    let axes = resolve_all(&axes, rank)?;
    let mut rest = shape.iter();
    let dim = |i| if axes.contains(&i) { Some(Dim::Known(1)) } else { rest.next().cloned() };
    o.one(Shape((0..rank).filter_map(dim).collect()))
}

fn expand(o: &Operands) -> Result<Vec<Info>> {
    let (from, rank) = (o.shape(0)?, o.length(1)?);
    let Some(target) = o.terms(1) else {
        return open(o, rank.map(|r| r.max(from.rank())));
    };
    let target: Vec<Dim> = target.iter().map(Term::dim).collect();
    o.one(broadcast(from, &target)?)
}

fn concat(o: &Operands) -> Result<Vec<Info>> {
    let (first, dtype) = (o.shape(0)?, o.dtype(0)?);
    let axis = o.axis(o.node.int("axis", 0), first.rank())?;
    let mut out = first.clone();
    let mut parts = vec![&first[axis]];
    for i in 1..o.node.inputs.len() {
        let shape = o.shape(i)?;
        if shape.rank() != first.rank() || o.dtype(i)? != dtype {
            let want = dtype.name();
            crate::bail!(Shape, "operand {i} is not {want} of rank {}, as operand 0 is", first.rank());
        }
        for (d, other) in shape.iter().enumerate().filter(|(d, _)| *d != axis) {
            out[d] = agree(&out[d], other).at(|| format!("axis {d} of operand {i}"))?;
        }
        parts.push(&shape[axis]);
    }
    out[axis] = sum(parts.into_iter());
    o.one(out)
}

/// Lengths from operand 1; else equal parts, of which the last may be shorter (opset 18).
fn split(o: &Operands) -> Result<Vec<Info>> {
    let shape = o.shape(0)?;
    let axis = o.axis(o.node.int("axis", 0), shape.rank())?;
    let parts = o.node.outputs.len();
    let lengths: Vec<Dim> = match (o.has(1), o.terms(1)) {
        (true, Some(lengths)) => lengths.iter().map(Term::dim).collect(),
        (true, None) => vec![Dim::Unknown; parts],
        (false, _) => equal_parts(&shape[axis], parts),
    };
    if lengths.len() != parts {
        crate::bail!(Shape, "{} lengths for {parts} results", lengths.len());
    }
    agree(&sum(lengths.iter()), &shape[axis]).at(|| format!("the sum of the parts of axis {axis}"))?;
    let dtype = o.dtype(0)?;
    let part = |length| {
        let mut shape = shape.clone();
        shape[axis] = length;
        Info { dtype, shape: Some(shape) }
    };
    Ok(lengths.into_iter().map(part).collect())
}

fn equal_parts(dim: &Dim, parts: usize) -> Vec<Dim> {
    let Some(n) = dim.known() else {
        return vec![dim.divide(&Dim::Known(parts)); parts];
    };
    let each = n.div_ceil(parts.max(1));
    (0..parts).map(|i| Dim::Known(n.saturating_sub(i.saturating_mul(each)).min(each))).collect()
}

/// The indices that a slice takes: `start, start + step, ..`, `count` of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// First index.
    pub start: i64,
    /// From one to the next; not 0.
    pub step: i64,
    /// How many.
    pub count: usize,
}

impl Span {
    /// The indices, in order.
    pub fn indices(self) -> impl Iterator<Item = i64> {
        (0..self.count as i64).map(move |i| self.start + i * self.step)
    }

    /// Of an axis of length `len`, with ends clamped and counted from the end as ONNX demands.
    ///
    /// # Errors
    /// [`Shape`](crate::ErrorKind::Shape) for a step of 0.
    pub fn new(len: usize, start: i64, end: i64, step: i64) -> Result<Self> {
        if step == 0 {
            crate::bail!(Shape, "a slice with step 0; any other would fit");
        }
        let len = i64::try_from(len).unwrap_or(i64::MAX);
        let wrap = |x: i64| if x < 0 { x.saturating_add(len) } else { x };
        let (low, high) = if step > 0 { (0, len) } else { (-1, len - 1) };
        let start = wrap(start).clamp(low.max(0), high.max(0));
        let end = wrap(end).clamp(low, high);
        let distance = if step > 0 { end - start } else { start - end };
        let step_size = step.unsigned_abs();
        let count = if len == 0 { 0 } else { (distance.max(0) as u64).div_ceil(step_size) as usize };
        Ok(Self { start, step, count })
    }
}

/// Length of a slice of an axis; of a symbolic one where `symbol >= 1` decides it.
fn sliced(dim: &Dim, start: &Term, end: &Term, step: &Term) -> Result<Dim> {
    let (Some(start), Some(step)) = (start.number(), step.number()) else {
        return Ok(Dim::Unknown);
    };
    if let (Some(len), Some(end)) = (dim.known(), end.number()) {
        return Ok(Dim::Known(Span::new(len, start, end, step)?.count));
    }
    let Dim::Symbolic { times, .. } = dim else {
        return Ok(Dim::Unknown);
    };
    let least = i64::try_from(*times).unwrap_or(i64::MAX);
    let to_end = *end == Term::from(dim) || end.number().is_some_and(|e| e >= i64::from(i32::MAX));
    Ok(match (start, end, step) {
        (0, _, 1) if to_end => dim.clone(),
        (s, _, 1) if to_end && s < 0 && -least <= s => Dim::Known(s.unsigned_abs() as usize),
        (s, Term::Number(e), 1) if 0 <= s && s <= *e && *e <= least => Dim::Known((e - s) as usize),
        _ => Dim::Unknown,
    })
}

fn slice(o: &Operands) -> Result<Vec<Info>> {
    let shape = o.shape(0)?;
    let n = o.length(1)?.unwrap_or_default();
    let unknown = || vec![Term::Unknown; n];
    let (starts, ends) = (o.terms(1).unwrap_or_else(unknown), o.terms(2).unwrap_or_else(unknown));
    let steps = if o.has(4) { o.terms(4).unwrap_or_else(unknown) } else { vec![Term::Number(1); n] };
    let axes = match (o.has(3), o.numbers(3)) {
        (false, _) => (0..n as i64).collect(),
        (true, Some(axes)) => axes,
        (true, None) => return open(o, Some(shape.rank())),
    };
    if ends.len() != starts.len() || axes.len() != starts.len() || steps.len() != starts.len() {
        crate::bail!(Shape, "starts, ends, axes and steps differ in length");
    }
    let mut out = shape.clone();
    for (i, &axis) in axes.iter().enumerate() {
        let axis = o.axis(axis, shape.rank())?;
        out[axis] = sliced(&shape[axis], &starts[i], &ends[i], &steps[i])?;
    }
    o.one(out)
}

fn tile(o: &Operands) -> Result<Vec<Info>> {
    let shape = o.shape(0)?;
    let Some(repeats) = o.terms(1) else {
        return open(o, Some(shape.rank()));
    };
    if repeats.len() != shape.rank() {
        crate::bail!(Shape, "{} repeats for {shape}; one an axis would fit", repeats.len());
    }
    o.one(Shape(shape.iter().zip(&repeats).map(|(d, r)| d.times(&r.dim())).collect()))
}

/// Lengths grow by `pads[i] + pads[i + n]` along axis `axes[i]`.
fn pad(o: &Operands) -> Result<Vec<Info>> {
    let shape = o.shape(0)?;
    let axes = match (o.has(3), o.numbers(3)) {
        (false, _) => (0..shape.rank() as i64).collect(),
        (true, Some(axes)) => axes,
        (true, None) => return open(o, Some(shape.rank())),
    };
    let Some(pads) = o.terms(1) else {
        return open(o, Some(shape.rank()));
    };
    if pads.len() != 2 * axes.len() {
        crate::bail!(Shape, "{} pads for {} axes; two an axis would fit", pads.len(), axes.len());
    }
    let mut out = shape.clone();
    for (i, &axis) in axes.iter().enumerate() {
        let axis = o.axis(axis, shape.rank())?;
        out[axis] = Term::from(&shape[axis]).add(&pads[i]).add(&pads[i + axes.len()]).dim();
    }
    o.one(out)
}
