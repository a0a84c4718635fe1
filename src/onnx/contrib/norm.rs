//! Normalizations.

use crate::error::Result;
use crate::graph::{Attr, Emit, Node, ValueId};

type Results = Result<Vec<Option<ValueId>>>;

/// `LayerNormalization(x + skip + bias)`, and the sum as result 3.
pub(super) fn skip(e: &mut Emit, node: &Node) -> Results {
    let sum = summed(e, node, 4)?;
    let mut operands = vec![sum, node.need(2)?];
    operands.extend(node.input(3));
    let attrs = [("axis", Attr::Int(-1)), ("epsilon", Attr::Float(node.float("epsilon", 1e-12)))];
    let y = e.op("LayerNormalization", &operands, &attrs)?;
    Ok(vec![Some(y), None, None, Some(sum)])
}

/// The root-mean-square norm of `x + skip + bias`, and the sum as result 3.
pub(super) fn skip_simplified(e: &mut Emit, node: &Node) -> Results {
    let sum = summed(e, node, 3)?;
    let y = rms(e, sum, node.need(2)?, node.float("epsilon", 1e-12))?;
    Ok(vec![Some(y), None, None, Some(sum)])
}

/// The root-mean-square norm over the last axis.
pub(super) fn simplified(e: &mut Emit, node: &Node) -> Results {
    let (x, axis) = (node.need(0)?, node.int("axis", -1));
    let rank = e.shape(x)?.rank() as i64;
    if axis != -1 && axis + 1 != rank {
        crate::bail!(
            Unsupported,
            "a norm over the axes from {axis} on; only the last one can be written out"
        );
    }
    Ok(vec![Some(rms(e, x, node.need(1)?, node.float("epsilon", 1e-5))?)])
}

fn summed(e: &mut Emit, node: &Node, bias: usize) -> Result<ValueId> {
    let sum = e.add(node.need(0)?, node.need(1)?)?;
    node.input(bias).map_or(Ok(sum), |bias| e.add(sum, bias))
}

/// `x / sqrt(mean(x^2) + epsilon) * weight`.
fn rms(e: &mut Emit, x: ValueId, weight: ValueId, epsilon: f32) -> Result<ValueId> {
    let last = e.shape(x)?.rank() - 1;
    let square = e.mul(x, x)?;
    let mean = e.reduce_mean(square, &[last])?;
    let epsilon = e.scalar_like(x, f64::from(epsilon))?;
    let shifted = e.add(mean, epsilon)?;
    let root = e.op("Sqrt", &[shifted], &[])?;
    let unit = e.div(x, root)?;
    e.mul(unit, weight)
}
