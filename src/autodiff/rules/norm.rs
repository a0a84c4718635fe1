//! Normalization. `g = dL/dy`.

use super::{Grads, Step};
use crate::autodiff::forms;
use crate::error::Result;
use crate::graph::{Dim, Emit, Shape, Tensor, ValueId};

/// `y = z scale + bias`, `z = c r`, `c = x - mean`, `r = 1 / sqrt(variance + epsilon)` over the axes from `axis` on.
///
/// With `u = g scale`: `dx = r (u - mean(u) - c r^2 mean(u c))`, `dscale = g z`, `dbias = g`. The statistics are
/// computed again from `x`: not every engine fills the operator's optional results.
pub(super) fn layer_norm(e: &mut Emit, s: &Step) -> Result<Grads> {
    let (g, x, scale) = (s.grad()?, s.x(0)?, s.x(1)?);
    let rank = e.shape(x)?.rank();
    let axes: Vec<usize> = (forms::axis(s.node.int("axis", -1), rank)?..rank).collect();
    let epsilon = f64::from(s.node.float("epsilon", 1e-5));
    if !s.needs(0) && !s.needs(1) {
        return Ok(vec![None, None, Some(g)]);
    }
    let (c, r) = statistics(e, x, &axes, epsilon)?;
    let by_x = s.when(0, || {
        let u = e.mul(g, scale)?;
        centred(e, u, c, r, &axes)
    })?;
    let by_scale = s.when(1, || {
        let z = e.mul(c, r)?;
        e.mul(g, z)
    })?;
    Ok(vec![by_x, by_scale, s.when(2, || Ok(g))?])
}

/// `r (u - mean(u) - c r^2 mean(u c))`: the gradient `u` of `z` passed on to `x`.
fn centred(e: &mut Emit, u: ValueId, c: ValueId, r: ValueId, axes: &[usize]) -> Result<ValueId> {
    let mean = e.reduce_mean(u, axes)?;
    let along = e.mul(u, c)?;
    let along = e.reduce_mean(along, axes)?;
    let precision = forms::square(e, r)?;
    let along = e.mul(along, precision)?;
    let along = e.mul(c, along)?;
    let centred = e.sub(u, mean)?;
    let across = e.sub(centred, along)?;
    e.mul(across, r)
}

/// A vector over channels, viewed so that it broadcasts over `[N, C, spatial..]`.
fn channels(e: &mut Emit, v: ValueId, rank: usize) -> Result<ValueId> {
    let mut shape = vec![1i64; rank.saturating_sub(1)];
    shape[0] = -1;
    let shape = e.constant(Tensor::ints(&shape));
    e.op("Reshape", &[v, shape], &[])
}

/// As [`layer_norm`], over the spatial axes of `[N, C, spatial..]`. Scale and bias are not trained.
pub(super) fn instance_norm(e: &mut Emit, s: &Step) -> Result<Grads> {
    let (g, x) = (s.grad()?, s.x(0)?);
    let rank = e.shape(x)?.rank();
    let axes: Vec<usize> = (2..rank).collect();
    let (c, r) = statistics(e, x, &axes, f64::from(s.node.float("epsilon", 1e-5)))?;
    let scale = channels(e, s.x(1)?, rank)?;
    let u = e.mul(g, scale)?;
    Ok(vec![Some(centred(e, u, c, r, &axes)?)])
}

/// As [`layer_norm`], over groups of channels. Scale and bias are not trained: a number a group before opset 21, then
/// a number a channel.
pub(super) fn group_norm(e: &mut Emit, s: &Step) -> Result<Grads> {
    let (g, x) = (s.grad()?, s.x(0)?);
    let shape = e.shape(x)?;
    let groups = Dim::Known(usize::try_from(s.node.int("num_groups", 1)).unwrap_or(1));
    let rest = Shape(shape[1..].to_vec()).volume().divide(&groups);
    let apart = Shape(vec![shape[0].clone(), groups, rest]);
    let grouped = e.reshape(x, &apart)?;
    let (c, r) = statistics(e, grouped, &[2], f64::from(s.node.float("epsilon", 1e-5)))?;
    let u = if e.graph().opset() < 21 {
        let g = e.reshape(g, &apart)?;
        let scale = e.unsqueeze(s.x(1)?, &[-1])?;
        e.mul(g, scale)?
    } else {
        let scale = channels(e, s.x(1)?, shape.rank())?;
        let u = e.mul(g, scale)?;
        e.reshape(u, &apart)?
    };
    let by_x = centred(e, u, c, r, &[2])?;
    Ok(vec![Some(e.reshape(by_x, &shape)?)])
}

/// `y = (x - mean) scale / sqrt(variance + epsilon) + bias` with stored statistics: `g scale / sqrt(..)`. Scale and bias
/// are not trained.
pub(super) fn batch_norm(e: &mut Emit, s: &Step) -> Result<Grads> {
    if s.node.int("training_mode", 0) != 0 {
        crate::bail!(Unsupported, "training_mode = 1; export the model for inference");
    }
    let rank = e.shape(s.x(0)?)?.rank();
    let shifted = forms::shift(e, s.x(4)?, f64::from(s.node.float("epsilon", 1e-5)))?;
    let sd = e.op("Sqrt", &[shifted], &[])?;
    let factor = e.div(s.x(1)?, sd)?;
    let factor = channels(e, factor, rank)?;
    Ok(vec![Some(e.mul(s.grad()?, factor)?)])
}

/// `y = x / |x|` along one axis: `(g - y sum(g y)) / |x|`.
pub(super) fn lp_norm(e: &mut Emit, s: &Step) -> Result<Grads> {
    if s.node.int("p", 2) != 2 {
        crate::bail!(Unsupported, "p = {}; only p = 2 has a gradient", s.node.int("p", 2));
    }
    let (g, x, y) = (s.grad()?, s.x(0)?, s.y()?);
    let axis = forms::axis(s.node.int("axis", -1), e.shape(x)?.rank())?;
    let square = forms::square(e, x)?;
    let sum = e.reduce_sum(square, &[axis], true)?;
    let length = e.op("Sqrt", &[sum], &[])?;
    let gy = e.mul(g, y)?;
    let along = e.reduce_sum(gy, &[axis], true)?;
    let along = e.mul(y, along)?;
    let across = e.sub(g, along)?;
    Ok(vec![Some(e.div(across, length)?)])
}

/// `(c, r)`.
fn statistics(e: &mut Emit, x: ValueId, axes: &[usize], epsilon: f64) -> Result<(ValueId, ValueId)> {
    let mean = e.reduce_mean(x, axes)?;
    let c = e.sub(x, mean)?;
    let square = forms::square(e, c)?;
    let variance = e.reduce_mean(square, axes)?;
    let variance = forms::shift(e, variance, epsilon)?;
    let sd = e.op("Sqrt", &[variance], &[])?;
    Ok((c, e.op("Reciprocal", &[sd], &[])?))
}
