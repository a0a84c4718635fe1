//! Products with something fused into them.

use super::activation::fused;
use crate::error::Result;
use crate::graph::{Attrs, Emit, Node, ValueId};

type Results = Result<Vec<Option<ValueId>>>;

/// `alpha * op(a) op(b)`, where `op` turns axes if asked to.
pub(super) fn matmul(e: &mut Emit, node: &Node) -> Results {
    let a = turned(e, node.need(0)?, node.int("transBatchA", 0), node.int("transA", 0))?;
    let b = turned(e, node.need(1)?, node.int("transBatchB", 0), node.int("transB", 0))?;
    let product = e.matmul(a, b)?;
    Ok(vec![Some(e.scale(product, f64::from(node.float("alpha", 1.0)))?)])
}

/// `[rows, batches.., columns]` as `[batches.., rows, columns]`, then its last two axes swapped, if asked to.
fn turned(e: &mut Emit, mut v: ValueId, batches: i64, swapped: i64) -> Result<ValueId> {
    if batches != 0 {
        let rank = e.shape(v)?.rank();
        let order: Vec<usize> = (1..rank - 1).chain([0, rank - 1]).collect();
        v = e.transpose(v, &order)?;
    }
    if swapped == 0 { Ok(v) } else { e.swap(v) }
}

/// `activation(conv(x, w, b) + z)`.
pub(super) fn conv(e: &mut Emit, node: &Node) -> Results {
    let mut y = plain(e, node, "Conv")?;
    if let Some(z) = node.input(3) {
        y = e.add(y, z)?;
    }
    Ok(vec![Some(fused(e, node, y)?)])
}

/// `activation(gemm(a, b, c))`.
pub(super) fn gemm(e: &mut Emit, node: &Node) -> Results {
    let y = plain(e, node, "Gemm")?;
    Ok(vec![Some(fused(e, node, y)?)])
}

/// The standard operator with the first three operands and all attributes but those of the activation.
fn plain(e: &mut Emit, node: &Node, op: &str) -> Result<ValueId> {
    let operands: Vec<ValueId> = (0..3).map_while(|i| node.input(i)).collect();
    let own: Attrs =
        node.attrs.clone().into_iter().filter(|(name, _)| !name.starts_with("activation")).collect();
    let own: Vec<_> = own.iter().map(|(name, attr)| (name.as_str(), attr.clone())).collect();
    e.op(op, &operands, &own)
}
