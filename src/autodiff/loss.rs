//! The training loss.
//!
//! ```text
//! z    = logits + (class_mask - 1) 1e4          [N, C]  masked classes drop out of the softmax
//! CE_i = - ln softmax(z_i)[label_i]             [N]
//! loss = sum_i w_i CE_i                          []
//! ```
//!
//! The head has a padded capacity `C`; the mask says which classes exist, so a new class does not change the
//! graph. Weights of zero silence the samples that pad a last micro-batch; their labels may be anything. For
//! the mean over `n` samples the caller gives weights `1/n`, which makes micro-batches add up. The label is
//! compared with a constant `0..C`, so no `OneHot` operator is needed.
//!
//! A labelled sample of a masked class costs about 1e4: a mistake of the caller that is seen at once.

use super::forms;
use crate::error::Result;
use crate::graph::{Dim, Emit, ValueId};

/// What a masked logit loses. Larger than any logit, and within f16.
const MASKED: f64 = 1e4;

/// Appends the masked, weighted cross-entropy and returns the rank-0 loss.
///
/// `logits` `[N, C]` float, `labels` `[N]` integer, `class_mask` `[C]` float of 1 and 0, `sample_weights` `[N]`
/// float; floats of one dtype. `N` may be symbolic. Several logits of the same rows add their losses up.
///
/// # Errors
/// `Shape`: `logits` is not `[N, C]` with a known `C`, or an operand does not fit it; `InvalidArgument` without logits.
pub fn cross_entropy(
    emit: &mut Emit,
    logits: &[ValueId],
    labels: ValueId,
    class_mask: ValueId,
    sample_weights: ValueId,
) -> Result<ValueId> {
    let Some(&first) = logits.first() else { crate::bail!(InvalidArgument, "a loss without logits") };
    let classes = check(emit, first, labels, class_mask, sample_weights)?;
    let dtype = emit.graph().dtype(first)?;
    let absent = forms::shift(emit, class_mask, -1.0)?;
    let penalty = emit.scale(absent, MASKED)?;
    let mut sum = None;
    for &logits in logits {
        let z = emit.add(logits, penalty)?;
        let log_p = log_softmax(emit, z)?;
        sum = Some(sum.map_or(Ok(log_p), |sum| emit.add(sum, log_p))?);
    }
    let log_p = sum.ok_or_else(|| crate::err!(Bug, "a loss without logits"))?;
    let hit = forms::one_hot(emit, labels, classes, dtype)?;
    let picked = emit.mul(log_p, hit)?;
    let picked = emit.reduce_sum(picked, &[1], false)?;
    let weighted = emit.mul(picked, sample_weights)?;
    let total = emit.reduce_sum(weighted, &[0], false)?;
    emit.neg(total)
}

/// `z - ln sum exp z` over the last of two axes. Written out, because engines exist that compute
/// `LogSoftmax` as the logarithm of a softmax, which is minus infinity for every masked class.
fn log_softmax(emit: &mut Emit, z: ValueId) -> Result<ValueId> {
    let largest = emit.reduce_max(z, &[1])?;
    let z = emit.sub(z, largest)?;
    let log_sum = log_sum(emit, z)?;
    emit.sub(z, log_sum)
}

/// `ln sum exp z` over the last of two axes, `[N, 1]`, for any size of `z`.
///
/// # Errors
/// `Shape`: `z` is not of rank 2.
pub fn log_sum_exp(emit: &mut Emit, z: ValueId) -> Result<ValueId> {
    let largest = emit.reduce_max(z, &[1])?;
    let z = emit.sub(z, largest)?;
    let log_sum = log_sum(emit, z)?;
    emit.add(largest, log_sum)
}

fn log_sum(emit: &mut Emit, z: ValueId) -> Result<ValueId> {
    let e = emit.op("Exp", &[z], &[])?;
    let sum = emit.reduce_sum(e, &[1], true)?;
    emit.op("Log", &[sum], &[])
}

fn check(emit: &Emit, logits: ValueId, labels: ValueId, mask: ValueId, weights: ValueId) -> Result<usize> {
    let shape = emit.shape(logits)?;
    let &[ref n, Dim::Known(classes)] = shape.as_slice() else {
        crate::bail!(Shape, "logits of shape {shape}; [N, C] with a known number of classes is needed");
    };
    for (name, v, want) in
        [("labels", labels, n), ("class_mask", mask, &Dim::Known(classes)), ("sample_weights", weights, n)]
    {
        let have = emit.shape(v)?;
        if have.as_slice() != std::slice::from_ref(want) {
            crate::bail!(Shape, "{name} of shape {have} beside logits of shape {shape}; [{want}] is needed");
        }
    }
    if emit.graph().dtype(labels)?.is_float() {
        crate::bail!(Shape, "labels are integers");
    }
    Ok(classes)
}
