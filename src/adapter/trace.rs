//! From an operand of attention back to the linear layer that made it.
//!
//! Between the two stand operators that move elements (reshape, transpose, slice, join), rescale them (a product with
//! a constant, a norm of queries and keys, a rotary embedding) or mix them with what came from the same layer. The
//! layer is the one that all ways back meet first; the ways themselves tell its columns.

use std::collections::BTreeSet;

use super::linear::Linear;
use super::spine::Spine;
use crate::graph::{DType, Graph, Index, Node, NodeId, ValueId};

/// A step from a layer towards attention that moves elements.
#[derive(Clone, Copy, Debug)]
pub struct Step {
    /// The node passed.
    pub node: NodeId,
    /// Which of its operands the way came through.
    pub input: usize,
    /// Which of its results was read.
    pub output: usize,
}

/// The layer that made an operand, and the ways from it.
pub struct Source<'l> {
    /// The layer.
    pub linear: &'l Linear,
    /// Every way from the layer to the operand, as far as elements can be followed.
    pub paths: Vec<Vec<Step>>,
}

/// Ways that are followed at most; a rotary embedding has three.
const PATHS: usize = 32;

/// Nodes looked at before a search gives up.
const REACH: usize = 96;

/// What a search reads.
pub struct Trace<'g> {
    /// The graph.
    pub graph: &'g Graph,
    /// Its producers and consumers.
    pub index: &'g Index,
    /// Its linear layers.
    pub linears: &'g [Linear],
    /// Its spine, which no search crosses.
    pub spine: &'g Spine,
    /// The spine as a set.
    pub ends: BTreeSet<ValueId>,
}

/// Operators that move elements without changing them; a pooled query is the largest of several.
fn moves(node: &Node) -> bool {
    const MOVES: [&str; 11] = [
        "Reshape",
        "Transpose",
        "Gather",
        "Split",
        "Slice",
        "Squeeze",
        "Unsqueeze",
        "Flatten",
        "Concat",
        "Identity",
        "ReduceMax",
    ];
    MOVES.iter().any(|op| node.is(op))
}

impl<'g> Trace<'g> {
    /// A product of two computed values.
    pub fn product(&self, node: &Node) -> bool {
        (node.is("MatMul") || node.is("Einsum")) && self.data(node).count() == 2
    }

    /// Operands of `node` that are no constants, with their places. Lengths and positions (i64) are no data.
    pub fn data<'n>(&self, node: &'n Node) -> impl Iterator<Item = (usize, ValueId)> + use<'n, '_, 'g> {
        let operands = node.inputs.iter().enumerate().filter_map(|(i, v)| Some((i, (*v)?)));
        let length = |v: ValueId| matches!(self.graph.value(v).dtype, Some(DType::I64 | DType::Bool));
        operands.filter(move |(_, v)| self.graph.constant(*v).is_none() && !length(*v))
    }

    /// The node that computes `v`.
    pub fn producer(&self, v: ValueId) -> Option<(NodeId, &'g Node)> {
        self.index.producer(v).map(|id| (id, self.graph.node(id)))
    }

    fn linear_of(&self, v: ValueId) -> Option<&'g Linear> {
        self.linears.iter().find(|l| l.y == v)
    }

    /// The first nodes of `wanted` on all ways back from `v`.
    pub fn backward(&self, v: ValueId, wanted: impl Fn(&Node) -> bool) -> BTreeSet<NodeId> {
        let (mut seen, mut open, mut found) = (BTreeSet::new(), vec![v], BTreeSet::new());
        while let Some(v) = open.pop() {
            if self.ends.contains(&v) || !seen.insert(v) || seen.len() > REACH {
                continue;
            }
            match self.producer(v) {
                Some((id, node)) if wanted(node) => drop(found.insert(id)),
                Some((_, node)) => open.extend(self.data(node).map(|(_, v)| v)),
                None => {}
            }
        }
        found
    }

    /// The one linear layer that `v` was made by, and the ways from it.
    pub fn source(&self, v: ValueId) -> Option<Source<'g>> {
        let linear = self.layer(v)?;
        let mut paths = Vec::new();
        self.follow(v, linear, &mut Vec::new(), &mut paths);
        Some(Source { linear, paths })
    }

    /// The one layer that all ways back from `v` meet first.
    fn layer(&self, v: ValueId) -> Option<&'g Linear> {
        let (mut seen, mut open, mut found) = (BTreeSet::new(), vec![v], None);
        while let Some(v) = open.pop() {
            if !seen.insert(v) {
                continue;
            }
            if let Some(linear) = self.linear_of(v) {
                if found.is_some_and(|f: &Linear| f.y != linear.y) {
                    return None;
                }
                found = Some(linear);
                continue;
            }
            let (_, node) = self.producer(v)?;
            if self.ends.contains(&v) || self.product(node) || node.is("Softmax") || seen.len() > REACH {
                return None;
            }
            open.extend(self.data(node).map(|(_, v)| v));
        }
        found
    }

    /// Collects the ways from `linear` to `v`. Ways through a node that neither moves elements nor leaves them in
    /// their places, such as a sum over them, lead nowhere.
    fn follow(&self, v: ValueId, linear: &Linear, steps: &mut Vec<Step>, paths: &mut Vec<Vec<Step>>) {
        if v == linear.y {
            paths.push(steps.iter().rev().copied().collect());
            return;
        }
        let Some((id, node)) = self.producer(v) else { return };
        let output = node.outputs.iter().position(|&o| o == Some(v)).unwrap_or(0);
        for (input, operand) in self.data(node) {
            if paths.len() >= PATHS || self.graph.value(operand).dtype.is_some_and(|d| !d.is_float()) {
                return;
            }
            if moves(node) {
                steps.push(Step { node: id, input, output });
                self.follow(operand, linear, steps, paths);
                steps.pop();
            } else if self.graph.value(operand).shape == self.graph.value(v).shape {
                self.follow(operand, linear, steps, paths);
            }
        }
    }
}
