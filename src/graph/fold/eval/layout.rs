//! Elements moved, repeated or made from numbers. Works on bytes, so every dtype is exact.

use super::{Call, Kernel, broadcast, strides, walk};
use crate::graph::infer::{Span, resolve};
use crate::graph::{Attr, DType, Tensor};

pub(super) const KERNELS: &[(&str, Kernel)] = &[
    ("Concat", concat),
    ("Constant", constant),
    ("ConstantOfShape", constant_of_shape),
    ("Expand", expand),
    ("Flatten", view),
    ("Gather", gather),
    ("Identity", view),
    ("Range", range),
    ("Reshape", view),
    ("Slice", slice),
    ("Split", split),
    ("Squeeze", view),
    ("Tile", tile),
    ("Transpose", transpose),
    ("Unsqueeze", view),
];

/// The elements of `t` at `positions`, as a tensor of `shape`.
fn take(t: &Tensor, shape: &[usize], positions: &[usize]) -> Option<Tensor> {
    let size = t.dtype().size();
    let mut bytes = Vec::with_capacity(positions.len() * size);
    for &p in positions {
        bytes.extend_from_slice(t.bytes().get(p * size..(p + 1) * size)?);
    }
    Tensor::new(t.dtype(), shape.to_vec(), bytes).ok()
}

fn view(c: &Call) -> Option<Vec<Tensor>> {
    Some(vec![c.tensor(0)?.reshape(c.result()?.1).ok()?])
}

fn transpose(c: &Call) -> Option<Vec<Tensor>> {
    let (t, (_, shape)) = (c.tensor(0)?, c.result()?);
    let own = strides(t.shape());
    let reversed: Vec<i64> = (0..own.len() as i64).rev().collect();
    let perm = c.node.ints("perm").unwrap_or(&reversed);
    let moved = perm.iter().map(|&p| Some(own[resolve(p, own.len()).ok()?]));
    Some(vec![take(t, shape, &walk(shape, &moved.collect::<Option<Vec<_>>>()?, 0))?])
}

fn expand(c: &Call) -> Option<Vec<Tensor>> {
    let (t, (_, shape)) = (c.tensor(0)?, c.result()?);
    Some(vec![take(t, shape, &broadcast(t.shape(), shape)?)?])
}

/// Repeats are an odometer over `[repeat, length]` per axis in which the repeat does not move.
fn tile(c: &Call) -> Option<Vec<Tensor>> {
    let (t, (_, shape)) = (c.tensor(0)?, c.result()?);
    let repeats = c.ints(1)?;
    let (mut sizes, mut moves) = (Vec::new(), Vec::new());
    for ((&r, &n), &s) in repeats.iter().zip(t.shape()).zip(&strides(t.shape())) {
        sizes.extend([usize::try_from(r).ok()?, n]);
        moves.extend([0, s]);
    }
    Some(vec![take(t, shape, &walk(&sizes, &moves, 0))?])
}

fn slice(c: &Call) -> Option<Vec<Tensor>> {
    let (t, (_, shape)) = (c.tensor(0)?, c.result()?);
    let (starts, ends) = (c.ints(1)?, c.ints(2)?);
    let axes = if c.node.input(3).is_some() { c.ints(3)? } else { (0..starts.len() as i64).collect() };
    let steps = if c.node.input(4).is_some() { c.ints(4)? } else { vec![1; starts.len()] };
    let (mut moves, mut first) = (strides(t.shape()), 0);
    for (i, &axis) in axes.iter().enumerate() {
        let axis = resolve(axis, t.shape().len()).ok()?;
        let span = Span::new(t.shape()[axis], *starts.get(i)?, *ends.get(i)?, *steps.get(i)?).ok()?;
        first += span.start * moves[axis];
        // A step past the end is never taken.
        moves[axis] = moves[axis].wrapping_mul(span.step);
    }
    Some(vec![take(t, shape, &walk(shape, &moves, first))?])
}

fn split(c: &Call) -> Option<Vec<Tensor>> {
    let t = c.tensor(0)?;
    let axis = resolve(c.node.int("axis", 0), t.shape().len()).ok()?;
    let own = strides(t.shape());
    let mut first = 0;
    let part = |(_, shape): &(DType, Vec<usize>)| {
        let part = take(t, shape, &walk(shape, &own, first));
        first += shape[axis] as i64 * own[axis];
        part
    };
    c.results.iter().map(part).collect()
}

fn concat(c: &Call) -> Option<Vec<Tensor>> {
    let (dtype, shape) = c.result()?;
    let axis = resolve(c.node.int("axis", 0), shape.len()).ok()?;
    let parts: Vec<&Tensor> = (0..c.node.inputs.len()).map(|i| c.tensor(i)).collect::<Option<_>>()?;
    let outer: usize = shape[..axis].iter().product();
    let mut bytes = Vec::new();
    for i in 0..outer {
        for part in &parts {
            let row = part.bytes().len() / outer;
            bytes.extend_from_slice(part.bytes().get(i * row..(i + 1) * row)?);
        }
    }
    Some(vec![Tensor::new(dtype, shape.to_vec(), bytes).ok()?])
}

/// Data `[outer, n, inner]` picked by `[k]` indices gives `[outer, k, inner]`.
fn gather(c: &Call) -> Option<Vec<Tensor>> {
    let (t, indices, (_, shape)) = (c.tensor(0)?, c.ints(1)?, c.result()?);
    let axis = resolve(c.node.int("axis", 0), t.shape().len()).ok()?;
    let n = t.shape()[axis];
    let inner: usize = t.shape()[axis + 1..].iter().product();
    let outer: usize = t.shape()[..axis].iter().product();
    let mut positions = Vec::new();
    for o in 0..outer {
        for &i in &indices {
            let i = usize::try_from(if i < 0 { i + n as i64 } else { i }).ok().filter(|&i| i < n)?;
            positions.extend((0..inner).map(|x| (o * n + i) * inner + x));
        }
    }
    Some(vec![take(t, shape, &positions)?])
}

fn constant_of_shape(c: &Call) -> Option<Vec<Tensor>> {
    let (dtype, shape) = c.result()?;
    let zero = Tensor::scalar(dtype, 0.0);
    let value = match c.node.attrs.get("value") {
        Some(Attr::Tensor(t)) => t,
        _ => &zero,
    };
    let count = shape.iter().product();
    Some(vec![take(value, shape, &vec![0; count])?])
}

fn range(c: &Call) -> Option<Vec<Tensor>> {
    let (dtype, shape) = c.result()?;
    let n: usize = shape.iter().product();
    let first = |i: usize| c.tensor(i)?.to_f64().first().copied();
    let (start, delta) = (first(0)?, first(2)?);
    let values: Vec<f64> = (0..n).map(|i| start + i as f64 * delta).collect();
    Some(vec![Tensor::from_f64(dtype, shape, &values).ok()?])
}

fn constant(c: &Call) -> Option<Vec<Tensor>> {
    let (dtype, shape) = c.result()?;
    let numbers = |x: Vec<f64>| Tensor::from_f64(dtype, shape, &x).ok();
    let (_, attr) = c.node.attrs.iter().find(|(name, _)| name.starts_with("value"))?;
    Some(vec![match attr {
        Attr::Tensor(t) => t.clone(),
        Attr::Int(x) => Tensor::i64(&[], &[*x]).ok()?,
        Attr::Ints(x) => Tensor::ints(x),
        Attr::Float(x) => numbers(vec![f64::from(*x)])?,
        Attr::Floats(x) => numbers(x.iter().copied().map(f64::from).collect())?,
        _ => return None,
    }])
}
