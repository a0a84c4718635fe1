//! Prefixes and prompts: tokens that queries meet beside those of the image.
//!
//! ```text
//! w = softmax([scores, s q P_K^T])      all later readers of the weights see their first columns: nothing behind changes its shape
//! answer + w[tokens] P_V
//! ```
//!
//! Masks and relative positions belong to places in the image; tokens have none and are seen from everywhere.

use super::inject::{Part, Sharing};
use super::meeting::Meeting;
use super::site::Layer;
use super::tap::batch;
use crate::error::Result;
use crate::graph::{Dim, Emit, Graph, Shape, Tensor, ValueId, rewrite};

/// Lets the tokens of `part` join the attention at which it stands.
pub(super) fn join(graph: Graph, part: &Part, meeting: &Meeting, sharing: Sharing) -> Result<Graph> {
    let (name, mut seen) = (&part.site.name, None);
    let graph = rewrite::splice(graph, meeting.weights, |emit, _| {
        emit.set_scope(name);
        let keys = keys(emit, part, meeting, sharing)?;
        let lead = lead(emit.graph(), meeting, sharing)?;
        let queries = rows(emit, meeting.queries, &lead)?;
        let met = emit.matmul(queries, keys)?;
        let met = emit.scale(met, meeting.scale)?;
        let (own, count) = (last(emit, meeting.scores)?, last(emit, keys)?);
        let mut shape = emit.shape(meeting.scores)?;
        let axis = shape.rank() - 1;
        shape[axis] = Dim::Known(count);
        let met = emit.reshape(met, &shape)?;
        let all = emit.concat(&[meeting.scores, met], -1)?;
        let weights = emit.op("Softmax", &[all], &[("axis", (axis as i64).into())])?;
        seen = Some(emit.columns(weights, own, own + count)?);
        emit.columns(weights, 0, own)
    })?;
    let seen = seen.ok_or_else(|| crate::err!(Bug, "tokens were given no weight"))?;
    rewrite::splice(graph, meeting.answer, |emit, answer| {
        emit.set_scope(name);
        let values = values(emit, part, meeting, sharing)?;
        let lead = lead(emit.graph(), meeting, sharing)?;
        let seen = rows(emit, seen, &lead)?;
        let said = emit.matmul(seen, values)?;
        let said = emit.reshape(said, &emit.shape(answer)?)?;
        emit.add(answer, said)
    })
}

/// What rows of A are compared with, `[batch, rows, inputs]`: queries, each in the columns of its head and zero elsewhere,
/// or taken back through the key layer. One place in as many as there are heads, so that there are about as many rows as
/// places.
///
/// A token's score is the product of its row of A and such a row, up to a constant that all tokens share, so an update of A
/// orthogonal to all of them changes no score.
pub(super) fn compared(emit: &mut Emit<'_>, meeting: &Meeting) -> Result<ValueId> {
    let Meeting { heads, width, .. } = *meeting;
    let batch = batch(emit.graph())?;
    let flat = lead(emit.graph(), meeting, Sharing::Shared)?;
    let queries = rows(emit, meeting.queries, &flat)?;
    let queries = emit.scale(queries, meeting.scale)?;
    let ints = |emit: &mut Emit<'_>, x: i64| emit.constant(Tensor::ints(&[x]));
    let range = [ints(emit, 0), ints(emit, i64::MAX), ints(emit, -2), ints(emit, heads as i64)];
    let some = emit.op("Slice", &[queries, range[0], range[1], range[2], range[3]], &[])?;
    let compared = match &meeting.made {
        Some(made) => {
            let weight = weight(emit, &made[0])?;
            let weight = emit.reshape(weight, &Shape::fixed(&[made[0].linear.inputs, heads, width]))?;
            let back = emit.transpose(weight, &[1, 2, 0])?;
            emit.matmul(some, back)?
        }
        None => {
            let mut unit = vec![0.0; heads * heads];
            (0..heads).for_each(|h| unit[h * (heads + 1)] = 1.0);
            let dtype = emit.graph().dtype(some)?;
            let unit = emit.constant(Tensor::from_f64(dtype, &[heads, 1, heads, 1], &unit)?);
            let apart = emit.unsqueeze(some, &[-2])?;
            emit.mul(apart, unit)?
        }
    };
    let inputs = Dim::Known(meeting.inputs());
    let places = emit.shape(compared)?.volume().divide(&batch).divide(&inputs);
    emit.reshape(compared, &Shape(vec![batch, places, inputs]))
}

/// Axes before places and widths: `[.., heads]`, of every image where every image brings its own tokens.
fn lead(graph: &Graph, meeting: &Meeting, sharing: Sharing) -> Result<Vec<Dim>> {
    let heads = Dim::Known(meeting.heads);
    let queries = graph.shape(meeting.queries)?;
    let before: Dim = Shape(queries[..queries.rank() - 2].to_vec()).volume().divide(&heads);
    let batch = batch(graph)?;
    let windows = before.divide(&batch);
    Ok(match sharing {
        Sharing::PerImage if windows != Dim::Known(1) => vec![batch, windows, heads],
        _ => vec![before, heads],
    })
}

/// `v` with `lead` before its last two axes.
fn rows(emit: &mut Emit<'_>, v: ValueId, lead: &[Dim]) -> Result<ValueId> {
    let shape = emit.shape(v)?;
    let tail = shape[shape.rank() - 2..].iter();
    emit.reshape(v, &Shape(lead.iter().chain(tail).cloned().collect()))
}

/// `[.., heads, width, rank]`.
fn keys(emit: &mut Emit<'_>, part: &Part, meeting: &Meeting, sharing: Sharing) -> Result<ValueId> {
    let keys = match &meeting.made {
        Some(made) => through(emit, &made[0], part.a)?,
        None => part.a,
    };
    by_head(emit, keys, meeting, meeting.width, sharing, &[1, 2, 0])
}

/// `[.., heads, rank, value width]`.
fn values(emit: &mut Emit<'_>, part: &Part, meeting: &Meeting, sharing: Sharing) -> Result<ValueId> {
    let values = match (&meeting.made, part.b) {
        (Some(made), _) => through(emit, &made[1], part.a)?,
        (None, Some(b)) => emit.swap(b)?,
        (None, None) => crate::bail!(Bug, "a prefix without values"),
    };
    by_head(emit, values, meeting, meeting.values, sharing, &[1, 0, 2])
}

/// `[.., rank, heads * width]` with the axes rank, heads and width in the order `perm`, and an axis for windows where
/// every image brings its own.
fn by_head(
    emit: &mut Emit<'_>,
    v: ValueId,
    meeting: &Meeting,
    width: usize,
    sharing: Sharing,
    perm: &[usize; 3],
) -> Result<ValueId> {
    let mut shape = emit.shape(v)?;
    let own = shape.rank() - 2;
    shape.truncate(own + 1);
    shape.extend([Dim::Known(meeting.heads), Dim::Known(width)]);
    let apart = emit.reshape(v, &shape)?;
    let perm: Vec<usize> = (0..own).chain(perm.iter().map(|p| own + p)).collect();
    let turned = emit.transpose(apart, &perm)?;
    match lead(emit.graph(), meeting, sharing)?.len() {
        3 => emit.unsqueeze(turned, &[1]),
        _ => Ok(turned),
    }
}

/// Rows of A through a layer as it was shipped, its own columns only.
fn through(emit: &mut Emit<'_>, layer: &Layer, a: ValueId) -> Result<ValueId> {
    let weight = weight(emit, layer)?;
    let product = emit.matmul(a, weight)?;
    match layer.linear.bias {
        Some(bias) => {
            let flat = emit.reshape(bias, &Shape::fixed(&[layer.linear.outputs]))?;
            let own = narrow(emit, layer, flat)?;
            emit.add(product, own)
        }
        None => Ok(product),
    }
}

/// The weight of a layer's own columns, `[inputs, columns]`.
fn weight(emit: &mut Emit<'_>, layer: &Layer) -> Result<ValueId> {
    let weight = layer.linear.weight;
    let weight = if layer.linear.transposed { emit.swap(weight)? } else { weight };
    narrow(emit, layer, weight)
}

/// The layer's own columns of `v`, whose last axis has all of them.
fn narrow(emit: &mut Emit<'_>, layer: &Layer, v: ValueId) -> Result<ValueId> {
    if layer.columns.len() == layer.linear.outputs {
        return Ok(v);
    }
    if let Some(columns) = layer.columns.range() {
        return emit.columns(v, columns.start, columns.end);
    }
    let columns: Vec<i64> = (0..layer.columns.len()).map(|i| layer.columns.at(i) as i64).collect();
    let (columns, axis) = (emit.constant(Tensor::ints(&columns)), emit.shape(v)?.rank() as i64 - 1);
    emit.op("Gather", &[v, columns], &[("axis", axis.into())])
}

fn last(emit: &Emit<'_>, v: ValueId) -> Result<usize> {
    let last = emit.shape(v)?.last().and_then(Dim::known);
    last.ok_or_else(|| crate::err!(Shape, "the number of keys is open; give the backbone a fixed image size"))
}
