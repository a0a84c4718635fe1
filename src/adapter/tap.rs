//! What rows of A meet, as rows of an image.

use super::linear::{Form, Linear};
use super::site::{Place, Site};
use super::tokens;
use crate::error::Result;
use crate::graph::{Dim, Emit, Graph, Shape, ValueId};

/// What a site's adapter meets as `[batch, rows, inputs]`: what its layer reads, or what tokens are compared with. What
/// an adapter does to old images stays if its A moves orthogonally to these rows.
///
/// # Errors
/// [`Shape`](crate::ErrorKind::Shape) where the graph's first input has no batch.
pub fn tap(emit: &mut Emit<'_>, site: &Site) -> Result<ValueId> {
    match &site.place {
        Place::Layer(layer) => rows(emit, &layer.linear),
        Place::Attention(meeting) => tokens::compared(emit, meeting),
    }
}

/// The input of `linear` as `[batch, places, inputs]`, whatever was flattened into its first axis (windows, tokens) and
/// wherever its channels are.
pub(super) fn rows(emit: &mut Emit<'_>, linear: &Linear) -> Result<ValueId> {
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
