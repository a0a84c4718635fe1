//! Reductions over axes: attribute `axes` in old opsets, operand 1 in new ones.

use super::context::{Axes, Operands, one, resolve_all};
use super::{Info, Row};
use crate::error::Result;
use crate::graph::{DType, Dim, Shape};

pub(super) const ROWS: &[Row] = &[
    ("ReduceL1", 1, by_attr),
    ("ReduceL1", 18, by_operand),
    ("ReduceL2", 1, by_attr),
    ("ReduceL2", 18, by_operand),
    ("ReduceLogSum", 1, by_attr),
    ("ReduceLogSum", 18, by_operand),
    ("ReduceLogSumExp", 1, by_attr),
    ("ReduceLogSumExp", 18, by_operand),
    ("ReduceMax", 1, by_attr),
    ("ReduceMax", 18, by_operand),
    ("ReduceMean", 1, by_attr),
    ("ReduceMean", 18, by_operand),
    ("ReduceMin", 1, by_attr),
    ("ReduceMin", 18, by_operand),
    ("ReduceProd", 1, by_attr),
    ("ReduceProd", 18, by_operand),
    ("ReduceSum", 1, by_attr),
    ("ReduceSum", 13, by_operand),
    ("ReduceSumSquare", 1, by_attr),
    ("ReduceSumSquare", 18, by_operand),
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

fn by_attr(o: &Operands) -> Result<Vec<Info>> {
    reduce(o, o.axes_attr()?)
}

fn by_operand(o: &Operands) -> Result<Vec<Info>> {
    reduce(o, o.axes_operand()?)
}

fn reduce(o: &Operands, axes: Axes) -> Result<Vec<Info>> {
    let shape = o.shape(0)?;
    let keep = o.node.int("keepdims", 1) != 0;
    let nothing = o.node.int("noop_with_empty_axes", 0) != 0;
    let axes = match axes {
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
