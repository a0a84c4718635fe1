//! Planned memory: bytes that a graph needs, known before anything is spent.
//!
//! Floor 2. The peak of the activations is found by walking the nodes in execution order and freeing every
//! value after its last reader, as inference engines do. What an engine makes of that, with copies and packed operands of its own,
//! it says itself ([`Engine::demand`](crate::engine::Engine::demand)).

use std::collections::BTreeMap;

use crate::error::Result;
use crate::graph::{DType, Graph, Node, Shape, ValueId, fold};

/// What a session takes of RAM, in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Demand {
    /// As long as it lives.
    pub held: usize,
    /// While it is made, `held` included.
    pub compiling: usize,
    /// During a run, beyond `held`.
    pub running: usize,
}

/// The order in which an engine computes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// As the nodes stand in the graph.
    Written,
    /// What the last output needs, then what the one before it needs beyond that, and so on.
    LastOutputFirst,
}

/// Bytes of the constants of `graph`.
pub fn weights(graph: &Graph) -> usize {
    graph.constants().values().map(|t| t.bytes().len()).sum()
}

/// The same, a constant counted once for every way in which nodes read it: operator, attributes and place among the inputs.
pub fn weights_by_use(graph: &Graph) -> usize {
    let mut uses: BTreeMap<ValueId, Vec<(&Node, usize)>> = BTreeMap::new();
    for node in graph.nodes() {
        let constants = node.inputs.iter().enumerate().filter_map(|(at, v)| Some((at, (*v)?)));
        for (at, v) in constants.filter(|(_, v)| graph.constant(*v).is_some()) {
            let known = uses.entry(v).or_default();
            let same = |(other, place): &(&Node, usize)| {
                *place == at
                    && (&other.domain, &other.op, &other.attrs) == (&node.domain, &node.op, &node.attrs)
            };
            if !known.iter().any(same) {
                known.push((node, at));
            }
        }
    }
    let bytes =
        |(v, uses): (&ValueId, &Vec<_>)| graph.constant(*v).map_or(0, |t| t.bytes().len()) * uses.len();
    uses.iter().map(bytes).sum()
}

/// Largest number of bytes of inputs, intermediate values and outputs alive at once, for batches of `batch`.
///
/// # Errors
/// [`Shape`](crate::ErrorKind::Shape) where a shape stays open although the batch is bound.
pub fn peak(graph: &Graph, batch: usize, order: Order) -> Result<usize> {
    let bytes = sizes(graph, batch)?;
    let order = ordered(graph, order);
    let last = last_reader(graph, &order);
    let mut alive: usize = graph.inputs.iter().map(|v| bytes[v.index()]).sum();
    let mut peak = alive;
    for (at, &node) in order.iter().enumerate() {
        let node = &graph.nodes()[node];
        alive += node.outputs.iter().flatten().map(|v| bytes[v.index()]).sum::<usize>();
        peak = peak.max(alive);
        let mut read: Vec<ValueId> = node.inputs.iter().chain(&node.outputs).flatten().copied().collect();
        read.sort_unstable();
        read.dedup();
        alive -= read.iter().filter(|v| last[v.index()] == Some(at)).map(|v| bytes[v.index()]).sum::<usize>();
    }
    Ok(peak)
}

/// Bytes of the largest computed value, for batches of `batch`.
///
/// # Errors
/// As [`peak`].
pub fn largest(graph: &Graph, batch: usize) -> Result<usize> {
    Ok(sizes(graph, batch)?.into_iter().max().unwrap_or(0))
}

/// Places of the nodes in `graph`, in the order in which they are computed.
fn ordered(graph: &Graph, order: Order) -> Vec<usize> {
    let all = 0..graph.nodes().len();
    if order == Order::Written {
        return all.collect();
    }
    let mut producer = vec![None; graph.values().len()];
    for (at, node) in graph.nodes().iter().enumerate() {
        node.outputs.iter().flatten().for_each(|v| producer[v.index()] = Some(at));
    }
    let (mut done, mut out) = (vec![false; all.len()], Vec::with_capacity(all.len()));
    for v in graph.outputs.iter().rev() {
        // A node, and how many of its inputs were looked at.
        let mut open: Vec<(usize, usize)> = producer[v.index()].map(|at| (at, 0)).into_iter().collect();
        while let Some((at, looked)) = open.pop() {
            if done[at] {
                continue;
            }
            match graph.nodes()[at].inputs.get(looked) {
                Some(input) => {
                    open.push((at, looked + 1));
                    open.extend(input.and_then(|v| producer[v.index()]).map(|at| (at, 0)));
                }
                None => {
                    done[at] = true;
                    out.push(at);
                }
            }
        }
    }
    out
}

/// Bytes by value; constants count as zero because [`weights`] counts them.
fn sizes(graph: &Graph, batch: usize) -> Result<Vec<usize>> {
    let symbol = fold::batch_symbol(graph);
    let mut bytes = vec![0; graph.values().len()];
    let computed = graph.nodes().iter().flat_map(|n| n.outputs.iter().flatten());
    for v in computed.chain(&graph.inputs) {
        let shape: &Shape = graph.shape(*v)?;
        let bound = symbol.map_or_else(|| shape.clone(), |s| shape.bind(s, batch));
        let Some(dims) = bound.known() else {
            crate::bail!(Shape, "{:?} has the open shape {shape}", graph.value(*v).name)
        };
        bytes[v.index()] = dims.iter().product::<usize>() * graph.dtype(*v).map_or(4, DType::size);
    }
    Ok(bytes)
}

/// The node after which a value is not needed any more; `None` for outputs and values nobody reads.
fn last_reader(graph: &Graph, order: &[usize]) -> Vec<Option<usize>> {
    let mut last = vec![None; graph.values().len()];
    for (at, &node) in order.iter().enumerate() {
        let node = &graph.nodes()[node];
        for v in node.outputs.iter().chain(&node.inputs).flatten() {
            last[v.index()] = Some(at);
        }
    }
    graph.outputs.iter().for_each(|v| last[v.index()] = None);
    last
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::{Emit, Tensor};

    #[test]
    fn what_is_read_last_first_is_freed_earlier() -> Result<()> {
        // x -> two wide values, and from each a narrow output; written, both wide values stand beside each other.
        let mut graph = Graph::new("two", 17);
        let x = graph.add_input("x", DType::F32, Shape::fixed(&[1, 2]));
        let wide = graph.add_constant("wide", Tensor::f32(&[2, 100], &[0.5; 200])?);
        let narrow = graph.add_constant("narrow", Tensor::f32(&[100, 1], &[0.5; 100])?);
        let mut e = Emit::new(&mut graph, "n");
        let (a, b) = (e.matmul(x, wide)?, e.matmul(x, wide)?);
        let outputs = vec![e.matmul(a, narrow)?, e.matmul(b, narrow)?];
        graph.outputs = outputs;
        let peak = |order| peak(&graph, 1, order);
        assert_eq!(peak(Order::Written)?, 4 * (2 + 100 + 100));
        assert_eq!(peak(Order::LastOutputFirst)?, 4 * (2 + 1 + 100));
        assert_eq!((weights(&graph), weights_by_use(&graph)), (4 * 300, 4 * 300));
        Emit::new(&mut graph, "turned").swap(wide)?;
        assert_eq!((weights(&graph), weights_by_use(&graph)), (4 * 300, 4 * 500));
        Ok(())
    }
}
