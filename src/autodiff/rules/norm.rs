//! Normalization. `g = dL/dy`.

use super::{Grads, Step};
use crate::autodiff::forms;
use crate::error::Result;
use crate::graph::{Emit, ValueId};

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
        let mean = e.reduce_mean(u, &axes)?;
        let along = e.mul(u, c)?;
        let along = e.reduce_mean(along, &axes)?;
        let precision = forms::square(e, r)?;
        let along = e.mul(along, precision)?;
        let along = e.mul(c, along)?;
        let centred = e.sub(u, mean)?;
        let across = e.sub(centred, along)?;
        e.mul(across, r)
    })?;
    let by_scale = s.when(1, || {
        let z = e.mul(c, r)?;
        e.mul(g, z)
    })?;
    Ok(vec![by_x, by_scale, s.when(2, || Ok(g))?])
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
