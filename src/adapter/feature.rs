//! The value that a classifier reads: the class token or pooled feature.

use super::{linear, picture};
use crate::error::Result;
use crate::graph::{Emit, Graph, Tensor, ValueId};

/// The feature, `[batch, width]`: the input of the classifier behind an output, an output that already is one
/// row an image, or the first token of an output of tokens.
///
/// # Errors
/// [`NotFound`](crate::ErrorKind::NotFound) where no output has one of these forms.
pub fn feature(mut graph: Graph) -> Result<(Graph, ValueId)> {
    let rank = |v: ValueId| graph.value(v).shape.as_ref().map_or(0, |s| s.rank());
    let classified = {
        let picture = picture::of(&graph)?;
        let linears = linear::all(&picture, &picture.index());
        let classifier = |out: &ValueId| linears.iter().find(|l| l.y == *out && rank(l.x) == 2).map(|l| l.x);
        picture.outputs.iter().find_map(classifier)
    };
    if let Some(v) = classified.or_else(|| graph.outputs.iter().copied().find(|&v| rank(v) == 2)) {
        return Ok((graph, v));
    }
    let Some(tokens) = graph.outputs.iter().copied().find(|&v| rank(v) == 3) else {
        crate::bail!(
            NotFound,
            "no feature found: no output is [batch, width] or [batch, tokens, width], and none comes from a \
             classifier; export the model with its pooled or class-token feature as an output"
        );
    };
    let mut emit = Emit::new(&mut graph, "feature");
    let first = emit.constant(Tensor::ints(&[0]).reshape(&[])?);
    let v = emit.op("Gather", &[tokens, first], &[("axis", 1i64.into())])?;
    Ok((graph, v))
}
