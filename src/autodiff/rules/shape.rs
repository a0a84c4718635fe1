//! Operators that move elements without changing them. `g = dL/dy`.

use super::{Grads, Step};
use crate::autodiff::forms;
use crate::error::Result;
use crate::graph::{Dim, Emit, Shape, ValueId};

/// `Reshape`, `Flatten`, `Squeeze`, `Unsqueeze`: `g` viewed in the shape of the operand.
pub(super) fn view(e: &mut Emit, s: &Step) -> Result<Grads> {
    Ok(vec![Some(forms::reshape_like(e, s.grad()?, s.x(0)?)?)])
}

/// `g` with its axes put back. Where `g` is put together from parts (those of q, k and v), the parts are turned and then
/// put together: an engine can write a product turned, but not a concatenation.
pub(super) fn transpose(e: &mut Emit, s: &Step) -> Result<Grads> {
    let rank = e.shape(s.x(0)?)?.rank();
    let mut back = vec![0; rank];
    match s.node.ints("perm") {
        Some(perm) => {
            for (i, p) in perm.iter().enumerate() {
                back[forms::axis(*p, rank)?] = i;
            }
        }
        None => back = (0..rank).rev().collect(),
    }
    let g = s.grad()?;
    let Some((parts, axis)) = joined(e, g)? else { return Ok(vec![Some(e.transpose(g, &back)?)]) };
    let parts = parts.into_iter().map(|part| e.transpose(part, &back)).collect::<Result<Vec<_>>>()?;
    let axis = back.iter().position(|&b| b == axis).ok_or_else(|| crate::err!(Bug, "an axis was lost"))?;
    Ok(vec![Some(e.concat(&parts, axis as i64)?)])
}

/// The parts and the axis of `g`, if it was just concatenated.
fn joined(e: &Emit, g: ValueId) -> Result<Option<(Vec<ValueId>, usize)>> {
    let Some(node) = e.graph().nodes().last().filter(|n| n.is("Concat") && n.output().ok() == Some(g)) else {
        return Ok(None);
    };
    let axis = forms::axis(node.int("axis", 0), e.graph().shape(g)?.rank())?;
    Ok(Some((node.inputs.iter().flatten().copied().collect(), axis)))
}

/// `g`, summed over the copies by the walk.
pub(super) fn expand(_: &mut Emit, s: &Step) -> Result<Grads> {
    Ok(vec![Some(s.grad()?)])
}

/// `g` summed over the copies: an axis of length `n` repeated `r` times is viewed as `[r, n]`.
pub(super) fn tile(e: &mut Emit, s: &Step) -> Result<Grads> {
    let (g, x, y) = (s.grad()?, e.shape(s.x(0)?)?, e.shape(s.y()?)?);
    let tiled: Vec<usize> = (0..x.rank()).filter(|i| x[*i] != y[*i]).collect();
    if tiled.iter().all(|i| x[*i] == Dim::Known(1)) {
        return expand(e, s);
    }
    let mut split = Vec::new();
    let mut copies = Vec::new();
    for (i, dim) in x.iter().enumerate() {
        if tiled.contains(&i) {
            copies.push(split.len());
            split.push(y[i].divide(dim));
        }
        split.push(dim.clone());
    }
    let apart = e.reshape(g, &Shape(split))?;
    Ok(vec![Some(e.reduce_sum(apart, &copies, false)?)])
}

/// The part of `g` that came from each operand.
pub(super) fn concat(e: &mut Emit, s: &Step) -> Result<Grads> {
    let g = s.grad()?;
    let axis = forms::axis(s.node.int("axis", 0), e.shape(g)?.rank())?;
    let mut start = 0;
    let mut grads = Vec::with_capacity(s.needs.len());
    for i in 0..s.needs.len() {
        let end = start + forms::length(e, s.x(i)?, axis)? as i64;
        grads.push(s.when(i, || forms::slice(e, g, axis, start, end))?);
        start = end;
    }
    Ok(grads)
}

/// The gradients of the parts put together, zeros for parts that the loss does not use.
pub(super) fn split(e: &mut Emit, s: &Step) -> Result<Grads> {
    let axis = s.node.int("axis", 0);
    let mut parts = Vec::with_capacity(s.grads.len());
    for (y, g) in s.node.outputs.iter().zip(s.grads) {
        match (y, g) {
            (_, Some(g)) => parts.push(*g),
            (Some(y), None) => parts.push(forms::zeros_like(e, *y)?),
            (None, None) => crate::bail!(Unsupported, "a part without a name; name every result"),
        }
    }
    Ok(vec![Some(e.concat(&parts, axis)?)])
}
