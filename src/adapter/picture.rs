//! The plain picture of a graph whose weights are stored small or that computes in integers.
//!
//! Blocks and linear layers are found by structure, and quantization hides structure: a layer becomes
//!
//! ```text
//! QuantizeLinear -> DequantizeLinear -> MatMul(DequantizeLinear(W)) -> QuantizeLinear -> DequantizeLinear -> Add     static
//! DynamicQuantizeLinear -> MatMulInteger -> Cast -> Mul(scales) -> Add                                              dynamic
//! MatMul(Cast(W))                                                                                           half precision
//! ```
//!
//! The picture has one `MatMul` for each of these. **It keeps the value ids**, so what is found in it holds for the
//! graph itself. An activation in it is the float value *before* it is quantized: that is what an adapter reads, so the
//! adapter and its gradient are float, and what a graph is cut at, so a boundary token is what the block before computed.
//!
//! The picture is never run: a constant in it has the right shape and nobody's numbers, since unpacking all weights to
//! look at their shapes would take the memory that storing them small has saved.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use crate::error::Result;
use crate::graph::{Graph, Node, Tensor, ValueId};

/// The picture of `graph`; the graph itself where nothing in it is quantized or unpacked.
pub fn of(graph: &Graph) -> Result<Cow<'_, Graph>> {
    let packed =
        |n: &Node| quantizer(n) || n.is("Cast") && n.input(0).is_some_and(|v| graph.constant(v).is_some());
    if !graph.nodes().iter().any(packed) {
        return Ok(Cow::Borrowed(graph));
    }
    let mut painter = Painter { picture: graph.clone(), ..Painter::default() };
    let nodes = std::mem::take(painter.picture.nodes_mut());
    for node in nodes {
        painter.visit(node)?;
    }
    let Painter { mut picture, plain, .. } = painter;
    for v in &mut picture.outputs {
        *v = plain.get(v).copied().unwrap_or(*v);
    }
    Ok(Cow::Owned(picture))
}

fn quantizer(node: &Node) -> bool {
    ["QuantizeLinear", "DequantizeLinear", "DynamicQuantizeLinear"].iter().any(|op| node.is(op))
}

#[derive(Default)]
struct Painter {
    picture: Graph,
    /// The float value that stands for a quantized or dequantized one.
    plain: BTreeMap<ValueId, ValueId>,
    /// Operands of the integer product that a value still is.
    products: BTreeMap<ValueId, [ValueId; 2]>,
    /// Scales found while the graph runs, and their products with the weights' scales.
    scales: BTreeSet<ValueId>,
}

impl Painter {
    fn visit(&mut self, mut node: Node) -> Result<()> {
        for v in node.inputs.iter_mut().flatten() {
            *v = self.plain.get(v).copied().unwrap_or(*v);
        }
        let (Some(x), Ok(y)) = (node.input(0), node.output()) else {
            self.picture.add_node(node);
            return Ok(());
        };
        if let Some(tensor) = self.picture.constant(x).cloned() {
            if let Some(shape) = unpacked(&node, &tensor) {
                self.picture.set_constant(y, tensor.reshape(&shape)?);
                return Ok(());
            }
        } else if quantizer(&node) {
            self.plain.insert(y, x);
            self.scales.extend(node.outputs.iter().skip(1).flatten());
            return Ok(());
        }
        self.product(node, x, y);
        Ok(())
    }

    /// An integer product and what makes floats of it, as one `MatMul` that gives the last of these values.
    fn product(&mut self, node: Node, x: ValueId, y: ValueId) {
        let operands = [x, node.input(1).unwrap_or(x)];
        let product = operands.iter().find_map(|v| self.products.get(v)).copied();
        let scaled = operands.iter().any(|v| self.scales.contains(v));
        let scale = |v: &ValueId| self.scales.contains(v) || self.picture.constant(*v).is_some();
        let only_scales = scaled && operands.iter().all(scale);
        if node.is("MatMulInteger") {
            self.products.insert(y, operands);
        } else if let (true, Some(product)) = (node.is("Cast"), product) {
            self.products.insert(y, product);
        } else if let (true, Some(product)) = (node.is("Mul") && scaled, product) {
            let inputs = product.map(Some).to_vec();
            self.picture.add_node(Node { op: "MatMul".into(), inputs, ..node });
        } else if node.is("Mul") && only_scales {
            self.scales.insert(y);
        } else {
            self.picture.add_node(node);
        }
    }
}

/// The shape of what `node` makes of a constant, if it only unpacks or turns it.
fn unpacked(node: &Node, tensor: &Tensor) -> Option<Vec<usize>> {
    let turned = node.is("Transpose") && tensor.shape().len() == 2;
    let mut shape = tensor.shape().to_vec();
    if turned && node.ints("perm").is_none_or(|p| p == [1, 0]) {
        shape.reverse();
    }
    (turned || quantizer(node) || node.is("Cast")).then_some(shape)
}
