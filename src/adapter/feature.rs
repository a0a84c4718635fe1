//! The value that a classifier reads: the class token or pooled feature.

use super::{linear, picture};
use crate::error::Result;
use crate::graph::{Emit, Graph, Tensor, ValueId};

/// The feature, `[batch, width]`: the input of the classifier behind an output, an output that already is one
/// row an image, the first token of an output of tokens, or the mean of a map `[batch, width, height, width]`.
///
/// # Errors
/// [`NotFound`](crate::ErrorKind::NotFound) where no output has one of these forms.
pub fn feature(mut graph: Graph) -> Result<(Graph, ValueId)> {
    let rank = |v| rank_of(&graph, v);
    let classified = {
        let picture = picture::of(&graph)?;
        let linears = linear::all(&picture, &picture.index());
        let classifier = |out: &ValueId| linears.iter().find(|l| l.y == *out && rank(l.x) == 2).map(|l| l.x);
        picture.outputs.iter().find_map(classifier)
    };
    if let Some(v) = classified.or_else(|| graph.outputs.iter().copied().find(|&v| rank(v) == 2)) {
        return Ok((graph, v));
    }
    let of_rank = |graph: &Graph, n| graph.outputs.iter().copied().find(|&v| rank_of(graph, v) == n);
    if let Some(tokens) = of_rank(&graph, 3) {
        let mut emit = Emit::new(&mut graph, "feature");
        let first = emit.constant(Tensor::ints(&[0]).reshape(&[])?);
        let v = emit.op("Gather", &[tokens, first], &[("axis", 1i64.into())])?;
        return Ok((graph, v));
    }
    let Some(map) = of_rank(&graph, 4) else {
        crate::bail!(
            NotFound,
            "no feature found: no output is [batch, width], [batch, tokens, width] or [batch, width, height, width], and \
             none comes from a classifier; export the model with its pooled or class-token feature as an output"
        );
    };
    let mut emit = Emit::new(&mut graph, "feature");
    let pooled = emit.op("GlobalAveragePool", &[map], &[])?;
    let v = emit.op("Flatten", &[pooled], &[])?;
    Ok((graph, v))
}

fn rank_of(graph: &Graph, v: ValueId) -> usize {
    graph.value(v).shape.as_ref().map_or(0, |s| s.rank())
}
