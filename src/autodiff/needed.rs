//! Which values need a gradient.
//!
//! `active = reached from wrt ∩ reaching the loss`, both through float values and operators that pass a
//! gradient, and through the integers of quantized layers. Everything else is skipped by the walk: frozen weights,
//! images, masks, shapes.

use super::rules;
use crate::error::Result;
use crate::graph::{Graph, Node, ValueId};

/// The values between `wrt` and the loss.
pub(super) struct Needed {
    active: Vec<bool>,
}

impl Needed {
    /// Two sweeps over the nodes. Fails with `InvalidArgument` where the loss does not depend on a value of `wrt`.
    pub(super) fn find(graph: &Graph, loss: ValueId, wrt: &[ValueId]) -> Result<Self> {
        let reached = forward(graph, wrt);
        let reaching = backward(graph, loss, &reached);
        let active = reached.iter().zip(&reaching).map(|(a, b)| *a && *b).collect();
        let needed = Self { active };
        match wrt.iter().find(|v| !needed.value(**v)) {
            Some(v) => Err(crate::err!(
                InvalidArgument,
                "the loss {:?} does not depend on {:?}; leave it out of the trained values",
                graph.value(loss).name,
                graph.value(*v).name
            )),
            None => Ok(needed),
        }
    }

    /// Whether `v` needs a gradient.
    pub(super) fn value(&self, v: ValueId) -> bool {
        self.active[v.index()]
    }

    /// Whether a gradient must pass through `node`.
    pub(super) fn node(&self, node: &Node) -> bool {
        let any = |list: &[Option<ValueId>]| list.iter().flatten().any(|v| self.value(*v));
        any(&node.inputs) && any(&node.outputs)
    }
}

fn mark(count: usize, roots: &[ValueId]) -> Vec<bool> {
    let mut marked = vec![false; count];
    for v in roots {
        marked[v.index()] = true;
    }
    marked
}

fn forward(graph: &Graph, wrt: &[ValueId]) -> Vec<bool> {
    let mut reached = mark(graph.values().len(), wrt);
    for node in graph.nodes() {
        let touched = node.inputs.iter().flatten().any(|v| reached[v.index()]);
        if !touched || rules::blocks(node, graph.opset()) {
            continue;
        }
        let straight = rules::goes_straight(node, graph.opset());
        let float = |v: ValueId| graph.value(v).dtype.is_none_or(|d| d.is_float());
        // Integers that a quantizer made stay on the path when they are moved.
        let moved = node.input(0).is_some_and(|v| reached[v.index()] && !float(v));
        for (i, v) in node.outputs.iter().enumerate() {
            let Some(v) = *v else { continue };
            reached[v.index()] |= if straight { i == 0 } else { moved || float(v) };
        }
    }
    reached
}

fn backward(graph: &Graph, loss: ValueId, reached: &[bool]) -> Vec<bool> {
    let mut reaching = mark(graph.values().len(), &[loss]);
    for node in graph.nodes().iter().rev() {
        let carries = node.outputs.iter().flatten().any(|v| reaching[v.index()] && reached[v.index()]);
        if carries && !rules::blocks(node, graph.opset()) {
            for v in node.inputs.iter().flatten() {
                reaching[v.index()] = true;
            }
        }
    }
    reaching
}
