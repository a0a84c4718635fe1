//! [`Graph`] to messages.

use std::collections::BTreeSet;

use prost::Message;

use super::decode::check_opset;
use super::parts::{attr_proto, tensor_proto, value_info};
use super::schema::{
    GraphProto, ModelProto, NodeProto, OperatorSetIdProto, StringStringEntryProto, TensorProto,
};
use crate::error::Result;
use crate::graph::{Graph, Node, Tensor, ValueId};

/// No protobuf message may be longer.
const LONGEST: usize = i32::MAX as usize;

/// The bytes of an ONNX file. The same graph gives the same bytes; weights are not copied on the way.
///
/// # Errors
/// [`Unsupported`](crate::ErrorKind::Unsupported) where the file would be longer than 2 GB (see [`write_external`](super::write_external))
/// or the opset is out of [`OPSETS`](super::OPSETS); [`Parse`](crate::ErrorKind::Parse) where [`Graph::verify`] finds fault.
pub fn encode(graph: &Graph) -> Result<Vec<u8>> {
    serialize(&message(graph, tensor_proto)?)
}

/// A message as bytes.
pub(super) fn serialize(model: &ModelProto) -> Result<Vec<u8>> {
    match model.encoded_len() {
        0..=LONGEST => Ok(model.encode_to_vec()),
        n => Err(crate::err!(
            Unsupported,
            "the model takes {n} bytes and one ONNX file holds at most {LONGEST}; use onnx::write_external"
        )),
    }
}

/// The whole model; `place` decides where the bytes of a constant go.
pub(super) fn message(graph: &Graph, place: impl FnMut(&str, &Tensor) -> TensorProto) -> Result<ModelProto> {
    graph.verify()?;
    check_opset(graph.opsets.get("").copied())?;
    let mut listed = BTreeSet::new();
    if let Some(&twice) = graph.outputs.iter().find(|v| !listed.insert(**v)) {
        let name = &graph.value(twice).name;
        crate::bail!(
            InvalidArgument,
            "{name:?} is an output twice, which no runtime accepts; put an Identity between"
        );
    }
    let pair =
        |(key, value): (&String, &String)| StringStringEntryProto { key: key.clone(), value: value.clone() };
    let opset = |(domain, &version): (&String, &i64)| OperatorSetIdProto { domain: domain.clone(), version };
    Ok(ModelProto {
        ir_version: ir_version(graph.opset()),
        opset_import: graph.opsets.iter().map(opset).collect(),
        producer_name: "perennial".into(),
        producer_version: env!("CARGO_PKG_VERSION").into(),
        graph: Some(graph_proto(graph, place)),
        metadata_props: graph.metadata.iter().map(pair).collect(),
        ..ModelProto::default()
    })
}

/// The oldest file version that a runtime of this opset expects, but not older than 8.
fn ir_version(opset: i64) -> i64 {
    match opset {
        ..=18 => 8,
        19..=20 => 9,
        _ => 10,
    }
}

fn graph_proto(graph: &Graph, mut place: impl FnMut(&str, &Tensor) -> TensorProto) -> GraphProto {
    let infos = |ids: &[ValueId]| ids.iter().map(|&v| value_info(graph.value(v))).collect();
    GraphProto {
        // Readers refuse a graph without a name.
        name: if graph.name.is_empty() { "graph".into() } else { graph.name.clone() },
        node: graph.nodes().iter().map(|n| node_proto(graph, n)).collect(),
        initializer: graph.constants().iter().map(|(&v, t)| place(&graph.value(v).name, t)).collect(),
        input: infos(&graph.inputs),
        output: infos(&graph.outputs),
        ..GraphProto::default()
    }
}

fn node_proto(graph: &Graph, node: &Node) -> NodeProto {
    let name = |v: &Option<ValueId>| v.map(|v| graph.value(v).name.clone()).unwrap_or_default();
    NodeProto {
        input: node.inputs.iter().map(name).collect(),
        output: node.outputs.iter().map(name).collect(),
        name: node.name.clone(),
        op_type: node.op.clone(),
        domain: node.domain.clone(),
        attribute: node.attrs.iter().map(|(k, v)| attr_proto(k, v)).collect(),
    }
}
