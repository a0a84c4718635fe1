//! The joint graph: a training step as an inference graph.
//!
//! Floor 3. Takes a graph that ends in features and has adapters injected, and appends a linear head, the
//! loss and the gradients. Every input and output is named and described, so that any ONNX runtime can train:
//!
//! ```text
//! tokens, labels, class_mask, sample_weights, head_weight, head_bias, {site}.lora_a, {site}.lora_b, ..
//!   -> loss, logits, head_weight.grad, head_bias.grad, {site}.lora_a.grad, {site}.lora_b.grad, ..
//! loss = sum_i sample_weights[i] * cross_entropy(logits[i], labels[i])       over classes with class_mask = 1
//! ```
//!
//! The loss is a weighted *sum*: with weights `1 / batch` the gradients of micro-batches add up to the
//! gradient of the batch, and a padded row with weight 0 contributes nothing.
//!
//! Knows nothing about optimizers, strategies or engines.

mod manifest;

pub use manifest::{Manifest, PortInfo};

use crate::adapter::Slot;
use crate::autodiff;
use crate::error::Result;
use crate::graph::{DType, Dim, Emit, Graph, Shape, ValueId, rewrite};

/// A training step.
#[derive(Clone, Debug)]
pub struct Joint {
    /// Standard ONNX operators only.
    pub graph: Graph,
    /// Meaning of every input and output, in graph order.
    pub manifest: Manifest,
    /// Rows of the head; classes beyond the ones learned are masked.
    pub capacity: usize,
}

/// Appends head, loss and gradients to `graph`, whose single output is the features, `[batch, width]`.
///
/// `slots` are its injected adapters. `capacity` is the number of rows of the head, a power of two, so that
/// a new class does not change the graph.
///
/// # Errors
/// [`Unsupported`](crate::ErrorKind::Unsupported) where an operator between an adapter and the loss has no
/// gradient rule.
pub fn joint(mut graph: Graph, slots: &[Slot], capacity: usize) -> Result<Joint> {
    let [features] = graph.outputs[..] else {
        crate::bail!(InvalidArgument, "a joint graph starts from a graph with one output, the features");
    };
    let tokens = graph.inputs[0];
    let inputs = Inputs::add(&mut graph, tokens, features, capacity)?;
    let (logits, loss) = head_and_loss(&mut graph, features, &inputs)?;
    graph.rename(logits, "logits");
    graph.rename(loss, "loss");

    let adapters = slots.iter().flat_map(|s| [s.lora_a, s.lora_b]);
    let wrt: Vec<ValueId> = [inputs.head_weight, inputs.head_bias].into_iter().chain(adapters).collect();
    let (mut graph, gradients) = autodiff::differentiate(graph, loss, &wrt)?;
    for (&v, &g) in wrt.iter().zip(&gradients) {
        let name = format!("{}.grad", graph.value(v).name);
        graph.rename(g, &name);
    }
    graph.inputs =
        [tokens, inputs.labels, inputs.class_mask, inputs.sample_weights].into_iter().chain(wrt).collect();
    graph.outputs = [loss, logits].into_iter().chain(gradients).collect();
    graph.name = "joint".into();
    // Rules look at what was appended and may find a shorter way; what they replaced goes.
    let graph = rewrite::prune(graph);
    graph.verify()?;
    let manifest = Manifest::describe(&graph)?;
    Ok(Joint { graph, manifest, capacity })
}

/// The inputs that training adds.
struct Inputs {
    labels: ValueId,
    class_mask: ValueId,
    sample_weights: ValueId,
    head_weight: ValueId,
    head_bias: ValueId,
}

impl Inputs {
    fn add(graph: &mut Graph, tokens: ValueId, features: ValueId, capacity: usize) -> Result<Self> {
        let float = graph.dtype(features)?;
        let shape = graph.shape(features)?.clone();
        let (Some(batch), Some(Dim::Known(width)), 2) =
            (graph.shape(tokens)?.first().cloned(), shape.last(), shape.rank())
        else {
            crate::bail!(Shape, "features must be [batch, width], they are {shape}");
        };
        let rows = Shape(vec![batch]);
        Ok(Self {
            labels: graph.add_input("labels", DType::I64, rows.clone()),
            class_mask: graph.add_input("class_mask", float, Shape::fixed(&[capacity])),
            sample_weights: graph.add_input("sample_weights", float, rows),
            head_weight: graph.add_input("head_weight", float, Shape::fixed(&[capacity, *width])),
            head_bias: graph.add_input("head_bias", float, Shape::fixed(&[capacity])),
        })
    }
}

fn head_and_loss(graph: &mut Graph, features: ValueId, inputs: &Inputs) -> Result<(ValueId, ValueId)> {
    let mut emit = Emit::new(graph, "head");
    let weight = emit.swap(inputs.head_weight)?;
    let product = emit.matmul(features, weight)?;
    let logits = emit.add(product, inputs.head_bias)?;
    emit.set_scope("loss");
    let loss = autodiff::loss::cross_entropy(
        &mut emit,
        logits,
        inputs.labels,
        inputs.class_mask,
        inputs.sample_weights,
    )?;
    Ok((logits, loss))
}
