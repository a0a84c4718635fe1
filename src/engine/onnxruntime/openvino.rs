//! What OpenVINO's provider needs of a graph (ONNX Runtime 1.24 with OpenVINO 2025.4).
//!
//! * A square weight that is read both as it is and transposed gives wrong numbers: its packed form is looked up by
//!   address, whatever the transposition. In a training step every square layer is read both ways, so the backward
//!   reader gets a copy.
//! * A sum over everything, to rank 0, is not taken and would need the CPU. It becomes a sum to rank 1 and a `Squeeze`.
//!
//! Results are the same to the bit for an engine without these faults.

use std::collections::BTreeMap;

use crate::error::Result;
use crate::graph::{Attr, Attrs, Graph, Node, Tensor, ValueId};

/// `graph` as OpenVINO computes it rightly.
pub fn suited(graph: &Graph) -> Result<Graph> {
    let mut graph = graph.clone();
    let mut copies: BTreeMap<ValueId, ValueId> = BTreeMap::new();
    for mut node in std::mem::take(graph.nodes_mut()) {
        if let Some(weight) = turned(&graph, &node) {
            let copy = match copies.get(&weight) {
                Some(copy) => *copy,
                None => copied(&mut graph, weight)?,
            };
            copies.insert(weight, copy);
            node.inputs[1] = Some(copy);
        }
        match to_rank_0(&graph, &node)? {
            Some(axes) => sum(&mut graph, node, &axes)?,
            None => {
                graph.add_node(node);
            }
        }
    }
    graph.verify()?;
    Ok(graph)
}

/// The square constant that `node` reads transposed.
fn turned(graph: &Graph, node: &Node) -> Option<ValueId> {
    let weight = node.input(1)?;
    let shape = graph.constant(weight)?.shape();
    let square = shape.len() == 2 && shape[0] == shape[1];
    (square && node.is("Gemm") && node.int("transB", 0) == 1).then_some(weight)
}

fn copied(graph: &mut Graph, weight: ValueId) -> Result<ValueId> {
    let name = format!("{}.turned", graph.value(weight).name);
    let Some(tensor) = graph.constant(weight) else { crate::bail!(Bug, "{name} is no constant") };
    let copy = Tensor::new(tensor.dtype(), tensor.shape().to_vec(), tensor.bytes().to_vec())?;
    Ok(graph.add_constant(&name, copy))
}

/// The axes of a sum to rank 0.
fn to_rank_0(graph: &Graph, node: &Node) -> Result<Option<Vec<i64>>> {
    if !node.is("ReduceSum") {
        return Ok(None);
    }
    let rank = graph.shape(node.need(0)?)?.rank();
    let sums = graph.shape(node.output()?)?.rank() == 0 && rank > 0;
    Ok(sums.then(|| (0..rank as i64).collect()))
}

/// `node`, kept at its rank, and what makes rank 0 of it.
fn sum(graph: &mut Graph, mut node: Node, axes: &[i64]) -> Result<()> {
    let y = node.output()?;
    let wide = graph.add_value("wide", Some(graph.dtype(y)?), None);
    // Not "axes": the provider refuses an `Unsqueeze` whose operand has that name, and equal constants are shared.
    let axes = graph.add_constant(&format!("{}.along", node.name), Tensor::ints(axes));
    node.attrs.insert("keepdims".into(), Attr::Int(1));
    (node.inputs, node.outputs) = (vec![node.input(0), Some(axes)], vec![Some(wide)]);
    let squeeze = Node {
        name: format!("{}.Squeeze", node.name),
        domain: String::new(),
        op: "Squeeze".into(),
        inputs: vec![Some(wide), Some(axes)],
        outputs: vec![Some(y)],
        attrs: Attrs::new(),
    };
    graph.add_node(node);
    graph.add_node(squeeze);
    Ok(())
}
