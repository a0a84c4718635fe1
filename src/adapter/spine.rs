//! The spine: the values through which everything must pass.
//!
//! A value is on the spine if every path from the images to the feature crosses it (a dominator of the feature, in
//! the words of flow graphs). There the graph can be cut in two with one value between them: between two
//! residual sums of a transformer, between two stages of a hybrid. Everything in the graph stands between two
//! neighbours of the spine, which makes them the ends of blocks, whatever is inside.
//!
//! In execution order this takes one sweep: a value is on the spine if, when it has been computed, nothing else
//! that was computed before is still waiting to be read.

use std::collections::BTreeSet;

use super::picture;
use crate::error::Result;
use crate::graph::{DType, Graph, NodeId, ValueId};

/// A value of the spine.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Point {
    /// Nodes that stand before it.
    place: usize,
    value: ValueId,
    /// Whether its first axis is the batch, so that images can be told apart in it.
    batched: bool,
}

/// Values of the spine, from the images on.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct Spine {
    points: Vec<Point>,
    nodes: BTreeSet<NodeId>,
}

impl Spine {
    /// The spine of `graph`, quantized or not, between its first input and `feature`.
    ///
    /// # Errors
    /// [`Shape`](crate::ErrorKind::Shape) where the weights of a quantized graph do not fit.
    pub fn of(graph: &Graph, feature: ValueId) -> Result<Self> {
        Ok(Self::new(picture::of(graph)?.as_ref(), feature))
    }

    /// The spine of a graph without quantization.
    pub(super) fn new(graph: &Graph, feature: ValueId) -> Self {
        let nodes = path(graph, feature);
        let mut last = vec![0; graph.values().len()];
        for &id in &nodes {
            for v in graph.node(id).inputs.iter().flatten() {
                last[v.index()] = id.index() + 1;
            }
        }
        last[feature.index()] = usize::MAX;
        let mut open: BTreeSet<ValueId> = graph.inputs.first().copied().into_iter().collect();
        let first = |v: ValueId| graph.value(v).shape.as_ref().and_then(|s| s.first());
        let batch = graph.inputs.first().and_then(|&v| first(v));
        let point =
            |place, value| Point { place, value, batched: first(value).is_some() && first(value) == batch };
        let mut points: Vec<_> = open.iter().map(|&v| point(0, v)).collect();
        for &id in &nodes {
            let place = id.index() + 1;
            open.extend(graph.node(id).outputs.iter().flatten().filter(|v| last[v.index()] > place));
            open.retain(|v| last[v.index()] > place);
            if let (1, Some(&v)) = (open.len(), open.first())
                && graph.node(id).outputs.contains(&Some(v))
            {
                points.push(point(place, v));
            }
        }
        Self { points, nodes }
    }

    /// Whether a node lies between the images and the feature.
    pub fn has(&self, node: NodeId) -> bool {
        self.nodes.contains(&node)
    }

    /// The last value before `node` at which the graph can be cut.
    pub fn before(&self, node: NodeId) -> Option<ValueId> {
        self.points[..self.segment(node)].iter().rev().find(|p| p.batched).map(|p| p.value)
    }

    /// Number of values of the spine before `node`: equal for nodes between the same two.
    pub fn segment(&self, node: NodeId) -> usize {
        self.points.partition_point(|p| p.place <= node.index())
    }

    /// Those at which the graph can be cut, from the images on.
    pub fn cuts(&self) -> impl Iterator<Item = ValueId> {
        self.points.iter().filter(|p| p.batched).map(|p| p.value)
    }

    /// All of them, from the images on.
    pub fn values(&self) -> impl Iterator<Item = ValueId> {
        self.points.iter().map(|p| p.value)
    }
}

/// Nodes that read what comes from the first input and give what `feature` needs. Lengths and positions
/// (i64) are no data; quantized numbers are.
fn path(graph: &Graph, feature: ValueId) -> BTreeSet<NodeId> {
    let data = |v: &ValueId| !matches!(graph.value(*v).dtype, Some(DType::I64 | DType::Bool));
    let mut reached: BTreeSet<ValueId> = graph.inputs.first().copied().into_iter().collect();
    for node in graph.nodes() {
        if node.inputs.iter().flatten().any(|v| reached.contains(v)) {
            reached.extend(node.outputs.iter().flatten().filter(|v| data(v)));
        }
    }
    let mut wanted = BTreeSet::from([feature]);
    let mut nodes = BTreeSet::new();
    for (id, node) in graph.enumerate().rev() {
        if node.outputs.iter().flatten().any(|v| wanted.contains(v) && reached.contains(v)) {
            nodes.insert(id);
            wanted.extend(node.inputs.iter().flatten());
        }
    }
    nodes
}
