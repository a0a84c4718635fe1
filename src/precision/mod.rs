//! Weights at rest in half precision.
//!
//! Floor 2. [`store`] keeps every matrix in f16 or bf16 and has the graph unpack it with a `Cast`:
//!
//! ```text
//! W f32  ->  MatMul          becomes          W f16  ->  Cast  ->  MatMul
//! ```
//!
//! The file and the copy of the weights that a [`Graph`] holds are half as large, and everything is still computed in f32.
//! What an engine does with the `Cast` is its own matter: those that fold it when they compile have f32 weights in memory
//! afterwards (ARCHITECTURE.md has the figures).
//!
//! Vectors (biases, norms) stay: they are a hundredth of a transformer, and the precision of a norm is felt everywhere.
//! Does *not* quantize to integers; `onnxruntime.quantization` does, and its files load.

use crate::error::Result;
use crate::graph::{Attr, Attrs, DType, Graph, Node, Tensor, ValueId, rewrite};

/// Matrices of fewer elements stay: a mask or a factor of shape `[1, 1]` saves nothing.
const SMALL: usize = 256;

/// Stores every f32 matrix of `graph` in `dtype`, unpacked where it is read.
///
/// # Errors
/// [`InvalidArgument`](crate::ErrorKind::InvalidArgument) for a dtype that is neither f16 nor bf16,
/// [`Numeric`](crate::ErrorKind::Numeric) where a weight is too large for f16.
pub fn store(mut graph: Graph, dtype: DType) -> Result<Graph> {
    if !matches!(dtype, DType::F16 | DType::BF16) {
        crate::bail!(InvalidArgument, "weights are stored in f16 or bf16, not in {}", dtype.name());
    }
    let matrix = |t: &Tensor| t.dtype() == DType::F32 && t.shape().len() > 1 && t.len() >= SMALL;
    let matrices: Vec<ValueId> =
        graph.constants().iter().filter(|(_, t)| matrix(t)).map(|(&v, _)| v).collect();
    let mut casts = Vec::with_capacity(matrices.len());
    for v in matrices {
        let name = graph.value(v).name.clone();
        let Some(tensor) = graph.take_constant(v) else { continue };
        let stored = tensor.cast(dtype);
        if stored.to_f64().iter().any(|x| x.is_infinite()) {
            crate::bail!(
                Numeric,
                "weight {name:?} holds numbers that {} cannot; store it in bf16",
                dtype.name()
            );
        }
        let stored = graph.add_constant(&format!("{name}.{}", dtype.name()), stored);
        casts.push(Node {
            name: format!("{name}.unpack"),
            domain: String::new(),
            op: "Cast".into(),
            inputs: vec![Some(stored)],
            outputs: vec![Some(v)],
            attrs: Attrs::from([("to".into(), Attr::Int(DType::F32 as i64))]),
        });
    }
    let nodes = graph.nodes_mut();
    nodes.splice(0..0, casts);
    Ok(rewrite::unpack_late(graph))
}

/// Whether `graph` computes in f16: then small gradients vanish unless the loss is scaled.
pub fn computes_in_f16(graph: &Graph) -> bool {
    let results = graph.nodes().iter().flat_map(|n| n.outputs.iter().flatten());
    graph.inputs.iter().chain(results).any(|&v| graph.value(v).dtype == Some(DType::F16))
}

/// Whether activations of `graph` are rounded to integers: then central differences see a staircase, and gradients are
/// those of the float function that it rounds.
pub fn is_quantized(graph: &Graph) -> bool {
    graph.nodes().iter().any(|n| n.is("QuantizeLinear") || n.is("DynamicQuantizeLinear"))
}
