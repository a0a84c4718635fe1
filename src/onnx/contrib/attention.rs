//! Attention. `x: [batch, tokens, width]`; `softmax(scale q k^T + bias) v` over heads.

use super::without;
use crate::error::Result;
use crate::graph::{Attr, Emit, Node, Tensor, ValueId};

type Results = Result<Vec<Option<ValueId>>>;

/// `Attention`: one weight `[width, q + k + v]` makes all three.
pub(super) fn packed(e: &mut Emit, node: &Node) -> Results {
    without(node, 3, "a mask, a past or a bias of scores")?;
    if node.int("unidirectional", 0) + node.int("do_rotary", 0) != 0 {
        crate::bail!(
            Unsupported,
            "causal or rotary attention cannot be written out; optimize without this fusion"
        );
    }
    let mut qkv = e.matmul(node.need(0)?, node.need(1)?)?;
    if let Some(bias) = node.input(2) {
        qkv = e.add(qkv, bias)?;
    }
    let shape = e.shape(qkv)?;
    let Some(all) = shape.last().and_then(|d| d.known()) else {
        crate::bail!(Shape, "a width of {shape} that is open");
    };
    let widths = match node.ints("qkv_hidden_sizes") {
        Some(&[q, k, v]) => [q, k, v],
        _ => [all as i64 / 3; 3],
    };
    let lengths = e.constant(Tensor::ints(&widths));
    let parts = e.op_n("Split", &[qkv, lengths], 3, &[("axis", Attr::Int(-1))])?;
    let y = attend(e, node, [parts[0], parts[1], parts[2]], [widths[0], widths[2]], None)?;
    Ok(vec![Some(y)])
}

/// `MultiHeadAttention`: `q`, `k` and `v` as `[batch, tokens, width]`, one bias for all three, a bias of the scores.
pub(super) fn separate(e: &mut Emit, node: &Node) -> Results {
    if node.input(4).is_some() {
        crate::bail!(Unsupported, "a padding mask; export the model without it");
    }
    without(node, 6, "a past")?;
    if node.int("unidirectional", 0) != 0 {
        crate::bail!(Unsupported, "causal attention cannot be written out; optimize without this fusion");
    }
    let (Some(k), Some(v)) = (node.input(1), node.input(2)) else {
        crate::bail!(Unsupported, "packed queries, keys and values; optimize without this fusion");
    };
    let mut parts = [node.need(0)?, k, v];
    let mut widths = [0; 3];
    for (part, width) in parts.iter().zip(&mut widths) {
        let shape = e.shape(*part)?;
        *width = match (shape.rank(), shape.last().and_then(|d| d.known())) {
            (3, Some(width)) => width as i64,
            _ => crate::bail!(Unsupported, "an operand {shape}; [batch, tokens, width] can be written out"),
        };
    }
    if let Some(bias) = node.input(3) {
        let lengths = e.constant(Tensor::ints(&widths));
        let biases = e.op_n("Split", &[bias, lengths], 3, &[("axis", Attr::Int(0))])?;
        for (part, bias) in parts.iter_mut().zip(biases) {
            *part = e.add(*part, bias)?;
        }
    }
    Ok(vec![Some(attend(e, node, parts, [widths[0], widths[2]], node.input(5))?)])
}

/// `widths` are those of the queries and of the values.
fn attend(
    e: &mut Emit,
    node: &Node,
    parts: [ValueId; 3],
    widths: [i64; 2],
    bias: Option<ValueId>,
) -> Result<ValueId> {
    let heads = node.int("num_heads", 0);
    if heads < 1 || widths.iter().any(|w| w % heads != 0) {
        crate::bail!(Parse, "{heads} heads for widths {widths:?}");
    }
    let mut split = |v: ValueId, perm: &[usize]| {
        let shape = e.constant(Tensor::ints(&[0, 0, heads, -1]));
        let apart = e.op("Reshape", &[v, shape], &[])?;
        e.transpose(apart, perm)
    };
    let q = split(parts[0], &[0, 2, 1, 3])?;
    let k = split(parts[1], &[0, 2, 3, 1])?;
    let v = split(parts[2], &[0, 2, 1, 3])?;
    let given = f64::from(node.float("scale", 0.0));
    let scale = if given == 0.0 { ((widths[0] / heads) as f64).powf(-0.5) } else { given };
    let scores = e.matmul(q, k)?;
    let mut scores = e.scale(scores, scale)?;
    if let Some(bias) = bias {
        scores = e.add(scores, bias)?;
    }
    let weights = e.op("Softmax", &[scores], &[("axis", Attr::Int(-1))])?;
    let context = e.matmul(weights, v)?;
    let tokens = e.transpose(context, &[0, 2, 1, 3])?;
    let shape = e.constant(Tensor::ints(&[0, 0, widths[1]]));
    e.op("Reshape", &[tokens, shape], &[])
}
