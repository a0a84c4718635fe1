//! Linear layers with constant weights, however the exporter wrote them: `MatMul` and `Add`, `Gemm`, or a convolution
//! of one pixel.

use super::picture;
use crate::error::Result;
use crate::graph::{Graph, Index, Node, NodeId, ValueId};

/// Where a layer's input has its channels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// `[.., channels]`: tokens.
    Rows,
    /// `[batch, channels, height, width]`: a convolution of one pixel.
    Map,
}

/// A linear layer `y = x W + b`.
#[derive(Clone, Debug, PartialEq)]
pub struct Linear {
    /// Position of its product in the graph, or the plain picture of it, in which it was found.
    pub node: NodeId,
    /// Where its channels are.
    pub form: Form,
    /// What it reads, `[.., inputs]`.
    pub x: ValueId,
    /// Weight, `[inputs, outputs]`, or `[outputs, inputs]` if `transposed`: a float constant, or where it is stored small
    /// an integer constant or the value that it is unpacked to.
    pub weight: ValueId,
    /// Whether the weight is stored as `[outputs, inputs]` (`Gemm` with `transB`, `Conv`).
    pub transposed: bool,
    /// Bias, `[outputs]` or with leading ones.
    pub bias: Option<ValueId>,
    /// What it computes, bias included, `[.., outputs]`.
    pub y: ValueId,
    /// Width of `x`.
    pub inputs: usize,
    /// Width of `y`.
    pub outputs: usize,
}

/// All linear layers of a graph, quantized or not, in execution order.
///
/// # Errors
/// [`Shape`](crate::ErrorKind::Shape) where the weights of a quantized graph do not fit.
pub fn linears(graph: &Graph) -> Result<Vec<Linear>> {
    let picture = picture::of(graph)?;
    Ok(all(&picture, &picture.index()))
}

/// All linear layers of a graph without quantization, in execution order.
pub(super) fn all(graph: &Graph, index: &Index) -> Vec<Linear> {
    graph.enumerate().filter_map(|(id, n)| linear(graph, index, id, n)).collect()
}

fn linear(graph: &Graph, index: &Index, id: NodeId, node: &Node) -> Option<Linear> {
    let (x, weight, product) = (node.input(0)?, node.input(1)?, node.output().ok()?);
    let shape = graph.constant(weight)?.shape();
    let form = form(node, shape)?;
    if graph.constant(x).is_some() {
        return None;
    }
    let transposed = node.is("Conv") || node.is("Gemm") && node.int("transB", 0) != 0;
    let (inputs, outputs) = if transposed { (shape[1], shape[0]) } else { (shape[0], shape[1]) };
    let sum = if node.is("MatMul") { biased(graph, index, product, outputs) } else { None };
    let (bias, y) = sum.map_or((node.input(2), product), |(bias, y)| (Some(bias), y));
    Some(Linear { node: id, form, x, weight, transposed, bias, y, inputs, outputs })
}

/// Whether a node with a weight of `shape` is a linear layer.
fn form(node: &Node, shape: &[usize]) -> Option<Form> {
    let all = |name: &str, n: i64| node.ints(name).is_none_or(|list| list.iter().all(|&x| x == n));
    let plain_gemm = node.int("transA", 0) == 0 && node.float("alpha", 1.0) == 1.0;
    match shape {
        [_, _] if node.is("MatMul") || node.is("Gemm") && plain_gemm => Some(Form::Rows),
        [_, _, 1, 1]
            if node.is("Conv") && node.int("group", 1) == 1 && all("strides", 1) && all("pads", 0) =>
        {
            Some(Form::Map)
        }
        _ => None,
    }
}

/// A bias vector and the result of its `Add`, if that is the only use of `product`.
fn biased(graph: &Graph, index: &Index, product: ValueId, outputs: usize) -> Option<(ValueId, ValueId)> {
    let [only] = index.consumers(product) else { return None };
    let node = graph.node(*only);
    if !node.is("Add") || graph.outputs.contains(&product) {
        return None;
    }
    let other = *node.inputs.iter().flatten().find(|&&v| v != product)?;
    let bias = graph.constant(other)?;
    let fits = bias.len() == outputs && bias.shape().last() == Some(&outputs);
    Some((other, node.output().ok()?)).filter(|_| fits)
}
