//! What a layer reads, as rows of an image.

use super::linear::{Form, Linear};
use crate::error::Result;
use crate::graph::{Dim, Emit, Graph, Shape, ValueId};

/// The input of `linear` as `[batch, places, inputs]`, whatever was flattened into its first axis (windows, tokens) and
/// wherever its channels are.
///
/// # Errors
/// [`Shape`](crate::ErrorKind::Shape) where the graph's first input has no batch.
pub fn tap(emit: &mut Emit<'_>, linear: &Linear) -> Result<ValueId> {
    let (batch, shape) = (batch(emit.graph())?, emit.shape(linear.x)?);
    let x = match linear.form {
        Form::Rows => linear.x,
        Form::Map => emit.transpose(linear.x, &[0, 2, 3, 1])?,
    };
    match shape.as_slice() {
        [first, _, _] if *first == batch => Ok(x),
        _ => {
            let width = Dim::Known(linear.inputs);
            let places = shape.volume().divide(&batch).divide(&width);
            emit.reshape(x, &Shape(vec![batch, places, width]))
        }
    }
}

/// The batch of the graph's first input.
pub(super) fn batch(graph: &Graph) -> Result<Dim> {
    let first = graph.inputs.first().ok_or_else(|| crate::err!(Shape, "the graph has no input"))?;
    graph
        .shape(*first)?
        .first()
        .cloned()
        .ok_or_else(|| crate::err!(Shape, "the graph's first input has no batch"))
}
