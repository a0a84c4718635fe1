//! Activation functions. `y` is the result, `g = dL/dy`. At a kink the left derivative is taken.

use std::f64::consts::{FRAC_1_SQRT_2, PI};

use super::elementwise::slope;
use super::{Grads, Step};
use crate::autodiff::forms;
use crate::error::Result;
use crate::graph::{Emit, ValueId};

/// `y = max(x, 0)`: `g` where `x > 0`.
pub(super) fn relu(e: &mut Emit, s: &Step) -> Result<Grads> {
    let positive = forms::above(e, s.x(0)?, 0.0)?;
    Ok(vec![Some(forms::keep(e, positive, s.grad()?)?)])
}

/// `y = x` where `x > 0`, else `alpha x`: `g` or `alpha g`.
pub(super) fn leaky_relu(e: &mut Emit, s: &Step) -> Result<Grads> {
    let g = s.grad()?;
    let positive = forms::above(e, s.x(0)?, 0.0)?;
    let leak = e.scale(g, f64::from(s.node.float("alpha", 0.01)))?;
    Ok(vec![Some(forms::select(e, positive, g, leak)?)])
}

/// `y = x` where `x > 0`, else `slope x`: `(g or slope g, 0 or g x)`.
pub(super) fn prelu(e: &mut Emit, s: &Step) -> Result<Grads> {
    let (g, x, leak) = (s.grad()?, s.x(0)?, s.x(1)?);
    let positive = forms::above(e, x, 0.0)?;
    let by_x = s.when(0, || {
        let leaked = e.mul(g, leak)?;
        forms::select(e, positive, g, leaked)
    })?;
    let by_leak = s.when(1, || {
        let gx = e.mul(g, x)?;
        forms::drop(e, positive, gx)
    })?;
    Ok(vec![by_x, by_leak])
}

/// `y = x` where `x > 0`, else `alpha (e^x - 1)`: `g` or `g (y + alpha)`.
pub(super) fn elu(e: &mut Emit, s: &Step) -> Result<Grads> {
    let alpha = f64::from(s.node.float("alpha", 1.0));
    exponential(e, s, alpha, 1.0)
}

/// `y = gamma elu(x)`.
pub(super) fn selu(e: &mut Emit, s: &Step) -> Result<Grads> {
    let alpha = f64::from(s.node.float("alpha", 1.673_263_2));
    let gamma = f64::from(s.node.float("gamma", 1.050_701));
    exponential(e, s, alpha * gamma, gamma)
}

/// `y = gamma x` where `x > 0`, else `alpha (e^x - 1)`: `gamma g` or `g (y + alpha)`.
fn exponential(e: &mut Emit, s: &Step, alpha: f64, gamma: f64) -> Result<Grads> {
    let g = s.grad()?;
    let positive = forms::above(e, s.x(0)?, 0.0)?;
    let tail = forms::shift(e, s.y()?, alpha)?;
    let tail = e.mul(g, tail)?;
    let straight = e.scale(g, gamma)?;
    Ok(vec![Some(forms::select(e, positive, straight, tail)?)])
}

/// `y = ln(1 + e^x)`: `g sigmoid(x)`.
pub(super) fn softplus(e: &mut Emit, s: &Step) -> Result<Grads> {
    slope(e, s, |e, x, _| e.op("Sigmoid", &[x], &[]))
}

/// `y = x / (1 + |x|)`: `g / (1 + |x|)^2`.
pub(super) fn softsign(e: &mut Emit, s: &Step) -> Result<Grads> {
    let size = e.op("Abs", &[s.x(0)?], &[])?;
    let below = forms::shift(e, size, 1.0)?;
    let square = forms::square(e, below)?;
    Ok(vec![Some(e.div(s.grad()?, square)?)])
}

/// `y = clip(alpha x + beta, 0, 1)`: `alpha g` inside.
pub(super) fn hard_sigmoid(e: &mut Emit, s: &Step) -> Result<Grads> {
    let alpha = f64::from(s.node.float("alpha", 0.2));
    let y = s.y()?;
    let inside = between(e, y, 0.0, 1.0)?;
    let scaled = e.scale(s.grad()?, alpha)?;
    Ok(vec![Some(forms::keep(e, inside, scaled)?)])
}

/// `y = x clip(x/6 + 1/2, 0, 1)`: 0 left of -3, `g (x/3 + 1/2)` between, `g` right of 3.
pub(super) fn hard_swish(e: &mut Emit, s: &Step) -> Result<Grads> {
    let (g, x) = (s.grad()?, s.x(0)?);
    let third = e.scale(x, 1.0 / 3.0)?;
    let middle = forms::shift(e, third, 0.5)?;
    let middle = e.mul(g, middle)?;
    let right = forms::above(e, x, 3.0)?;
    let started = forms::above(e, x, -3.0)?;
    let bent = forms::select(e, right, g, middle)?;
    Ok(vec![Some(forms::keep(e, started, bent)?)])
}

/// `low < x < high`.
fn between(e: &mut Emit, x: ValueId, low: f64, high: f64) -> Result<ValueId> {
    let above = forms::above(e, x, low)?;
    let high = e.scalar_like(x, high)?;
    let below = e.op("Less", &[x, high], &[])?;
    e.op("And", &[above, below], &[])
}

/// `y = x Phi(x)`, exact or by the tanh approximation as the node says.
pub(super) fn gelu(e: &mut Emit, s: &Step) -> Result<Grads> {
    match s.node.str("approximate", "none") {
        "none" => slope(e, s, |e, x, _| exact_gelu(e, x)),
        "tanh" => slope(e, s, |e, x, _| tanh_gelu(e, x)),
        other => Err(crate::err!(Unsupported, "approximate = {other:?}; \"none\" and \"tanh\" exist")),
    }
}

/// `Phi(x) + x phi(x)` with `Phi(x) = (1 + erf(x / sqrt 2)) / 2`, `phi(x) = e^(-x^2/2) / sqrt(2 pi)`.
fn exact_gelu(e: &mut Emit, x: ValueId) -> Result<ValueId> {
    let narrow = e.scale(x, FRAC_1_SQRT_2)?;
    let erf = e.op("Erf", &[narrow], &[])?;
    let erf = forms::shift(e, erf, 1.0)?;
    let area = e.scale(erf, 0.5)?;
    let square = forms::square(e, narrow)?;
    let exponent = forms::complement(e, -(2.0 * PI).sqrt().ln(), square)?;
    let bell = e.op("Exp", &[exponent], &[])?;
    let tail = e.mul(x, bell)?;
    e.add(area, tail)
}

/// With `u = c (x + k x^3)`, `c = sqrt(2/pi)`, `k = 0.044715`, `t = tanh u`:
/// `(1 + t)/2 + x (1 - t^2) c (1 + 3 k x^2) / 2`.
fn tanh_gelu(e: &mut Emit, x: ValueId) -> Result<ValueId> {
    let (c, k) = ((2.0 / PI).sqrt(), 0.044_715);
    let square = forms::square(e, x)?;
    let cubic = e.scale(square, c * k)?;
    let cubic = forms::shift(e, cubic, c)?;
    let inner = e.mul(x, cubic)?;
    let t = e.op("Tanh", &[inner], &[])?;
    let half = e.scale(t, 0.5)?;
    let half = forms::shift(e, half, 0.5)?;
    let steep = e.scale(square, 1.5 * c * k)?;
    let steep = forms::shift(e, steep, 0.5 * c)?;
    let tt = forms::square(e, t)?;
    let rest = forms::complement(e, 1.0, tt)?;
    let steep = e.mul(steep, rest)?;
    let tail = e.mul(x, steep)?;
    e.add(half, tail)
}
