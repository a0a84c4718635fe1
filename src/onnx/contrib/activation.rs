//! Activation functions.

use std::f64::consts::{FRAC_1_SQRT_2, PI};

use crate::error::Result;
use crate::graph::{Emit, Node, ValueId};

type Results = Result<Vec<Option<ValueId>>>;

fn one(v: Result<ValueId>) -> Results {
    Ok(vec![Some(v?)])
}

/// `x / 2 * (1 + erf(x / sqrt 2))`.
pub(super) fn gelu(e: &mut Emit, node: &Node) -> Results {
    one(exact(e, node.need(0)?))
}

/// `gelu(x + b)`.
pub(super) fn bias_gelu(e: &mut Emit, node: &Node) -> Results {
    let x = e.add(node.need(0)?, node.need(1)?)?;
    one(exact(e, x))
}

/// `x / 2 * (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3)))` of `x` or `x + b`.
pub(super) fn fast_gelu(e: &mut Emit, node: &Node) -> Results {
    let mut x = node.need(0)?;
    if let Some(bias) = node.input(1) {
        x = e.add(x, bias)?;
    }
    let square = e.mul(x, x)?;
    let cube = e.mul(square, x)?;
    let cube = e.scale(cube, 0.044_715)?;
    let inner = e.add(x, cube)?;
    let inner = e.scale(inner, (2.0 / PI).sqrt())?;
    let t = e.op("Tanh", &[inner], &[])?;
    one(half_times(e, x, t))
}

/// `x sigmoid(alpha x)`.
pub(super) fn quick_gelu(e: &mut Emit, node: &Node) -> Results {
    let x = node.need(0)?;
    let inner = e.scale(x, f64::from(node.float("alpha", 1.702)))?;
    let s = e.op("Sigmoid", &[inner], &[])?;
    one(e.mul(x, s))
}

fn exact(e: &mut Emit, x: ValueId) -> Result<ValueId> {
    let inner = e.scale(x, FRAC_1_SQRT_2)?;
    let t = e.op("Erf", &[inner], &[])?;
    half_times(e, x, t)
}

/// `x / 2 * (1 + t)`.
fn half_times(e: &mut Emit, x: ValueId, t: ValueId) -> Result<ValueId> {
    let one = e.scalar_like(x, 1.0)?;
    let gate = e.add(t, one)?;
    let product = e.mul(x, gate)?;
    e.scale(product, 0.5)
}

/// What a fused operator applies to its sum; nothing where it names nothing.
pub(super) fn fused(e: &mut Emit, node: &Node, y: ValueId) -> Result<ValueId> {
    match node.str("activation", "") {
        "" => Ok(y),
        simple @ ("Relu" | "Sigmoid" | "Tanh") => e.op(simple, &[y], &[]),
        other => {
            Err(crate::err!(Unsupported, "activation {other:?}; Relu, Sigmoid and Tanh can be written out"))
        }
    }
}
