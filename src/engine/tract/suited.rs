//! What tract 0.23 needs written otherwise. No rewrite changes a number.

use crate::error::{Context, Result};
use crate::graph::infer::Span;
use crate::graph::{Attr, Attrs, DType, Emit, Graph, Node, NodeId, Tensor, ValueId, rewrite};

/// `graph` as tract computes it rightly.
///
/// * tract has no bf16: constants stored in it are unpacked.
/// * tract replaces `DequantizeLinear -> f -> QuantizeLinear` by a table of 256 numbers also where `f` is a `Softmax`, whose
///   every row is then 1. The dequantization before a `Softmax` is written out, `scale * (cast(q) - zero)`, which it leaves
///   alone. tests/quantized.rs fails without this.
///
/// * tract moves a slice with a stride in front of what it reads, and fails where that is a reshape (`Invalid axis`). It
///   becomes a `Gather` of the same rows.
///
/// # Errors
/// [`Shape`](crate::ErrorKind::Shape) where a dtype was not inferred.
pub fn suited(graph: Graph) -> Result<Graph> {
    without_strides(dequantized_before_softmax(without_bf16(graph))?)
}

fn without_strides(mut graph: Graph) -> Result<Graph> {
    for node in std::mem::take(graph.nodes_mut()) {
        match strided(&graph, &node)? {
            Some((axis, rows)) => {
                let rows = graph.add_constant("rows", Tensor::ints(&rows));
                let inputs = vec![node.input(0), Some(rows)];
                let attrs = Attrs::from([("axis".to_string(), Attr::Int(axis as i64))]);
                graph.add_node(Node { op: "Gather".into(), inputs, attrs, ..node })
            }
            None => graph.add_node(node),
        };
    }
    Ok(graph)
}

/// The axis and the rows of a `Slice` of one axis with a stride.
fn strided(graph: &Graph, node: &Node) -> Result<Option<(usize, Vec<i64>)>> {
    let one = |i: usize| {
        let tensor = graph.constant(node.input(i).filter(|_| node.is("Slice"))?)?;
        tensor.to_i64().ok().filter(|t| t.len() == 1).map(|t| t[0])
    };
    let (Some(start), Some(end), Some(axis), Some(step)) = (one(1), one(2), one(3), one(4)) else {
        return Ok(None);
    };
    let shape = graph.shape(node.need(0)?)?;
    let axis = if axis < 0 { axis + shape.rank() as i64 } else { axis };
    let axis = usize::try_from(axis).map_err(|_| crate::err!(Shape, "axis {axis} of {shape}"))?;
    let (Some(length), true) = (shape.get(axis).and_then(|d| d.known()), step != 1) else { return Ok(None) };
    let span = Span::new(length, start, end, step)?;
    Ok(Some((axis, span.indices().collect())))
}

fn without_bf16(mut graph: Graph) -> Graph {
    let unpacked = |node: &Node| {
        let tensor = graph.constant(node.input(0)?).filter(|t| t.dtype() == DType::BF16)?;
        let y = node.output().ok().filter(|_| node.is("Cast"))?;
        Some((y, tensor.cast(graph.value(y).dtype?)))
    };
    let unpacked: Vec<(ValueId, Tensor)> = graph.nodes().iter().filter_map(unpacked).collect();
    if unpacked.is_empty() {
        return graph;
    }
    let done: Vec<Option<ValueId>> = unpacked.iter().map(|(y, _)| Some(*y)).collect();
    graph.nodes_mut().retain(|n| n.outputs.first().is_none_or(|y| !done.contains(y)));
    for (y, tensor) in unpacked {
        graph.set_constant(y, tensor);
    }
    rewrite::prune(graph)
}

fn dequantized_before_softmax(mut graph: Graph) -> Result<Graph> {
    let index = graph.index();
    let dequantizer = |n: &Node| {
        let id = index.producer(n.input(0).filter(|_| n.is("Softmax"))?)?;
        graph.node(id).is("DequantizeLinear").then_some(id)
    };
    let nodes: Vec<NodeId> = graph.nodes().iter().filter_map(dequantizer).collect();
    for &id in &nodes {
        let node = graph.node(id).clone();
        let y = node.output()?;
        let mut emit = Emit::new(&mut graph, &node.name);
        let plain = write_out(&mut emit, &node).at(|| node.label())?;
        rewrite::replace_uses(&mut graph, y, plain);
    }
    if nodes.is_empty() { Ok(graph) } else { Ok(rewrite::prune(rewrite::order(graph)?)) }
}

/// `scale * (cast(q) - zero)`, for one scale.
fn write_out(emit: &mut Emit, node: &Node) -> Result<ValueId> {
    let (q, scale) = (node.need(0)?, node.need(1)?);
    let dtype = emit.graph().dtype(scale)?;
    let mut x = emit.cast(q, dtype)?;
    if let Some(zero) = node.input(2) {
        let zero = emit.cast(zero, dtype)?;
        x = emit.sub(x, zero)?;
    }
    emit.mul(x, scale)
}
