//! int8 products that do not saturate.
//!
//! x86 processors without VNNI multiply u8 by i8 in pairs and add each pair in 16 bits, which overflow: 255 * 127 twice is 64,770. ONNX
//! Runtime's kernels live with that, in what its optimizer fuses and in `MatMulInteger` alike, and the result is wrong by more than quantization itself.
//! u8 by u8 takes a slower instruction that does not overflow. So on such a processor everything that is i8 is written as u8, 128 higher, with
//! its zero point, which changes no number that the operators define:
//!
//! ```text
//! (q - z) s = ((q + 128) - (z + 128)) s
//! ```
//!
//! (The library's own switch, `session.x64quantprecision`, does so for weights, and fails in version 1.31 where two nodes read one, as the two
//! directions of a training step do.)

use std::collections::{BTreeMap, BTreeSet};

use crate::error::Result;
use crate::graph::{DType, Graph, Node, Tensor, ValueId, rewrite};

/// Operators that pass i8 on as it is.
const MOVES: [&str; 9] =
    ["Reshape", "Transpose", "Flatten", "Squeeze", "Unsqueeze", "Slice", "Split", "Concat", "Identity"];

/// Distance between an i8 and the u8 that stands for it.
const SHIFT: u8 = 0x80;

/// Whether products of u8 and i8 overflow here.
pub fn overflows() -> bool {
    #[cfg(target_arch = "x86_64")]
    return !(std::arch::is_x86_feature_detected!("avx512vnni")
        || std::arch::is_x86_feature_detected!("avxvnni"));
    #[cfg(not(target_arch = "x86_64"))]
    false
}

/// `graph` whose products are of u8; `None` where there is nothing to do, or where an operator that is not known here computes on i8
/// activations. A weight that other operators read as well (a gradient does) stays for them as it is.
pub fn suited(graph: &Graph) -> Result<Option<Graph>> {
    let all = graph.nodes().iter().flat_map(values);
    let signed: BTreeSet<ValueId> = all.filter(|&v| graph.dtype(v).is_ok_and(|d| d == DType::I8)).collect();
    let flows = |v: &ValueId| signed.contains(v) && graph.constant(*v).is_none();
    let border = || graph.inputs.iter().chain(&graph.outputs);
    let foreign = |node: &Node| !known(node) && values(node).any(|v| flows(&v));
    if signed.is_empty() || border().any(|v| signed.contains(v)) || graph.nodes().iter().any(foreign) {
        return Ok(None);
    }
    let mut suited = graph.clone();
    let mut raised: BTreeMap<ValueId, ValueId> = BTreeMap::new();
    for &v in &signed {
        match graph.constant(v) {
            Some(tensor) => {
                let bytes: Vec<u8> = tensor.bytes().iter().map(|b| b ^ SHIFT).collect();
                let tensor = Tensor::new(DType::U8, tensor.shape().to_vec(), bytes)?;
                let copy = suited.add_constant(&format!("{}.raised", graph.value(v).name), tensor);
                raised.insert(v, copy);
            }
            None => suited.value_mut(v).dtype = Some(DType::U8),
        }
    }
    for mut node in std::mem::take(suited.nodes_mut()) {
        if known(&node) {
            for &places in quantizes(&node).unwrap_or_default() {
                zero_point(&mut suited, &mut node, &signed, places)?;
            }
            let moved = |v: &mut ValueId| *v = raised.get(v).copied().unwrap_or(*v);
            node.inputs.iter_mut().flatten().for_each(moved);
        }
        suited.add_node(node);
    }
    let suited = rewrite::prune(suited);
    suited.verify()?;
    Ok(Some(suited))
}

/// Whether `node` is one that can take u8 for i8.
fn known(node: &Node) -> bool {
    quantizes(node).is_some() || MOVES.iter().any(|op| node.is(op))
}

/// All that `node` reads and writes.
fn values(node: &Node) -> impl Iterator<Item = ValueId> + '_ {
    node.inputs.iter().chain(&node.outputs).flatten().copied()
}

/// Where quantized operands of `node` stand, and where their zero points; for `QuantizeLinear` the operand is its output, said as its input.
fn quantizes(node: &Node) -> Option<&'static [(usize, usize)]> {
    let all: [(&str, &[(usize, usize)]); 4] = [
        ("QuantizeLinear", &[(0, 2)]),
        ("DequantizeLinear", &[(0, 2)]),
        ("MatMulInteger", &[(0, 2), (1, 3)]),
        ("ConvInteger", &[(0, 2), (1, 3)]),
    ];
    all.into_iter().find(|(op, _)| node.is(op)).map(|(_, places)| places)
}

/// Writes out the zero point that `node` leaves out for an operand that was i8: 0 then, 128 now.
fn zero_point(
    graph: &mut Graph,
    node: &mut Node,
    signed: &BTreeSet<ValueId>,
    (of, zero): (usize, usize),
) -> Result<()> {
    let quantizer = node.is("QuantizeLinear");
    let operand = if quantizer { node.outputs.first().copied().flatten() } else { node.input(of) };
    if operand.is_none_or(|v| !signed.contains(&v)) || node.input(zero).is_some() {
        return Ok(());
    }
    // As many as there are scales; integer products have none.
    let scaled = node.is("DequantizeLinear") || quantizer;
    let shape = match node.input(1).filter(|_| scaled).and_then(|scale| graph.constant(scale)) {
        Some(scale) => scale.shape().to_vec(),
        None => Vec::new(),
    };
    let count = shape.iter().product();
    let tensor = Tensor::new(DType::U8, shape, vec![SHIFT; count])?;
    let name = format!("{}.zero", node.name);
    let constant = graph.add_constant(&name, tensor);
    node.inputs.resize(node.inputs.len().max(zero + 1), None);
    node.inputs[zero] = Some(constant);
    node.attrs.remove("output_dtype");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::{Attrs, Shape};

    #[test]
    fn weights_and_zero_points_move_together() -> Result<()> {
        let mut graph = Graph::new("one", 17);
        let x = graph.add_input("x", DType::U8, Shape::fixed(&[2, 3]));
        let bytes: Vec<u8> = [-128i8, -1, 0, 1, 127, 5].iter().map(|&x| x as u8).collect();
        let w = graph.add_constant("w", Tensor::new(DType::I8, vec![3, 2], bytes)?);
        let y = graph.add_value("y", Some(DType::I32), Some(Shape::fixed(&[2, 2])));
        graph.outputs.push(y);
        let (op, name) = ("MatMulInteger".to_string(), "product".to_string());
        let inputs = vec![Some(x), Some(w)];
        graph.add_node(Node {
            name,
            domain: String::new(),
            op,
            inputs,
            outputs: vec![Some(y)],
            attrs: Attrs::new(),
        });
        let Some(suited) = suited(&graph)? else { crate::bail!(Bug, "an i8 weight was overlooked") };
        let node = &suited.nodes()[0];
        let raised = node.input(1).and_then(|v| suited.constant(v)).map(|t| (t.dtype(), t.bytes().to_vec()));
        assert_eq!(raised, Some((DType::U8, vec![0, 127, 128, 129, 255, 133])));
        assert_eq!((node.inputs.len(), node.input(2)), (4, None));
        let zero = node.input(3).and_then(|v| suited.constant(v));
        assert_eq!(zero.map(|t| (t.dtype(), t.bytes().to_vec())), Some((DType::U8, vec![128])));
        assert!(super::suited(&suited)?.is_none(), "and there is nothing left to do");
        Ok(())
    }
}
