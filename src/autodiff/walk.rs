//! The one reverse walk over the nodes.
//!
//! A value that is used `k` times collects `k` contributions; they are summed when the walk reaches its
//! producer, by which time all users have been visited. A rule may answer with a gradient that is larger
//! than its operand (an operand that was broadcast) or one that broadcasts to it (the gradient of a
//! reduction): the walk settles both, so a rule always *receives* a gradient of exactly the shape of the
//! result.

use std::collections::BTreeMap;

use super::needed::Needed;
use super::rules::{self, Entry, Step};
use super::unbroadcast;
use crate::error::{Context, Result};
use crate::graph::{Emit, Graph, Node, Tensor, ValueId};

/// Appends the gradients of `loss` and returns those of `wrt`, in order.
pub(super) fn reverse(
    graph: &mut Graph,
    loss: ValueId,
    wrt: &[ValueId],
    needed: &Needed,
) -> Result<Vec<ValueId>> {
    let path: Vec<Node> = graph.nodes().iter().filter(|n| needed.node(n)).cloned().collect();
    let dtype = graph.dtype(loss)?;
    let ones = vec![1; graph.shape(loss)?.rank()];
    let mut walk =
        Walk { emit: Emit::new(graph, "grad"), needed, parts: BTreeMap::new(), settled: BTreeMap::new() };
    let one = walk.emit.constant(Tensor::from_f64(dtype, &ones, &[1.0])?);
    walk.parts.insert(loss, vec![one]);
    for node in path.iter().rev() {
        walk.visit(node).at(|| format!("gradient of {}", node.label()))?;
    }
    wrt.iter()
        .map(|&v| walk.settle(v)?.ok_or_else(|| crate::err!(Bug, "value {} got no gradient", v.index())))
        .collect()
}

struct Walk<'g, 'n> {
    emit: Emit<'g>,
    needed: &'n Needed,
    parts: BTreeMap<ValueId, Vec<ValueId>>,
    settled: BTreeMap<ValueId, ValueId>,
}

impl Walk<'_, '_> {
    fn visit(&mut self, node: &Node) -> Result<()> {
        let opset = self.emit.graph().opset();
        let row = rules::find(node, opset).ok_or_else(|| rules::missing(node, opset))?;
        let Entry::Rule(rule) = row.entry else { return Ok(()) };
        let grads = node
            .outputs
            .iter()
            .map(|v| v.map_or(Ok(None), |v| self.settle(v)))
            .collect::<Result<Vec<_>>>()?;
        if grads.iter().all(Option::is_none) {
            return Ok(());
        }
        let needs: Vec<bool> = node.inputs.iter().map(|v| v.is_some_and(|v| self.needed.value(v))).collect();
        self.emit.set_scope(&format!("grad.{}", if node.name.is_empty() { &node.op } else { &node.name }));
        let parts = rule(&mut self.emit, &Step { node, since: row.since, grads: &grads, needs: &needs })?;
        for (i, v) in node.inputs.iter().enumerate() {
            let Some(v) = v.filter(|_| needs[i]) else { continue };
            let part = parts.get(i).copied().flatten().ok_or_else(|| rules::missing_operand(node, i))?;
            let part = unbroadcast::reduce(&mut self.emit, part, v)?;
            self.parts.entry(v).or_default().push(part);
        }
        Ok(())
    }

    /// The whole gradient of `v`, in its shape; `None` if no user of `v` passed one on.
    fn settle(&mut self, v: ValueId) -> Result<Option<ValueId>> {
        if let Some(done) = self.settled.get(&v) {
            return Ok(Some(*done));
        }
        let mut parts = self.parts.remove(&v).unwrap_or_default().into_iter();
        let Some(mut total) = parts.next() else { return Ok(None) };
        for part in parts {
            total = self.emit.add(total, part)?;
        }
        let total = unbroadcast::spread(&mut self.emit, total, v)?;
        self.settled.insert(v, total);
        Ok(Some(total))
    }
}
