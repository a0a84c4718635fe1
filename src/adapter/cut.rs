//! Prefix and suffix around the first adapted block.
//!
//! The prefix maps images to boundary tokens and is never trained, so an image crosses it once. The suffix
//! maps boundary tokens to features.

use crate::error::{Context, Result};
use crate::graph::{Emit, Graph, Node, NodeId, ValueId, rewrite};

/// Name of the value at which the graph is cut.
pub const BOUNDARY: &str = "boundary";

/// Name of the feature output.
pub const FEATURES: &str = "features";

/// Name of the output that sums tokens up.
pub const SUMMARY: &str = "summary";

/// Calls the last output of `graph` what it is. Sites are looked up by name before.
pub fn name_features(graph: &mut Graph) {
    if let Some(&feature) = graph.outputs.last() {
        graph.rename(feature, FEATURES);
    }
}

/// Cuts at `boundary`. The suffix ends at `feature`, which keeps its name.
///
/// # Errors
/// [`Unsupported`](crate::ErrorKind::Unsupported) where the suffix would need more than the boundary.
pub fn cut(graph: &Graph, boundary: ValueId, feature: ValueId) -> Result<(Graph, Graph)> {
    let mut prefix = ending(graph, &[boundary]).at(|| "cutting the prefix".into())?;
    let mut suffix = rewrite::extract(&batch_from(graph, boundary), &[boundary], &[feature])
        .at(|| "cutting the suffix".into())?;
    let (out, start) = (prefix.outputs[0], suffix.inputs[0]);
    prefix.rename(out, BOUNDARY);
    suffix.rename(start, BOUNDARY);
    Ok((prefix, suffix))
}

/// The graph from its inputs to `outputs`, each of them a value of its own: where the images themselves are the boundary,
/// an `Identity` of them.
///
/// # Errors
/// As [`rewrite::extract`].
pub fn ending(graph: &Graph, outputs: &[ValueId]) -> Result<Graph> {
    let mut part = rewrite::extract(graph, &graph.inputs, outputs)?;
    for i in 0..part.outputs.len() {
        if part.inputs.contains(&part.outputs[i]) {
            let input = part.outputs[i];
            part.outputs[i] = Emit::new(&mut part, "boundary").op("Identity", &[input], &[])?;
        }
    }
    Ok(part)
}

/// The graph with the batch size read from `boundary` where it was read from the images: tokens that join late (a class
/// token, a pooling query) are expanded to the batch, which both have as their first dimension.
fn batch_from(graph: &Graph, boundary: ValueId) -> Graph {
    let mut graph = graph.clone();
    let batch = |graph: &Graph, v: ValueId| graph.value(v).shape.as_ref().and_then(|s| s.first().cloned());
    let index = graph.index();
    let first = |node: &Node| {
        let shape = node.output().ok().filter(|_| node.is("Shape"))?;
        let zero =
            |v: Option<ValueId>| v.and_then(|v| graph.constant(v)).is_some_and(|t| t.to_f64() == [0.0]);
        let picks = |id: &NodeId| graph.node(*id).is("Gather") && zero(graph.node(*id).input(1));
        let alone = node.int("start", 0) == 0 && node.int("end", i64::MAX) == 1;
        (alone || index.consumers(shape).iter().all(picks)).then_some(node.input(0)?)
    };
    let moved: Vec<NodeId> = graph
        .enumerate()
        .filter(|(_, node)| {
            first(node)
                .is_some_and(|x| batch(&graph, x).is_some() && batch(&graph, x) == batch(&graph, boundary))
        })
        .map(|(id, _)| id)
        .collect();
    for id in moved {
        graph.nodes_mut()[id.index()].inputs = vec![Some(boundary)];
    }
    graph
}
