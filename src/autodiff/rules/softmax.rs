//! Softmax along one axis. `y` is the result, `g = dL/dy`.

use super::{Grads, Step};
use crate::autodiff::forms;
use crate::error::Result;
use crate::graph::{Emit, Node, ValueId};

/// `y = e^x / sum(e^x)`: `y (g - sum(g y))`.
///
/// In attention `y` is mixed, `O = y V`, and `g = dO V^T`. Then `sum(g y) = sum(dO O)`, which reads a head's width
/// instead of all tokens (arXiv 2205.14135, appendix B.4).
pub(super) fn softmax(e: &mut Emit, s: &Step) -> Result<Grads> {
    let (y, g) = (s.y()?, s.grad()?);
    let along = match mixed(e, s)? {
        Some((o, by_o)) => e.mul(by_o, o)?,
        None => e.mul(g, y)?,
    };
    let total = total(e, s, along)?;
    let centred = e.sub(g, total)?;
    Ok(vec![Some(e.mul(centred, y)?)])
}

/// `(O, dO)` with `O = y V` in the graph and `g = dO V^T`, where that is the shorter way.
fn mixed(e: &Emit, s: &Step) -> Result<Option<(ValueId, ValueId)>> {
    let (y, g) = (s.y()?, s.grad()?);
    let graph = e.graph();
    let (width, rank) = (graph.shape(y)?.last().and_then(|d| d.known()), graph.shape(y)?.rank());
    let found = || {
        let back = producer(e, g).filter(|n| n.is("MatMul"))?;
        let mix = graph.nodes().iter().find(|n| n.is("MatMul") && n.input(0) == Some(y))?;
        let turned = producer(e, back.input(1)?).filter(|n| n.is("Transpose"))?;
        let same = turned.input(0) == mix.input(1) && forms::swaps(turned, rank);
        same.then_some((mix.output().ok()?, back.input(0)?))
    };
    let Some((o, by_o)) = found() else { return Ok(None) };
    let (shape, last) = (graph.shape(o)?, forms::axis(s.node.int("axis", -1), rank)? + 1 == rank);
    let shorter = shape.last().and_then(|d| d.known()).zip(width).is_some_and(|(o, y)| o < y);
    Ok((last && shorter && shape == graph.shape(by_o)?).then_some((o, by_o)))
}

/// The node that computes `v`; what was appended last is looked at first.
fn producer<'e>(e: &'e Emit, v: ValueId) -> Option<&'e Node> {
    e.graph().nodes().iter().rev().find(|n| n.outputs.contains(&Some(v)))
}

/// `y = x - ln sum(e^x)`: `g - e^y sum(g)`.
pub(super) fn log_softmax(e: &mut Emit, s: &Step) -> Result<Grads> {
    let g = s.grad()?;
    let total = total(e, s, g)?;
    let p = e.op("Exp", &[s.y()?], &[])?;
    let shared = e.mul(p, total)?;
    Ok(vec![Some(e.sub(g, shared)?)])
}

fn total(e: &mut Emit, s: &Step, v: ValueId) -> Result<ValueId> {
    let axis = forms::axis(s.node.int("axis", -1), e.shape(v)?.rank())?;
    e.reduce_sum(v, &[axis], true)
}
