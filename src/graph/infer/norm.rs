//! Normalizations, and Dropout, whose further results are rarely used.

use super::context::Operands;
use super::{Info, Row};
use crate::error::Result;
use crate::graph::{DType, Dim, Shape};

pub(super) const ROWS: &[Row] = &[
    ("BatchNormalization", 9, batch),
    ("Dropout", 7, dropout),
    ("GroupNormalization", 18, same),
    ("InstanceNormalization", 1, same),
    ("LayerNormalization", 17, layer),
    ("LRN", 1, same),
    ("MeanVarianceNormalization", 9, same),
];

fn same(o: &Operands) -> Result<Vec<Info>> {
    o.one(o.shape(0)?.clone())
}

/// Result, mean and inverse standard deviation; the last two have length one from `axis` on.
fn layer(o: &Operands) -> Result<Vec<Info>> {
    let shape = o.shape(0)?;
    let axis = o.axis(o.node.int("axis", -1), shape.rank())?;
    let scale = o.shape(1)?;
    if let (Some(d), Some(s)) = (shape.last().and_then(Dim::known), scale.last().and_then(Dim::known))
        && d != s
        && s != 1
    {
        crate::bail!(Shape, "scale {scale} against the last axis of {shape}; {d} would fit");
    }
    let stash = i32::try_from(o.node.int("stash_type", 1)).unwrap_or(1);
    let kept = |(i, d): (usize, &Dim)| if i < axis { d.clone() } else { Dim::Known(1) };
    let statistics = Info {
        dtype: DType::from_onnx(stash)?,
        shape: Some(Shape(shape.iter().enumerate().map(kept).collect())),
    };
    let y = Info { dtype: o.dtype(0)?, shape: Some(shape.clone()) };
    Ok(vec![y, statistics.clone(), statistics])
}

/// Result, then running mean and variance as they came in.
fn batch(o: &Operands) -> Result<Vec<Info>> {
    let info =
        |i: usize| -> Result<Info> { Ok(Info { dtype: o.dtype(i)?, shape: Some(o.shape(i)?.clone()) }) };
    Ok(vec![info(0)?, info(3)?, info(4)?])
}

fn dropout(o: &Operands) -> Result<Vec<Info>> {
    let shape = o.shape(0)?.clone();
    let mask = Info { dtype: DType::Bool, shape: Some(shape.clone()) };
    Ok(vec![Info { dtype: o.dtype(0)?, shape: Some(shape) }, mask])
}
