//! Operator forms: how rules read attributes and operands whose place depends on the operator's version,
//! and how they write the operators that [`Emit`] has no method for.

use super::rules::Step;
use crate::error::Result;
use crate::graph::{Attr, DType, Dim, Emit, Node, Tensor, ValueId, rewrite};

/// `axis` of a value of rank `rank`, counted from the front.
pub(super) fn axis(axis: i64, rank: usize) -> Result<usize> {
    let counted = if axis < 0 { axis + rank as i64 } else { axis };
    usize::try_from(counted)
        .ok()
        .filter(|a| *a < rank)
        .ok_or_else(|| crate::err!(Shape, "axis {axis} of a value of rank {rank}"))
}

/// Whether `node`, a `Transpose` of a value of rank `rank`, swaps the last two axes and nothing else.
pub(super) fn swaps(node: &Node, rank: usize) -> bool {
    let mut swapped: Vec<i64> = (0..rank as i64).collect();
    if rank < 2 {
        return false;
    }
    swapped.swap(rank - 1, rank - 2);
    node.ints("perm").map_or(rank == 2, |perm| perm == swapped)
}

/// Constant integers behind operand `i`; `None` where the operand is left out.
pub(super) fn ints(emit: &Emit, step: &Step, i: usize) -> Result<Option<Vec<i64>>> {
    let Some(v) = step.node.input(i) else { return Ok(None) };
    match emit.graph().constant(v) {
        Some(tensor) => Ok(Some(tensor.to_i64()?)),
        None => Err(crate::err!(
            Unsupported,
            "operand {i} ({:?}) is computed; fix the batch and fold constants first",
            emit.graph().value(v).name
        )),
    }
}

/// `v`, unpacked once more where one node makes it of stored constants: holding an unpacked weight from the forward pass to
/// the backward pass would take the memory that storing it small has saved.
pub(super) fn unpacked(emit: &mut Emit, v: ValueId) -> Result<ValueId> {
    let graph = emit.graph();
    let made = graph.nodes().iter().find(|n| n.outputs.contains(&Some(v)));
    let Some(node) = made.filter(|n| rewrite::unpacks(graph, n)).cloned() else { return Ok(v) };
    let inputs: Vec<ValueId> = node.inputs.iter().flatten().copied().collect();
    let attrs: Vec<(&str, Attr)> = node.attrs.iter().map(|(k, a)| (k.as_str(), a.clone())).collect();
    emit.op(&node.op, &inputs, &attrs)
}

/// Length of `axis` of `v`, which must be a number.
pub(super) fn length(emit: &Emit, v: ValueId, axis: usize) -> Result<usize> {
    let shape = emit.graph().shape(v)?;
    shape[axis].known().ok_or_else(|| {
        crate::err!(
            Unsupported,
            "axis {axis} of {:?} has shape {shape}; its length must be a number",
            v.index()
        )
    })
}

/// `if condition { a } else { b }`, elementwise.
pub(super) fn select(emit: &mut Emit, condition: ValueId, a: ValueId, b: ValueId) -> Result<ValueId> {
    emit.op("Where", &[condition, a, b], &[])
}

/// `grad` where `condition` holds, else zero.
pub(super) fn keep(emit: &mut Emit, condition: ValueId, grad: ValueId) -> Result<ValueId> {
    let zero = emit.scalar_like(grad, 0.0)?;
    select(emit, condition, grad, zero)
}

/// `grad` where `condition` does not hold, else zero.
pub(super) fn drop(emit: &mut Emit, condition: ValueId, grad: ValueId) -> Result<ValueId> {
    let zero = emit.scalar_like(grad, 0.0)?;
    select(emit, condition, zero, grad)
}

/// `a > x` for a number `x`.
pub(super) fn above(emit: &mut Emit, a: ValueId, x: f64) -> Result<ValueId> {
    let x = emit.scalar_like(a, x)?;
    emit.op("Greater", &[a, x], &[])
}

/// `a + x` for a number `x`.
pub(super) fn shift(emit: &mut Emit, a: ValueId, x: f64) -> Result<ValueId> {
    let x = emit.scalar_like(a, x)?;
    emit.add(a, x)
}

/// `x - a` for a number `x`.
pub(super) fn complement(emit: &mut Emit, x: f64, a: ValueId) -> Result<ValueId> {
    let x = emit.scalar_like(a, x)?;
    emit.sub(x, a)
}

/// `a * a`.
pub(super) fn square(emit: &mut Emit, a: ValueId) -> Result<ValueId> {
    emit.mul(a, a)
}

/// `a[.., start..end, ..]` along `axis`; a negative `end` counts from the back, `i64::MAX` is the end.
pub(super) fn slice(emit: &mut Emit, a: ValueId, axis: usize, start: i64, end: i64) -> Result<ValueId> {
    let operands = [start, end, axis as i64].map(|x| emit.constant(Tensor::ints(&[x])));
    emit.op("Slice", &[a, operands[0], operands[1], operands[2]], &[])
}

/// Zeros put before and after `a` along `axis`.
pub(super) fn pad(emit: &mut Emit, a: ValueId, axis: usize, before: usize, after: usize) -> Result<ValueId> {
    if before == 0 && after == 0 {
        return Ok(a);
    }
    let rank = emit.shape(a)?.rank();
    let mut pads = vec![0; 2 * rank];
    pads[axis] = before as i64;
    pads[rank + axis] = after as i64;
    let pads = emit.constant(Tensor::ints(&pads));
    emit.op("Pad", &[a, pads], &[("mode", "constant".into())])
}

/// `a` viewed in the shape of `like`; through `Shape` where numbers cannot say it.
pub(super) fn reshape_like(emit: &mut Emit, a: ValueId, like: ValueId) -> Result<ValueId> {
    let shape = emit.shape(like)?;
    if shape.as_reshape().is_some() {
        return emit.reshape(a, &shape);
    }
    let dims = emit.op("Shape", &[like], &[])?;
    emit.op("Reshape", &[a, dims], &[])
}

/// Zeros in the shape of `like`.
pub(super) fn zeros_like(emit: &mut Emit, like: ValueId) -> Result<ValueId> {
    let zero = emit.scalar_like(like, 0.0)?;
    super::unbroadcast::spread(emit, zero, like)
}

/// Number of elements along `axes` of `v`, as a constant or, for a symbolic axis, computed.
pub(super) fn count(emit: &mut Emit, v: ValueId, axes: &[usize]) -> Result<ValueId> {
    let shape = emit.shape(v)?;
    let volume = axes.iter().fold(Dim::Known(1), |n, &a| n.times(&shape[a]));
    if let Some(n) = volume.known() {
        return emit.scalar_like(v, n as f64);
    }
    let dtype = emit.graph().dtype(v)?;
    let dims = emit.op("Shape", &[v], &[])?;
    let axes: Vec<i64> = axes.iter().map(|&a| a as i64).collect();
    let axes = emit.constant(Tensor::ints(&axes));
    let dims = emit.op("Gather", &[dims, axes], &[("axis", Attr::Int(0))])?;
    let dims = emit.cast(dims, dtype)?;
    emit.op("ReduceProd", &[dims], &[("keepdims", Attr::Int(0))])
}

/// The constant `0, 1, .., n-1`.
pub(super) fn arange(emit: &mut Emit, n: usize) -> ValueId {
    let numbers: Vec<i64> = (0..n as i64).collect();
    emit.constant(Tensor::ints(&numbers))
}

/// Rows of the unit matrix: `out[i, j] = 1 if index[i] == j else 0`, shape `[.., n]` for `index` of shape `[..]`.
pub(super) fn one_hot(emit: &mut Emit, index: ValueId, n: usize, dtype: DType) -> Result<ValueId> {
    let index = emit.cast(index, DType::I64)?;
    let index = emit.unsqueeze(index, &[-1])?;
    let numbers = arange(emit, n);
    let hit = emit.op("Equal", &[index, numbers], &[])?;
    emit.cast(hit, dtype)
}
