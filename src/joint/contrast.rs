//! The dissimilarity of NTK-CL's released code: a contrast over pairs of a batch and old prototypes, with its sign turned around.
//!
//! ```text
//! D = log sum_{i != j, y_i = y_j} e^{S_ij} - mean_i log sum_{j != i} e^{S_ij},   S = cos / tau
//! ```
//!
//! over the rows of weight above zero and the prototypes. Rows must have length 1. Pairs of prototypes count where they stand beside each
//! other; they are of different classes.

use super::rows::Rows;
use super::views::{TINY, total};
use crate::error::Result;
use crate::graph::{DType, Emit, ValueId};

/// What is told of old classes.
pub(super) struct Old {
    /// How many.
    pub count: usize,
    /// `[count, E]`, rows of length 1.
    pub prototypes: ValueId,
    /// `[count]`.
    pub labels: ValueId,
    /// `[E, directions]`, orthonormal columns.
    pub subspace: ValueId,
}

/// How near rows are, by `e^{(cos - 1) / tau}`.
struct Near {
    /// Summed over ordered pairs of one class.
    of_class: ValueId,
    /// Whether there is such a pair: their number, or half of it.
    pairs: ValueId,
    /// Of every row to all that stand beside it, `[rows, 1]`.
    seen: ValueId,
}

/// `log sum_{pairs of one class} e^S - mean log sum_{others} e^S`, times the share of the step that is in this batch.
///
/// Every exponential is taken of `S - 1 / tau`, which is at most 0; both logarithms lose the same.
pub(super) fn contrast(
    emit: &mut Emit<'_>,
    z: ValueId,
    places: ValueId,
    old: Option<&Old>,
    common: &Rows,
    temperature: f32,
) -> Result<ValueId> {
    let live = above_zero(emit, common.sample_weights)?;
    let down = emit.unsqueeze(live, &[1])?;
    let Near { mut of_class, mut pairs, mut seen } = within(emit, z, places, live, common, temperature)?;
    let mut rows = emit.reduce_sum(live, &[0], false)?;
    let mut logs_of_old = None;
    if let Some(old) = old {
        let (more, logs) = towards(emit, z, down, old, common, temperature)?;
        of_class = emit.add(of_class, more.of_class)?;
        pairs = emit.add(pairs, more.pairs)?;
        seen = emit.add(seen, more.seen)?;
        let count = emit.scalar_like(rows, old.count as f64)?;
        rows = emit.add(rows, count)?;
        logs_of_old = Some(logs);
    }
    let logs = log(emit, seen)?;
    let mut logs = sum_live(emit, logs, down)?;
    if let Some(more) = logs_of_old {
        logs = emit.add(logs, more)?;
    }
    let mean = emit.div(logs, rows)?;
    let of_class = log(emit, of_class)?;
    let apart = emit.sub(of_class, mean)?;
    let any = above_zero(emit, pairs)?;
    let apart = emit.mul(apart, any)?;
    let share = emit.reduce_sum(common.sample_weights, &[0], false)?;
    emit.mul(apart, share)
}

/// Of the rows of the batch among themselves.
fn within(
    emit: &mut Emit<'_>,
    z: ValueId,
    places: ValueId,
    live: ValueId,
    common: &Rows,
    temperature: f32,
) -> Result<Near> {
    let float = emit.graph().dtype(z)?;
    let (across, down) = (emit.unsqueeze(live, &[0])?, emit.unsqueeze(live, &[1])?);
    let itself = equal(emit, places, places, float)?;
    let one = emit.scalar_like(itself, 1.0)?;
    let other = emit.sub(one, itself)?;
    let other = emit.mul(other, across)?;
    let near = near_rows(emit, z, z, temperature)?;
    let near = emit.mul(near, other)?;
    let same = equal(emit, common.labels, common.labels, float)?;
    let (of_class, pairs) = (emit.mul(same, near)?, emit.mul(same, other)?);
    Ok(Near {
        of_class: sum_live(emit, of_class, down)?,
        pairs: sum_live(emit, pairs, down)?,
        seen: emit.reduce_sum(near, &[1], true)?,
    })
}

/// Of the rows of the batch and old prototypes, each pair from both its sides; and the sum over prototypes of the logarithm
/// of what is near.
fn towards(
    emit: &mut Emit<'_>,
    z: ValueId,
    down: ValueId,
    old: &Old,
    common: &Rows,
    temperature: f32,
) -> Result<(Near, ValueId)> {
    let float = emit.graph().dtype(z)?;
    let near = near_rows(emit, z, old.prototypes, temperature)?;
    let near = emit.mul(near, down)?;
    let same = equal(emit, common.labels, old.labels, float)?;
    let of_class = emit.mul(near, same)?;
    let of_class = total(emit, of_class)?;
    let found = Near {
        of_class: emit.scale(of_class, 2.0)?,
        pairs: sum_live(emit, same, down)?,
        seen: emit.reduce_sum(near, &[1], true)?,
    };
    Ok((found, logs_of_old(emit, near, old, temperature)?))
}

/// Sum over prototypes of the logarithm of what is near: rows of the batch, and other prototypes.
fn logs_of_old(emit: &mut Emit<'_>, near: ValueId, old: &Old, temperature: f32) -> Result<ValueId> {
    let among = near_rows(emit, old.prototypes, old.prototypes, temperature)?;
    let sum = emit.reduce_sum(among, &[1], false)?;
    // A prototype beside itself is e^0.
    let one = emit.scalar_like(sum, 1.0)?;
    let others = emit.sub(sum, one)?;
    let batch = emit.reduce_sum(near, &[0], false)?;
    let seen = emit.add(others, batch)?;
    let logs = log(emit, seen)?;
    emit.reduce_sum(logs, &[0], false)
}

/// `e^{(cos - 1) / tau}` of every row of `a` and of `b`.
fn near_rows(emit: &mut Emit<'_>, a: ValueId, b: ValueId, temperature: f32) -> Result<ValueId> {
    let turned = emit.swap(b)?;
    let cosine = emit.matmul(a, turned)?;
    let one = emit.scalar_like(cosine, 1.0)?;
    let below = emit.sub(cosine, one)?;
    let below = emit.scale(below, 1.0 / f64::from(temperature))?;
    emit.op("Exp", &[below], &[])
}

/// 1 where an integer of `a` is that of `b`, `[rows of a, rows of b]`.
fn equal(emit: &mut Emit<'_>, a: ValueId, b: ValueId, float: DType) -> Result<ValueId> {
    let (a, b) = (emit.unsqueeze(a, &[1])?, emit.unsqueeze(b, &[0])?);
    let same = emit.op("Equal", &[a, b], &[])?;
    emit.cast(same, float)
}

/// 1 where `x` is larger than zero.
fn above_zero(emit: &mut Emit<'_>, x: ValueId) -> Result<ValueId> {
    let (zero, float) = (emit.scalar_like(x, 0.0)?, emit.graph().dtype(x)?);
    let above = emit.op("Greater", &[x, zero], &[])?;
    emit.cast(above, float)
}

/// Sum of all entries of the rows that count; `live` is `[rows, 1]`.
fn sum_live(emit: &mut Emit<'_>, x: ValueId, live: ValueId) -> Result<ValueId> {
    let x = emit.mul(x, live)?;
    total(emit, x)
}

/// A logarithm that stays finite at zero.
fn log(emit: &mut Emit<'_>, x: ValueId) -> Result<ValueId> {
    let tiny = emit.scalar_like(x, TINY)?;
    let x = emit.add(x, tiny)?;
    emit.op("Log", &[x], &[])
}
