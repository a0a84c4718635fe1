//! Attention: `softmax(q k^T) v`, however it is written.
//!
//! From a softmax the way goes back to the product of two computed values, which are the queries and keys, and
//! forward to the next one, whose other operand is the values. What lies between (scales, masks, relative positions,
//! heads that talk to each other) does not matter, nor which of the products' sides is which.

use std::collections::{BTreeSet, VecDeque};

use super::linear::Linear;
use super::meeting::{self, Meeting};
use super::trace::{Source, Trace};
use crate::graph::{Node, NodeId, ValueId};

/// One attention over linear layers.
pub struct Attention<'l> {
    /// Queries, keys and values.
    pub parts: [Source<'l>; 3],
    /// The layer that reads what was attended to, if one does before the branch ends.
    pub o: Option<&'l Linear>,
    /// Where queries meet keys, if tokens can join there.
    pub meeting: Option<Meeting>,
}

impl Attention<'_> {
    /// First of the layers that make queries, keys and values.
    pub fn start(&self) -> NodeId {
        let [q, k, v] = &self.parts;
        q.linear.node.min(k.linear.node).min(v.linear.node)
    }
}

/// Values that a search forward passes before it gives up.
const REACH: usize = 96;

/// The attention around `softmax`.
pub fn around<'g>(trace: &Trace<'g>, softmax: &Node) -> Option<Attention<'g>> {
    let scores = trace.backward(softmax.input(0)?, |node| trace.product(node));
    let &[scores] = Vec::from_iter(&scores).as_slice() else { return None };
    let operands: Vec<ValueId> = trace.data(trace.graph.node(*scores)).map(|(_, v)| v).collect();
    let &[q, k] = operands.as_slice() else { return None };
    let (weights, product) = forward(trace, softmax.output().ok()?, |node| trace.product(node))?;
    let product = trace.graph.node(product);
    let v = trace.data(product).map(|(_, v)| v).find(|v| !weights.contains(v))?;
    let parts = [trace.source(q)?, trace.source(k)?, trace.source(v)?];
    let meeting = meeting::around(trace, trace.graph.node(*scores), softmax, product, &parts[1]);
    let reads = |node: &Node| trace.linears.iter().any(|l| std::ptr::eq(trace.graph.node(l.node), node));
    let o = forward(trace, product.output().ok()?, reads)
        .and_then(|(_, id)| trace.linears.iter().find(|l| l.node == id));
    Some(Attention { parts, o, meeting })
}

/// The first node of `wanted` on the ways forward from `v`, and the values passed on them.
fn forward(trace: &Trace, v: ValueId, wanted: impl Fn(&Node) -> bool) -> Option<(BTreeSet<ValueId>, NodeId)> {
    let (mut seen, mut open) = (BTreeSet::new(), VecDeque::from([v]));
    while let Some(v) = open.pop_front() {
        if !seen.insert(v) || trace.ends.contains(&v) || seen.len() > REACH {
            continue;
        }
        for &id in trace.index.consumers(v) {
            let node = trace.graph.node(id);
            if wanted(node) {
                return Some((seen, id));
            }
            open.extend(node.outputs.iter().flatten());
        }
    }
    None
}
