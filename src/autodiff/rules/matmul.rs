//! Matrix products. `g = dL/dy`.

use std::collections::BTreeSet;

use super::{Grads, Step};
use crate::autodiff::forms;
use crate::error::Result;
use crate::graph::{Emit, Shape, ValueId};

/// `y = A B`, batched and broadcast: `(g B^T, A^T g)`.
///
/// An operand of rank 1 stands for a row (left) or a column (right).
pub(super) fn matmul(e: &mut Emit, s: &Step) -> Result<Grads> {
    let (a, b) = (s.x(0)?, s.x(1)?);
    let (row, column) = (e.shape(a)?.rank() == 1, e.shape(b)?.rank() == 1);
    if !row && e.shape(b)?.rank() == 2 {
        return shared(e, s);
    }
    let missing: Vec<i64> = [(row, -2), (column, -1)].iter().filter(|m| m.0).map(|m| m.1).collect();
    let g = if missing.is_empty() { s.grad()? } else { e.unsqueeze(s.grad()?, &missing)? };
    let by_a = s.when(0, || {
        let transposed = if column { e.unsqueeze(b, &[0])? } else { e.swap(b)? };
        e.matmul(g, transposed)
    })?;
    let by_b = s.when(1, || {
        let a = if row { e.unsqueeze(a, &[0])? } else { a };
        if column {
            // [.., 1, K]: the walk sums everything but the last axis away.
            let transposed = e.swap(g)?;
            return e.matmul(transposed, a);
        }
        if turned(e, b)? {
            // B = C^T: with dC = g^T A, the two turns of C's gradient cancel.
            let transposed = e.swap(g)?;
            let by_c = e.matmul(transposed, a)?;
            return e.swap(by_c);
        }
        let transposed = e.swap(a)?;
        e.matmul(transposed, g)
    })?;
    Ok(vec![by_a, by_b])
}

/// Whether `b` was computed by swapping the last two axes.
fn turned(e: &Emit, b: ValueId) -> Result<bool> {
    let rank = e.shape(b)?.rank();
    let node = e.graph().nodes().iter().find(|n| n.outputs.contains(&Some(b)));
    Ok(node.is_some_and(|n| n.is("Transpose") && forms::swaps(n, rank)))
}

/// `y = A B` with one matrix `B` for all rows of `A`, as a weight is. One product over all rows gives `dB`, not one
/// per image; and as `Gemm` turns its operands itself, no transposed copy of a frozen weight is kept.
fn shared(e: &mut Emit, s: &Step) -> Result<Grads> {
    let (a, b) = (s.x(0)?, s.x(1)?);
    let g = rows(e, s.grad()?)?;
    let by_a = s.when(0, || {
        let b = forms::unpacked(e, b)?;
        by_left(e, g, a, b)
    })?;
    let by_b = s.when(1, || {
        let a = rows(e, a)?;
        e.op("Gemm", &[a, g], &[("transA", 1.into())])
    })?;
    Ok(vec![by_a, by_b])
}

/// `g B^T` in the shape of `a`, the left factor.
pub(super) fn by_left(e: &mut Emit, g: ValueId, a: ValueId, b: ValueId) -> Result<ValueId> {
    if e.shape(b)?.rank() != 2 {
        let transposed = e.swap(b)?;
        return e.matmul(g, transposed);
    }
    let g = rows(e, g)?;
    let flat = e.op("Gemm", &[g, b], &[("transB", 1.into())])?;
    let shape = e.shape(a)?;
    e.reshape(flat, &shape)
}

/// `[.., M, K]` viewed as `[.. * M, K]`.
fn rows(e: &mut Emit, a: ValueId) -> Result<ValueId> {
    let shape = e.shape(a)?;
    let (last, lead) = shape.split_last().ok_or_else(|| crate::err!(Bug, "a matrix has two axes"))?;
    let rows = Shape(lead.to_vec()).volume();
    e.reshape(a, &Shape(vec![rows, last.clone()]))
}

/// `y = alpha op(A) op(B) + beta C`, each gradient again a `Gemm`; `dC = beta g`.
pub(super) fn gemm(e: &mut Emit, s: &Step) -> Result<Grads> {
    let (g, a, b) = (s.grad()?, s.x(0)?, s.x(1)?);
    let (ta, tb) = (s.node.int("transA", 0), s.node.int("transB", 0));
    let alpha = s.node.float("alpha", 1.0);
    let product = |e: &mut Emit, x, y, tx: i64, ty: i64| {
        e.op("Gemm", &[x, y], &[("alpha", alpha.into()), ("transA", tx.into()), ("transB", ty.into())])
    };
    let by_a = s.when(0, || {
        let b = forms::unpacked(e, b)?;
        if ta == 0 { product(e, g, b, 0, 1 - tb) } else { product(e, b, g, tb, 1) }
    })?;
    let by_b = s.when(1, || if tb == 0 { product(e, a, g, 1 - ta, 0) } else { product(e, g, a, 1, ta) })?;
    let by_c = s.when(2, || e.scale(g, f64::from(s.node.float("beta", 1.0))))?;
    Ok(vec![by_a, by_b, by_c])
}

/// `y = einsum("a,b->y", A, B)`: `(einsum("y,b->a", g, B), einsum("y,a->b", g, A))`.
pub(super) fn einsum(e: &mut Emit, s: &Step) -> Result<Grads> {
    let equation: String = s.node.str("equation", "").chars().filter(|c| !c.is_whitespace()).collect();
    let parts = equation.split_once("->").and_then(|(l, y)| l.split_once(',').map(|(a, b)| (a, b, y)));
    let Some((a, b, y)) = parts.filter(|(_, b, _)| !b.contains(',')) else {
        crate::bail!(Unsupported, "equation {equation:?}; two operands and an arrow have a gradient");
    };
    let distinct = |t: &str| t.chars().collect::<BTreeSet<_>>().len() == t.len();
    let covered = |of: &str, other: &str| of.chars().all(|c| other.contains(c) || y.contains(c));
    if ![a, b, y].into_iter().all(distinct) || !covered(a, b) || !covered(b, a) {
        crate::bail!(Unsupported, "equation {equation:?} repeats a letter or sums one operand alone");
    }
    let (g, left, right) = (s.grad()?, s.x(0)?, s.x(1)?);
    let mut product =
        |other: ValueId, text: String| e.op("Einsum", &[g, other], &[("equation", text.as_str().into())]);
    let by_a = s.when(0, || product(right, format!("{y},{b}->{a}")))?;
    let by_b = s.when(1, || product(left, format!("{y},{a}->{b}")))?;
    Ok(vec![by_a, by_b])
}
