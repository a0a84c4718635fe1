//! Quantized operators: straight-through gradients. `g = dL/dy`.
//!
//! Rounding has no useful derivative, so it is taken to be the identity (Bengio, Léonard and Courville, arXiv 1308.3432),
//! and a value that was clipped passes nothing, as in PyTorch's `fake_quantize`. What is differentiated is thus the float
//! function of which the integer graph is a rounded copy, at the values that the integer graph computed.
//!
//! Unit. The gradient of an integer that a quantizer made is a float: the loss's change by the *number that the integer
//! stands for*, `scale (q - zero)`. So a pair of `QuantizeLinear` and `DequantizeLinear` costs a mask and no product. The
//! gradient of an integer product is by the integer itself: the graph multiplies with the scales where everyone sees it.
//!
//! Scales and zero points that are computed from the data (`DynamicQuantizeLinear`) get no gradient: to first order they
//! cancel, `scale round(x / scale) = x`.

use super::{Grads, Step};
use crate::autodiff::forms;
use crate::error::Result;
use crate::graph::{DType, Emit, Node, Tensor, ValueId};

/// `y = clip(round(x / scale) + zero)`: `g` where nothing was clipped.
pub(super) fn quantize(e: &mut Emit, s: &Step) -> Result<Grads> {
    let (g, x) = (s.grad()?, s.x(0)?);
    let grid = Grid::of(e, s.node)?;
    let dtype = e.graph().dtype(s.y()?)?;
    if on_grid(e, x, &grid) {
        return Ok(vec![Some(g)]);
    }
    let (least, most) = match dtype {
        DType::U8 => (0.0, 255.0),
        DType::I8 => (-128.0, 127.0),
        DType::U16 => (0.0, 65535.0),
        DType::I16 => (-32768.0, 32767.0),
        _ => crate::bail!(Unsupported, "activations quantized to {}", dtype.name()),
    };
    // Half a step beyond the last number still rounds to it.
    let low = grid.edge(e, x, least - 0.5)?;
    let high = grid.edge(e, x, most + 0.5)?;
    let below = e.op("Less", &[x, low], &[])?;
    let above = e.op("Greater", &[x, high], &[])?;
    let inside = forms::drop(e, below, g)?;
    Ok(vec![Some(forms::drop(e, above, inside)?)])
}

/// `y = scale (x - zero)` of what was quantized with this scale: `g`.
pub(super) fn dequantize(e: &mut Emit, s: &Step) -> Result<Grads> {
    let grid = Grid::of(e, s.node)?;
    let made = origin(e, s.x(0)?);
    let fits = made.map(|node| node.is("QuantizeLinear") && Grid::of(e, node).is_ok_and(|own| own == grid));
    if fits != Some(true) {
        crate::bail!(
            Unsupported,
            "it dequantizes something else than a QuantizeLinear of the same scale and zero point gave; a gradient flows \
             through such pairs and through DynamicQuantizeLinear with MatMulInteger"
        );
    }
    Ok(vec![Some(s.grad()?)])
}

/// `y = round(x / scale) + zero` with scale and zero from the extremes of `x`, so nothing is clipped: `g`.
pub(super) fn dynamic(_: &mut Emit, s: &Step) -> Result<Grads> {
    Ok(vec![s.grads.first().copied().flatten()])
}

/// `y = (A - a0) (B - b0)`: `(g (B - b0)^T / scale of A, (A - a0)^T g / scale of B)`.
pub(super) fn matmul_integer(e: &mut Emit, s: &Step) -> Result<Grads> {
    let (g, a, b) = (s.grad()?, s.x(0)?, s.x(1)?);
    let by_a = s.when(0, || {
        let weights = numbers(e, b, s.node.input(3), g)?;
        let product = super::matmul::by_left(e, g, a, weights)?;
        per_number(e, product, a)
    })?;
    let by_b = s.when(1, || {
        let a = numbers(e, a, s.node.input(2), g)?;
        let turned = e.swap(a)?;
        let product = e.matmul(turned, g)?;
        per_number(e, product, b)
    })?;
    Ok(vec![by_a, by_b])
}

/// `v - zero` in the dtype of `like`.
fn numbers(e: &mut Emit, v: ValueId, zero: Option<ValueId>, like: ValueId) -> Result<ValueId> {
    let dtype = e.graph().dtype(like)?;
    let v = e.cast(v, dtype)?;
    let none = |z: ValueId| e.graph().constant(z).is_some_and(|t| t.to_f64().iter().all(|&x| x == 0.0));
    match zero.filter(|&z| !none(z)) {
        Some(zero) => {
            let zero = e.cast(zero, dtype)?;
            e.sub(v, zero)
        }
        None => Ok(v),
    }
}

/// From a gradient by an integer to one by the number that it stands for.
fn per_number(e: &mut Emit, grad: ValueId, integer: ValueId) -> Result<ValueId> {
    let scale = origin(e, integer).and_then(|node| match node.is("DynamicQuantizeLinear") {
        true => node.outputs.get(1).copied().flatten(),
        false => node.input(1).filter(|_| node.is("QuantizeLinear")),
    });
    match scale.filter(|&v| e.graph().shape(v).is_ok_and(|s| s.rank() == 0 || s.volume().known() == Some(1)))
    {
        Some(scale) => e.div(grad, scale),
        None => Err(crate::err!(
            Unsupported,
            "a trained factor does not come from a quantizer with one scale; quantize activations per tensor"
        )),
    }
}

/// Scale, zero point and axis of a quantizer, all constant.
#[derive(PartialEq)]
struct Grid {
    scale: Tensor,
    zero: Option<Tensor>,
    axis: i64,
}

impl Grid {
    fn of(e: &Emit, node: &Node) -> Result<Self> {
        let constant = |i: usize| node.input(i).map(|v| e.graph().constant(v).cloned());
        let (Some(Some(scale)), None | Some(Some(_))) = (constant(1), constant(2)) else {
            crate::bail!(Unsupported, "its scale or zero point is computed; fold constants first");
        };
        let axis = if scale.len() == 1 { 0 } else { node.int("axis", 1) };
        Ok(Self { scale, zero: constant(2).flatten(), axis })
    }

    /// The number at integer `q`, which may lie between two integers, shaped to broadcast against `x`.
    fn edge(&self, e: &mut Emit, x: ValueId, q: f64) -> Result<ValueId> {
        let rank = e.shape(x)?.rank();
        let zeros = self.zero.as_ref().map_or_else(|| vec![0.0], Tensor::to_f64);
        let scales = self.scale.to_f64();
        let edges: Vec<f64> =
            scales.iter().enumerate().map(|(i, s)| s * (q - zeros[i.min(zeros.len() - 1)])).collect();
        let mut shape = vec![1; if edges.len() == 1 { 0 } else { rank }];
        if edges.len() > 1 {
            shape[forms::axis(self.axis, rank)?] = edges.len();
        }
        let dtype = e.graph().dtype(x)?;
        Ok(e.constant(Tensor::from_f64(dtype, &shape, &edges)?))
    }
}

/// Whether `x` is made of numbers of the grid already, so that quantizing it again clips nothing.
fn on_grid(e: &Emit, x: ValueId, grid: &Grid) -> bool {
    let same = |node: &Node| node.is("DequantizeLinear") && Grid::of(e, node).is_ok_and(|own| own == *grid);
    grid.scale.len() == 1 && origin(e, x).is_some_and(same)
}

/// The node behind `v` and behind what only moves its elements.
fn origin<'e>(e: &'e Emit, mut v: ValueId) -> Option<&'e Node> {
    const MOVES: [&str; 9] =
        ["Reshape", "Transpose", "Split", "Squeeze", "Unsqueeze", "Flatten", "Slice", "Gather", "Identity"];
    loop {
        let node = e.graph().nodes().iter().rev().find(|n| n.outputs.contains(&Some(v)))?;
        if !MOVES.iter().any(|op| node.is(op)) {
            return Some(node);
        }
        v = node.input(0)?;
    }
}
