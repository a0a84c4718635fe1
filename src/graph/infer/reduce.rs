//! Reductions over axes: attribute `axes` in old opsets, operand 1 in new ones.

use super::context::{Axes, Operands, one, resolve_all};
use super::{Info, Row};
use crate::error::Result;
use crate::graph::{DType, Dim, Shape};

pub(super) const ROWS: &[Row] = &[
    ("ReduceL1", 1, reduce),
    ("ReduceL2", 1, reduce),
    ("ReduceLogSum", 1, reduce),
    ("ReduceLogSumExp", 1, reduce),
    ("ReduceMax", 1, reduce),
    ("ReduceMean", 1, reduce),
    ("ReduceMin", 1, reduce),
    ("ReduceProd", 1, reduce),
    ("ReduceSum", 1, reduce),
    ("ReduceSumSquare", 1, reduce),
    ("ArgMax", 1, arg),
    ("ArgMin", 1, arg),
];

/// `shape` with `axes` gone, or of length one.
fn reduced(shape: &Shape, axes: &[usize], keep: bool) -> Shape {
    let dims = shape.iter().enumerate().filter_map(|(i, d)| match (axes.contains(&i), keep) {
        (false, _) => Some(d.clone()),
        (true, true) => Some(Dim::Known(1)),
        (true, false) => None,
    });
    Shape(dims.collect())
}

fn reduce(o: &Operands) -> Result<Vec<Info>> {
    let shape = o.shape(0)?;
    let keep = o.node.int("keepdims", 1) != 0;
    let nothing = o.node.int("noop_with_empty_axes", 0) != 0;
    let axes = match o.axes(1) {
        Axes::Given(axes) if !axes.is_empty() => resolve_all(&axes, shape.rank())?,
        Axes::Given(_) | Axes::Absent if nothing => Vec::new(),
        Axes::Given(_) | Axes::Absent => (0..shape.rank()).collect(),
        Axes::Unknown if keep => return o.one(Shape(vec![Dim::Unknown; shape.rank()])),
        Axes::Unknown => return Ok(vec![Info { dtype: o.dtype(0)?, shape: None }]),
    };
    o.one(reduced(shape, &axes, keep))
}

fn arg(o: &Operands) -> Result<Vec<Info>> {
    let shape = o.shape(0)?;
    let axis = o.axis(o.node.int("axis", 0), shape.rank())?;
    one(DType::I64, reduced(shape, &[axis], o.node.int("keepdims", 1) != 0))
}
