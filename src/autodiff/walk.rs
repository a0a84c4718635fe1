//! The one reverse walk over the nodes.
//!
//! A value that is used `k` times collects `k` contributions; they are summed when the walk reaches its
//! producer, by which time all users have been visited. A rule may answer with a gradient that is larger
//! than its operand (an operand that was broadcast) or one that broadcasts to it (the gradient of a
//! reduction): the walk settles both, so a rule always *receives* a gradient of exactly the shape of the
//! result.

use std::collections::BTreeMap;

use super::gelu;
use super::needed::Needed;
use super::rules::{self, Entry, Step};
use super::slabs::{self, Part};
use super::unbroadcast;
use crate::error::{Context, Result};
use crate::graph::{Emit, Graph, Index, Node, Tensor, ValueId};

/// Appends the gradients of `loss` and returns those of `wrt`, in order, and of every value that has one.
pub(super) fn reverse(
    graph: &mut Graph,
    loss: ValueId,
    wrt: &[ValueId],
    needed: &Needed,
) -> Result<(Vec<ValueId>, BTreeMap<ValueId, ValueId>)> {
    let path: Vec<Node> = graph.nodes().iter().filter(|n| needed.node(n)).cloned().collect();
    let dtype = graph.dtype(loss)?;
    let ones = vec![1; graph.shape(loss)?.rank()];
    let index = graph.index();
    let emit = Emit::new(graph, "grad");
    let mut walk = Walk { emit, index, needed, parts: BTreeMap::new(), settled: BTreeMap::new() };
    let one = walk.emit.constant(Tensor::from_f64(dtype, &ones, &[1.0])?);
    walk.parts.insert(loss, vec![Part::Whole(one)]);
    for node in path.iter().rev() {
        walk.visit(node).at(|| format!("gradient of {}", node.label()))?;
    }
    let mut grads = Vec::with_capacity(wrt.len());
    for &v in wrt {
        let grad = walk.settle(v)?;
        grads.push(grad.ok_or_else(|| crate::err!(Bug, "value {} got no gradient", v.index()))?);
    }
    Ok((grads, walk.settled))
}

struct Walk<'g, 'n> {
    emit: Emit<'g>,
    /// Of the given nodes.
    index: Index,
    needed: &'n Needed,
    parts: BTreeMap<ValueId, Vec<Part>>,
    settled: BTreeMap<ValueId, ValueId>,
}

impl Walk<'_, '_> {
    fn visit(&mut self, node: &Node) -> Result<()> {
        let opset = self.emit.graph().opset();
        let row = rules::find(node, opset).ok_or_else(|| rules::missing(node, opset))?;
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
        if let (Some(gelu), [Some(g)]) = (gelu::find(self.emit.graph(), &self.index, node), &grads[..])
            && self.needed.value(gelu.x)
        {
            let grad = gelu::gradient(&mut self.emit, &gelu, *g)?;
            self.parts.entry(gelu.x).or_default().push(Part::Whole(grad));
            return Ok(());
        }
        let step = Step { node, since: row.since, grads: &grads, needs: &needs };
        let parts = match row.entry {
            Entry::Rule(rule) | Entry::Straight(rule) => {
                rule(&mut self.emit, &step)?.into_iter().map(|g| g.map(Part::Whole)).collect()
            }
            Entry::Pick(pick) => vec![Some(pick(&mut self.emit, &step)?)],
            Entry::NoGradient => return Ok(()),
        };
        self.receive(node, &needs, parts)
    }

    fn receive(&mut self, node: &Node, needs: &[bool], parts: Vec<Option<Part>>) -> Result<()> {
        let mut parts = parts.into_iter();
        for (i, v) in node.inputs.iter().enumerate() {
            let part = parts.next().flatten();
            let Some(v) = v.filter(|_| needs[i]) else { continue };
            let part = match part.ok_or_else(|| rules::missing_operand(node, i))? {
                Part::Whole(grad) => Part::Whole(unbroadcast::reduce(&mut self.emit, grad, v)?),
                slab => slab,
            };
            self.parts.entry(v).or_default().push(part);
        }
        Ok(())
    }

    /// The whole gradient of `v`, in its shape; `None` if no user of `v` passed one on.
    fn settle(&mut self, v: ValueId) -> Result<Option<ValueId>> {
        if let Some(done) = self.settled.get(&v) {
            return Ok(Some(*done));
        }
        let (mut wholes, mut slabs) = (Vec::new(), Vec::new());
        for part in self.parts.remove(&v).unwrap_or_default() {
            match part {
                Part::Whole(grad) => wholes.push(grad),
                Part::Slab(slab) => slabs.push(slab),
            }
        }
        wholes.extend(slabs::join(&mut self.emit, slabs, v)?);
        let mut wholes = wholes.into_iter();
        let Some(mut total) = wholes.next() else { return Ok(None) };
        for grad in wholes {
            total = self.emit.add(total, grad)?;
        }
        let total = unbroadcast::spread(&mut self.emit, total, v)?;
        self.settled.insert(v, total);
        Ok(Some(total))
    }
}
