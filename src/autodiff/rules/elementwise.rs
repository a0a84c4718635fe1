//! Arithmetic, comparisons by value, and functions of one element. `y` is the result, `g = dL/dy`.

use std::f64::consts::PI;

use super::{Grads, Step};
use crate::autodiff::forms;
use crate::error::Result;
use crate::graph::{DType, Emit, ValueId};

/// `y = a + b`: `(g, g)`.
pub(super) fn add(_: &mut Emit, s: &Step) -> Result<Grads> {
    sum_of(s, s.grad()?)
}

/// `y = a + b + ..`: `g` for each.
pub(super) fn sum(_: &mut Emit, s: &Step) -> Result<Grads> {
    sum_of(s, s.grad()?)
}

/// `y = (a + b + ..) / n`: `g / n` for each.
pub(super) fn mean(e: &mut Emit, s: &Step) -> Result<Grads> {
    let share = e.scale(s.grad()?, 1.0 / s.node.inputs.len() as f64)?;
    sum_of(s, share)
}

fn sum_of(s: &Step, share: ValueId) -> Result<Grads> {
    Ok(s.needs.iter().map(|need| need.then_some(share)).collect())
}

/// `y = a - b`: `(g, -g)`.
pub(super) fn sub(e: &mut Emit, s: &Step) -> Result<Grads> {
    let g = s.grad()?;
    Ok(vec![s.when(0, || Ok(g))?, s.when(1, || e.neg(g))?])
}

/// `y = a b`: `(g b, g a)`.
pub(super) fn mul(e: &mut Emit, s: &Step) -> Result<Grads> {
    let (g, a, b) = (s.grad()?, s.x(0)?, s.x(1)?);
    Ok(vec![s.when(0, || e.mul(g, b))?, s.when(1, || e.mul(g, a))?])
}

/// `y = a / b`: `(g / b, -g y / b)`.
pub(super) fn div(e: &mut Emit, s: &Step) -> Result<Grads> {
    let (y, b) = (s.y()?, s.x(1)?);
    let share = match e.graph().constant(b).filter(|b| b.len() == 1).map(|b| b.to_f64()[0]) {
        Some(b) => e.scale(s.grad()?, 1.0 / b)?,
        None => e.div(s.grad()?, b)?,
    };
    let by_b = s.when(1, || {
        let gy = e.mul(share, y)?;
        e.neg(gy)
    })?;
    Ok(vec![s.when(0, || Ok(share))?, by_b])
}

/// `y = x^p`: `(g p x^(p-1), g y ln x)`, where `0 x^-1` and `0 ln 0` count as 0.
pub(super) fn pow(e: &mut Emit, s: &Step) -> Result<Grads> {
    let (g, x, p) = (s.grad()?, s.x(0)?, s.x(1)?);
    let dtype = e.graph().dtype(x)?;
    let by_x = s.when(0, || {
        let (factor, rest) = match e.graph().constant(p).map(|t| t.cast(dtype)) {
            Some(t) => {
                let lower: Vec<f64> =
                    t.to_f64().iter().map(|p| if *p == 0.0 { 0.0 } else { p - 1.0 }).collect();
                let lower = crate::graph::Tensor::from_f64(dtype, t.shape(), &lower)?;
                (e.constant(t), e.constant(lower))
            }
            None => {
                let p = e.cast(p, dtype)?;
                let sign = e.op("Sign", &[p], &[])?;
                let one = e.op("Abs", &[sign], &[])?;
                (p, e.sub(p, one)?)
            }
        };
        let power = power(e, x, rest)?;
        let slope = e.mul(factor, power)?;
        e.mul(g, slope)
    })?;
    let by_p = s.when(1, || {
        let zero = e.scalar_like(x, 0.0)?;
        let one = e.scalar_like(x, 1.0)?;
        let at_zero = e.op("Equal", &[x, zero], &[])?;
        let safe = forms::select(e, at_zero, one, x)?;
        let log = e.op("Log", &[safe], &[])?;
        let slope = e.mul(s.y()?, log)?;
        e.mul(g, slope)
    })?;
    Ok(vec![by_x, by_p])
}

/// `x^p`, without `Pow` where `p` is the constant 1.
fn power(e: &mut Emit, x: ValueId, p: ValueId) -> Result<ValueId> {
    let linear = e.graph().constant(p).is_some_and(|t| t.to_f64() == [1.0]);
    if linear { Ok(x) } else { e.op("Pow", &[x, p], &[]) }
}

/// `y = if c { a } else { b }`: `(-, c g, !c g)`.
pub(super) fn select(e: &mut Emit, s: &Step) -> Result<Grads> {
    let (g, c) = (s.grad()?, s.x(0)?);
    Ok(vec![None, s.when(1, || forms::keep(e, c, g))?, s.when(2, || forms::drop(e, c, g))?])
}

/// `y = max(a, b, ..)` or `min`: `g` to the operand that gave the result, shared evenly between equals.
pub(super) fn extreme(e: &mut Emit, s: &Step) -> Result<Grads> {
    let (g, y) = (s.grad()?, s.y()?);
    let dtype = e.graph().dtype(y)?;
    let mut hits = Vec::with_capacity(s.needs.len());
    for i in 0..s.needs.len() {
        let hit = e.op("Equal", &[s.x(i)?, y], &[])?;
        hits.push(e.cast(hit, dtype)?);
    }
    let mut ties = hits[0];
    for hit in &hits[1..] {
        ties = e.add(ties, *hit)?;
    }
    let share = e.div(g, ties)?;
    hits.iter().enumerate().map(|(i, hit)| s.when(i, || e.mul(share, *hit))).collect()
}

/// `y = clip(x, low, high)`: `g` to `x` within the bounds (which count as within), else to the bound.
pub(super) fn clip(e: &mut Emit, s: &Step) -> Result<Grads> {
    let (g, x) = (s.grad()?, s.x(0)?);
    let (low, high) = (s.node.input(1), s.node.input(2));
    let below = low.map(|low| e.op("Less", &[x, low], &[])).transpose()?;
    let above = high.map(|high| e.op("Greater", &[x, high], &[])).transpose()?;
    let mut by_x = g;
    for outside in [below, above].into_iter().flatten() {
        by_x = forms::drop(e, outside, by_x)?;
    }
    let mut bound = |i, outside: Option<ValueId>| match outside {
        Some(outside) => s.when(i, || forms::keep(e, outside, g)),
        None => Ok(None),
    };
    let bounds = [bound(1, below)?, bound(2, above)?];
    Ok([s.when(0, || Ok(by_x))?].into_iter().chain(bounds).collect())
}

/// `y = x` in another dtype: `g` in the dtype of `x`, or as it is where `x` is an integer on the path.
pub(super) fn cast(e: &mut Emit, s: &Step) -> Result<Grads> {
    let (g, dtype) = (s.grad()?, e.graph().dtype(s.x(0)?)?);
    Ok(vec![Some(if dtype.is_float() { e.cast(g, dtype)? } else { g })])
}

/// `y = x`: `g`.
pub(super) fn identity(_: &mut Emit, s: &Step) -> Result<Grads> {
    Ok(vec![Some(s.grad()?)])
}

/// `y = x`, as long as the node does not train: `g`.
pub(super) fn dropout(e: &mut Emit, s: &Step) -> Result<Grads> {
    let training = s.node.input(2).map(|v| e.graph().constant(v).map(|t| t.cast(DType::F64).to_f64()));
    match training {
        None => identity(e, s),
        Some(Some(flag)) if flag == [0.0] => identity(e, s),
        Some(_) => Err(crate::err!(
            Unsupported,
            "the node drops at random; export the model in evaluation mode (training_mode = false)"
        )),
    }
}

/// `y = -x`: `-g`.
pub(super) fn neg(e: &mut Emit, s: &Step) -> Result<Grads> {
    Ok(vec![Some(e.neg(s.grad()?)?)])
}

/// `y = |x|`: `g sign(x)`, 0 at 0.
pub(super) fn abs(e: &mut Emit, s: &Step) -> Result<Grads> {
    slope(e, s, |e, x, _| e.op("Sign", &[x], &[]))
}

/// `y = sqrt(x)`: `g / 2y`.
pub(super) fn sqrt(e: &mut Emit, s: &Step) -> Result<Grads> {
    let half = e.scale(s.grad()?, 0.5)?;
    Ok(vec![Some(e.div(half, s.y()?)?)])
}

/// `y = 1 / x`: `-g y^2`.
pub(super) fn reciprocal(e: &mut Emit, s: &Step) -> Result<Grads> {
    slope(e, s, |e, _, y| {
        let square = forms::square(e, y)?;
        e.neg(square)
    })
}

/// `y = e^x`: `g y`.
pub(super) fn exp(e: &mut Emit, s: &Step) -> Result<Grads> {
    slope(e, s, |_, _, y| Ok(y))
}

/// `y = ln x`: `g / x`.
pub(super) fn log(e: &mut Emit, s: &Step) -> Result<Grads> {
    Ok(vec![Some(e.div(s.grad()?, s.x(0)?)?)])
}

/// `y = sin x`: `g cos x`.
pub(super) fn sin(e: &mut Emit, s: &Step) -> Result<Grads> {
    slope(e, s, |e, x, _| e.op("Cos", &[x], &[]))
}

/// `y = cos x`: `-g sin x`.
pub(super) fn cos(e: &mut Emit, s: &Step) -> Result<Grads> {
    slope(e, s, |e, x, _| {
        let sin = e.op("Sin", &[x], &[])?;
        e.neg(sin)
    })
}

/// `y = erf x`: `g 2/sqrt(pi) e^(-x^2)`, the factor written into the exponent.
pub(super) fn erf(e: &mut Emit, s: &Step) -> Result<Grads> {
    slope(e, s, |e, x, _| {
        let square = forms::square(e, x)?;
        let exponent = forms::complement(e, (2.0 / PI.sqrt()).ln(), square)?;
        e.op("Exp", &[exponent], &[])
    })
}

/// `y = tanh x`: `g (1 - y^2)`.
pub(super) fn tanh(e: &mut Emit, s: &Step) -> Result<Grads> {
    slope(e, s, |e, _, y| {
        let square = forms::square(e, y)?;
        forms::complement(e, 1.0, square)
    })
}

/// `y = 1 / (1 + e^-x)`: `g y (1 - y)`.
pub(super) fn sigmoid(e: &mut Emit, s: &Step) -> Result<Grads> {
    slope(e, s, |e, _, y| {
        let rest = forms::complement(e, 1.0, y)?;
        e.mul(y, rest)
    })
}

/// `g f'(x)`, with `f'` built from the operand and the result.
pub(super) fn slope(
    e: &mut Emit,
    s: &Step,
    derivative: impl FnOnce(&mut Emit, ValueId, ValueId) -> Result<ValueId>,
) -> Result<Grads> {
    let slope = derivative(e, s.x(0)?, s.y()?)?;
    Ok(vec![Some(e.mul(s.grad()?, slope)?)])
}
