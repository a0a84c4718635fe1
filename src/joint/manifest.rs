//! What every input and output of a compiled graph means, for people and for `manifest.json`.

use serde::Serialize;

use crate::error::Result;
use crate::graph::{Graph, ValueId};

/// One input or output.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct PortInfo {
    /// Name in the graph.
    pub name: String,
    /// Dimensions; the batch may be a symbol.
    pub shape: Vec<String>,
    /// Element type.
    pub dtype: &'static str,
    /// What it holds.
    pub meaning: String,
}

/// All inputs and outputs of a graph, in order.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Manifest {
    /// In the order of the graph's inputs.
    pub inputs: Vec<PortInfo>,
    /// In the order of the graph's outputs.
    pub outputs: Vec<PortInfo>,
}

impl Manifest {
    /// Describes the ports of `graph`.
    ///
    /// # Errors
    /// [`Shape`](crate::ErrorKind::Shape) where a port's shape was not inferred.
    pub fn describe(graph: &Graph) -> Result<Self> {
        let ports = |values: &[ValueId]| values.iter().map(|&v| port(graph, v)).collect::<Result<_>>();
        Ok(Self { inputs: ports(&graph.inputs)?, outputs: ports(&graph.outputs)? })
    }
}

fn port(graph: &Graph, v: ValueId) -> Result<PortInfo> {
    let name = graph.value(v).name.clone();
    let shape = graph.shape(v)?.iter().map(ToString::to_string).collect();
    Ok(PortInfo { shape, dtype: graph.dtype(v)?.name(), meaning: meaning(&name), name })
}

fn meaning(name: &str) -> String {
    if let Some(of) = name.strip_suffix(".grad") {
        return format!("gradient of the loss with respect to {of}");
    }
    if let Some(site) = name.strip_suffix(".lora_a") {
        return format!("A of the adapter at {site}: [rank, in]");
    }
    if let Some(site) = name.strip_suffix(".lora_b") {
        return format!(
            "B of the adapter at {site}: [out, rank]; LoRA with zeros leaves the backbone unchanged"
        );
    }
    match name {
        "boundary" => "tokens entering the first adapted block, as the prefix gives them",
        "features" => "what a classifier reads, one row an image",
        "labels" => "class index of every row, below the head's capacity",
        "class_mask" => "1 for classes that take part in the loss, 0 for the others",
        "sample_weights" => "weight of every row in the loss; 1/batch for a mean, 0 for padding",
        "head_weight" => "weight of the linear training head, [capacity, width]",
        "head_bias" => "bias of the linear training head, [capacity]",
        "beside" => "what the loss compares the feature with or sets beside it, one row an image",
        "prototypes" => "means of old classes, rows of length 1",
        "subspace" => "orthonormal directions of the old prototypes, [width, directions]",
        "prototype_labels" => "class index of every prototype",
        "places" => "0, 1, .. by row: what tells a row from the others of its batch",
        "fusion_weight" | "fusion_bias" => "linear map of the fused view, [width, width] and [width]",
        "fusion_weight_found" | "fusion_bias_found" => "the same as the task found it",
        "head_scale" => "factor on the cosines of the training head, [1]",
        "head_gate" => "how much of every feature joins the fused view, [width]",
        "loss" => "sum over rows of sample_weights * cross-entropy",
        "logits" => "scores of the linear training head before masking",
        _ => "as in the backbone",
    }
    .into()
}
