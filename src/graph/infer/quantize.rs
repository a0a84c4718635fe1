//! Integer forms. The product of quantized matrices stands in `matrix`.

use super::context::{Operands, one};
use super::{Info, Row};
use crate::error::Result;
use crate::graph::{DType, Shape};

pub(super) const ROWS: &[Row] = &[
    ("QuantizeLinear", 10, quantize),
    ("DequantizeLinear", 10, dequantize),
    ("DynamicQuantizeLinear", 11, dynamic),
];

/// The zero point fixes the dtype; without one, attribute `output_dtype` (opset 21), else u8.
fn quantize(o: &Operands) -> Result<Vec<Info>> {
    let named = i32::try_from(o.node.int("output_dtype", 0)).unwrap_or(0);
    let dtype = match (o.has(2), named) {
        (true, _) => o.dtype(2)?,
        (false, 0) => DType::U8,
        (false, named) => DType::from_onnx(named)?,
    };
    one(dtype, o.shape(0)?.clone())
}

fn dequantize(o: &Operands) -> Result<Vec<Info>> {
    one(o.dtype(1)?, o.shape(0)?.clone())
}

/// Result, scale and zero point.
fn dynamic(o: &Operands) -> Result<Vec<Info>> {
    let scalar = |dtype| Info { dtype, shape: Some(Shape::default()) };
    let y = Info { dtype: DType::U8, shape: Some(o.shape(0)?.clone()) };
    Ok(vec![y, scalar(DType::F32), scalar(DType::U8)])
}
