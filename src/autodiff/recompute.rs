//! Activations that are computed a second time instead of kept (gradient checkpointing; Chen, Xu, Zhang and Guestrin, *Training Deep Nets
//! with Sublinear Memory Cost*, 2016).
//!
//! ```text
//!   s0 --[ segment ]--> s1 --[ segment ]--> s2 --> loss        what stands inside a segment is freed on the way
//!   |                   |                    |
//!   |                   + 0(ds2)             |
//!   |                   s1' --[ again ]-.    |
//!   + 0(ds1)                            v    v
//!   s0' --[ again ]--> .. ds1 <-----[ backward ] <-- ds2
//! ```
//!
//! Between two neighbours of a chain of values through which everything passes, what the backward pass reads is copied, with the
//! nodes that make it, and starts from the first of the two plus a zero that depends on the gradient of the second. So no engine can
//! compute it before its turn, nor can one that merges equal nodes merge it with the first time: `min(|g|, 0)` of one element is
//! zero for every number, and no optimizer that keeps NaN may know that. The last segment is kept, since its turn comes at once.
//!
//! Every copy computes what the original did, from the same numbers. Engines may fuse other nodes than before, which rounds otherwise.

use std::collections::{BTreeMap, BTreeSet};

use crate::error::Result;
use crate::graph::{DType, Emit, Graph, Node, NodeId, Shape, Tensor, ValueId};

/// Rewrites what the nodes from `given` on read of the nodes before them. `gradients` holds those of the values of `chain` that have one.
pub(super) fn between(
    graph: &mut Graph,
    given: usize,
    chain: &[ValueId],
    gradients: &BTreeMap<ValueId, ValueId>,
) -> Result<()> {
    let segments = Segments::find(graph, given, chain, gradients);
    let Some(last) = segments.last_read(graph, given) else { return Ok(()) };
    let nodes = std::mem::take(graph.nodes_mut());
    let forward: Vec<Node> = nodes[..given].to_vec();
    graph.nodes_mut().extend(forward.iter().cloned());
    let mut again = Again { forward, segments, last, starts: BTreeMap::new(), copies: BTreeMap::new() };
    for mut node in nodes.into_iter().skip(given) {
        for v in node.inputs.iter_mut().flatten() {
            *v = again.read(graph, *v)?;
        }
        graph.add_node(node);
    }
    Ok(())
}

/// What stands between neighbours of a chain.
struct Segments {
    /// Start and gradient of the end.
    ends: Vec<(ValueId, ValueId)>,
    /// Number of the segment in which a value is made, and the node that makes it.
    inside: BTreeMap<ValueId, (usize, NodeId)>,
}

impl Segments {
    fn find(graph: &Graph, given: usize, chain: &[ValueId], gradients: &BTreeMap<ValueId, ValueId>) -> Self {
        let index = graph.index();
        let mut found = Self { ends: Vec::new(), inside: BTreeMap::new() };
        for pair in chain.windows(2) {
            let (Some(&gradient), Some(end)) = (gradients.get(&pair[1]), index.producer(pair[1])) else {
                continue;
            };
            let mut reached = BTreeSet::from([pair[0]]);
            let first = index.producer(pair[0]).map_or(0, |node| node.index() + 1);
            for (id, node) in graph.enumerate().take(given.min(end.index() + 1)).skip(first) {
                if !node.inputs.iter().flatten().any(|v| reached.contains(v)) {
                    continue;
                }
                // Lengths and positions are small, and other segments may read them; quantized numbers are data.
                let data = |v: &&ValueId| !matches!(graph.value(**v).dtype, Some(DType::I64 | DType::Bool));
                for &v in node.outputs.iter().flatten().filter(data) {
                    reached.insert(v);
                    if v != pair[1] {
                        found.inside.insert(v, (found.ends.len(), id));
                    }
                }
            }
            found.ends.push((pair[0], gradient));
        }
        found
    }

    /// The last segment of which something is read from node `given` on.
    fn last_read(&self, graph: &Graph, given: usize) -> Option<usize> {
        let read = graph.nodes()[given..].iter().flat_map(|node| node.inputs.iter().flatten());
        read.filter_map(|v| self.inside.get(v)).map(|(segment, _)| *segment).max()
    }
}

/// Copies made so far.
struct Again {
    forward: Vec<Node>,
    segments: Segments,
    last: usize,
    starts: BTreeMap<usize, ValueId>,
    copies: BTreeMap<ValueId, ValueId>,
}

impl Again {
    /// What stands for `v` in the backward pass; its copies are appended where they are first read.
    fn read(&mut self, graph: &mut Graph, v: ValueId) -> Result<ValueId> {
        let Some(&(segment, _)) = self.segments.inside.get(&v).filter(|(segment, _)| *segment != self.last)
        else {
            return Ok(v);
        };
        for node in self.missing(segment, v) {
            self.copy(graph, segment, node)?;
        }
        self.copies.get(&v).copied().ok_or_else(|| crate::err!(Bug, "value {} was not copied", v.index()))
    }

    /// Nodes of `segment` that `v` needs and that have no copy, in their order.
    fn missing(&self, segment: usize, v: ValueId) -> BTreeSet<NodeId> {
        let (mut open, mut nodes) = (vec![v], BTreeSet::new());
        while let Some(v) = open.pop() {
            let Some(&(own, node)) = self.segments.inside.get(&v) else { continue };
            if own == segment && !self.copies.contains_key(&v) && nodes.insert(node) {
                open.extend(self.forward[node.index()].inputs.iter().flatten());
            }
        }
        nodes
    }

    fn copy(&mut self, graph: &mut Graph, segment: usize, node: NodeId) -> Result<()> {
        let mut node = self.forward[node.index()].clone();
        let start = self.segments.ends[segment].0;
        for v in node.inputs.iter_mut().flatten() {
            *v = match self.copies.get(v) {
                Some(&copy) => copy,
                None if *v == start => self.start(graph, segment)?,
                None => *v,
            };
        }
        for v in node.outputs.iter_mut().flatten() {
            let old = graph.value(*v).clone();
            let copy = graph.add_value(&format!("again.{}", old.name), old.dtype, old.shape);
            self.copies.insert(*v, copy);
            *v = copy;
        }
        // Engines want names of nodes to be unique; those of values are.
        node.name = graph.value(node.output()?).name.clone();
        graph.add_node(node);
        Ok(())
    }

    /// The start of `segment`, plus a zero that waits for the gradient of its end.
    fn start(&mut self, graph: &mut Graph, segment: usize) -> Result<ValueId> {
        if let Some(&made) = self.starts.get(&segment) {
            return Ok(made);
        }
        let (start, gradient) = self.segments.ends[segment];
        let mut emit = Emit::new(graph, "again");
        let rank = emit.shape(gradient)?.rank();
        let mut all = |n: i64| emit.constant(Tensor::ints(&vec![n; rank]));
        let (from, to) = (all(0), all(1));
        let one = emit.op("Slice", &[gradient, from, to], &[])?;
        let one = emit.reshape(one, &Shape::fixed(&[1]))?;
        let size = emit.op("Abs", &[one], &[])?;
        let zero = emit.scalar_like(size, 0.0)?;
        let nothing = emit.op("Min", &[size, zero], &[])?;
        let made = emit.add(start, nothing)?;
        self.starts.insert(segment, made);
        Ok(made)
    }
}
