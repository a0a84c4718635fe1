//! Softmax along one axis. `y` is the result, `g = dL/dy`.

use super::{Grads, Step};
use crate::autodiff::forms;
use crate::error::Result;
use crate::graph::{Emit, ValueId};

/// `y = e^x / sum(e^x)`: `g y - y sum(g y)`.
pub(super) fn softmax(e: &mut Emit, s: &Step) -> Result<Grads> {
    let y = s.y()?;
    let gy = e.mul(s.grad()?, y)?;
    let total = total(e, s, gy)?;
    let shared = e.mul(y, total)?;
    Ok(vec![Some(e.sub(gy, shared)?)])
}

/// `y = x - ln sum(e^x)`: `g - e^y sum(g)`.
pub(super) fn log_softmax(e: &mut Emit, s: &Step) -> Result<Grads> {
    let g = s.grad()?;
    let total = total(e, s, g)?;
    let p = e.op("Exp", &[s.y()?], &[])?;
    let shared = e.mul(p, total)?;
    Ok(vec![Some(e.sub(g, shared)?)])
}

fn total(e: &mut Emit, s: &Step, v: ValueId) -> Result<ValueId> {
    let axis = forms::axis(s.node.int("axis", -1), e.shape(v)?.rank())?;
    e.reduce_sum(v, &[axis], true)
}
