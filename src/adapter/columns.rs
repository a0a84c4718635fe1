//! Which columns of a fused layer reach the queries, keys or values.
//!
//! The answer is found by running the reshapes, transposes and gathers between the layer and the attention
//! on a tensor whose every element is its own column number.

use std::collections::BTreeMap;
use std::ops::Range;

use super::linear::Linear;
use super::site::Step;
use crate::error::Result;
use crate::graph::{DType, Emit, Graph, Node, Tensor, ValueId, fold};

/// The columns of `linear` that `steps` carry on, or `None` where they are not contiguous.
pub fn of(graph: &Graph, linear: &Linear, steps: &[Step]) -> Result<Option<Range<usize>>> {
    let mut seen: Vec<usize> = carried(graph, linear, steps)?.iter().map(|&c| c as usize).collect();
    seen.sort_unstable();
    seen.dedup();
    let (Some(&first), Some(&last)) = (seen.first(), seen.last()) else { return Ok(None) };
    Ok((seen.len() == last + 1 - first).then_some(first..last + 1))
}

fn carried(graph: &Graph, linear: &Linear, steps: &[Step]) -> Result<Vec<f64>> {
    let mut shape = graph.shape(linear.y)?.clone();
    if let Some(symbol) = fold::batch_symbol(graph) {
        shape = shape.bind(symbol, 1);
    }
    let shape =
        shape.known().ok_or_else(|| crate::err!(Shape, "{shape} is open where q, k and v are made"))?;
    let rows = shape.iter().product::<usize>() / linear.outputs.max(1);
    let numbers: Vec<f64> = (0..rows).flat_map(|_| (0..linear.outputs).map(|c| c as f64)).collect();

    let mut small = Graph::new("columns", graph.opset());
    let start = small.add_constant("x", Tensor::from_f64(DType::F64, &shape, &numbers)?);
    let mut at = start;
    for step in steps {
        at = copy(graph, &mut small, step, at)?;
    }
    // Folding leaves the node behind an output alone, so the output is one step further on.
    let mut emit = Emit::new(&mut small, "columns");
    let end = emit.neg(at)?;
    small.outputs = vec![end];
    let small = fold::constants(small)?;
    let last = small.nodes().last().and_then(|n| n.input(0)).and_then(|v| small.constant(v));
    match last {
        Some(tensor) => Ok(tensor.to_f64()),
        None => Err(crate::err!(Unsupported, "cannot follow the columns of q, k and v through the graph")),
    }
}

/// Copies one moving node, reading `at` in place of its data operand.
fn copy(from: &Graph, to: &mut Graph, step: &Step, at: ValueId) -> Result<ValueId> {
    let node = from.node(step.node);
    let mut constants: BTreeMap<ValueId, ValueId> = BTreeMap::new();
    let inputs = node.inputs.iter().flatten().map(|&v| match from.constant(v) {
        Some(tensor) => *constants.entry(v).or_insert_with(|| to.add_constant("c", tensor.clone())),
        None => at,
    });
    let inputs: Vec<_> = inputs.map(Some).collect();
    let outputs: Vec<_> = node.outputs.iter().map(|_| Some(to.add_value("y", None, None))).collect();
    let result = outputs[step.output];
    let id = to.add_node(Node { inputs, outputs, ..node.clone() });
    crate::graph::infer::node(to, id)?;
    result.ok_or_else(|| crate::err!(Bug, "a step without a result"))
}
