//! Planned memory: bytes that a graph needs, known before anything is spent.
//!
//! Floor 3. The peak of the activations is found by walking the nodes in execution order and freeing every
//! value after its last reader, as inference engines do. Engines add workspaces of their own (packed
//! operands), so this is what the graph demands and not yet what a process takes.

use crate::error::Result;
use crate::graph::{DType, Graph, Shape, ValueId, fold};

/// Bytes of the constants of `graph`.
pub fn weights(graph: &Graph) -> usize {
    graph.constants().values().map(|t| t.bytes().len()).sum()
}

/// Largest number of bytes of inputs, intermediate values and outputs alive at once, for batches of `batch`.
///
/// # Errors
/// [`Shape`](crate::ErrorKind::Shape) where a shape stays open although the batch is bound.
pub fn peak(graph: &Graph, batch: usize) -> Result<usize> {
    let bytes = sizes(graph, batch)?;
    let last = last_reader(graph);
    let mut alive: usize = graph.inputs.iter().map(|v| bytes[v.index()]).sum();
    let mut peak = alive;
    for (at, node) in graph.nodes().iter().enumerate() {
        alive += node.outputs.iter().flatten().map(|v| bytes[v.index()]).sum::<usize>();
        peak = peak.max(alive);
        let mut read: Vec<ValueId> = node.inputs.iter().chain(&node.outputs).flatten().copied().collect();
        read.sort_unstable();
        read.dedup();
        alive -= read.iter().filter(|v| last[v.index()] == Some(at)).map(|v| bytes[v.index()]).sum::<usize>();
    }
    Ok(peak)
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
fn last_reader(graph: &Graph) -> Vec<Option<usize>> {
    let mut last = vec![None; graph.values().len()];
    for (at, node) in graph.nodes().iter().enumerate() {
        for v in node.outputs.iter().chain(&node.inputs).flatten() {
            last[v.index()] = Some(at);
        }
    }
    graph.outputs.iter().for_each(|v| last[v.index()] = None);
    last
}
