//! Linear layers with constant weights, however the exporter wrote them.

use crate::graph::{Graph, Index, Node, ValueId};

/// A linear layer `y = x W + b`.
#[derive(Clone, Debug, PartialEq)]
pub struct Linear {
    /// What it reads, `[.., inputs]`.
    pub x: ValueId,
    /// Weight, `[inputs, outputs]`, or `[outputs, inputs]` if `transposed`: a float constant, or where it is stored small
    /// an integer constant or the value that it is unpacked to.
    pub weight: ValueId,
    /// Whether the weight is stored as `[outputs, inputs]` (`Gemm` with `transB`).
    pub transposed: bool,
    /// What it computes, bias included, `[.., outputs]`.
    pub y: ValueId,
    /// Width of `x`.
    pub inputs: usize,
    /// Width of `y`.
    pub outputs: usize,
}

/// All linear layers, in execution order.
pub fn all(graph: &Graph, index: &Index) -> Vec<Linear> {
    graph.nodes().iter().filter_map(|n| linear(graph, index, n)).collect()
}

fn linear(graph: &Graph, index: &Index, node: &Node) -> Option<Linear> {
    let plain_gemm = node.int("transA", 0) == 0 && node.float("alpha", 1.0) == 1.0;
    if !(node.is("MatMul") || node.is("Gemm") && plain_gemm) {
        return None;
    }
    let (x, weight, product) = (node.input(0)?, node.input(1)?, node.output().ok()?);
    let shape = graph.constant(weight)?.shape();
    if shape.len() != 2 || graph.constant(x).is_some() {
        return None;
    }
    let transposed = node.is("Gemm") && node.int("transB", 0) != 0;
    let (inputs, outputs) = if transposed { (shape[1], shape[0]) } else { (shape[0], shape[1]) };
    let y = if node.is("MatMul") { biased(graph, index, product, outputs) } else { None };
    Some(Linear { x, weight, transposed, y: y.unwrap_or(product), inputs, outputs })
}

/// The result of the `Add` of a bias vector, if that is the only use of `product`.
fn biased(graph: &Graph, index: &Index, product: ValueId, outputs: usize) -> Option<ValueId> {
    let [only] = index.consumers(product) else { return None };
    let node = graph.node(*only);
    if !node.is("Add") || graph.outputs.contains(&product) {
        return None;
    }
    let other = node.inputs.iter().flatten().find(|&&v| v != product)?;
    let bias = graph.constant(*other)?;
    (bias.len() == outputs && bias.shape().last() == Some(&outputs)).then(|| node.output().ok())?
}
