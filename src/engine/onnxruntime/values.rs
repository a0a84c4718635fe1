//! Tensors across ONNX Runtime's border.

use half::f16;
use half::slice::HalfFloatSliceExt;
use ort::session::SessionInputValue;
use ort::value::{DynValue, Tensor, TensorElementType, TensorRef};

use super::{Data, failed};
use crate::error::Result;
use crate::graph::DType;

/// A view of a dense row-major tensor; half-precision ports get a copy.
pub fn value(data: &Data, dtype: DType) -> Result<SessionInputValue<'_>> {
    let shape = data.shape();
    let made = match (data, dtype) {
        (Data::F32(a), DType::F32) => TensorRef::from_array_view((shape, slice(a)?)).map(Into::into),
        (Data::F32(a), DType::F16) => {
            let half: Vec<f16> = slice(a)?.iter().map(|&x| f16::from_f32(x)).collect();
            Tensor::from_array((shape, half)).map(Into::into)
        }
        (Data::I64(a), DType::I64) => TensorRef::from_array_view((shape, slice(a)?)).map(Into::into),
        _ => crate::bail!(Unsupported, "graph inputs of type {} are not supported", dtype.name()),
    };
    made.map_err(failed("taking an input"))
}

fn slice<T>(array: &ndarray::ArrayD<T>) -> Result<&[T]> {
    array.as_slice().ok_or_else(|| crate::err!(Bug, "a tensor is not row-major"))
}

/// An output, copied to the host.
pub fn data(value: &DynValue) -> Result<Data> {
    let giving = failed("giving an output");
    let kind = value.dtype().tensor_type();
    match kind {
        Some(TensorElementType::Float32) => {
            let (shape, data) = value.try_extract_tensor::<f32>().map_err(giving)?;
            Data::floats(&sizes(shape), data.to_vec())
        }
        Some(TensorElementType::Float16) => {
            let (shape, data) = value.try_extract_tensor::<f16>().map_err(giving)?;
            Data::floats(&sizes(shape), data.to_f32_vec())
        }
        Some(TensorElementType::Int64) => {
            let (shape, data) = value.try_extract_tensor::<i64>().map_err(giving)?;
            let array = ndarray::ArrayD::from_shape_vec(sizes(shape), data.to_vec());
            array.map(Data::I64).map_err(|e| crate::err!(Bug, "{e}"))
        }
        _ => Err(crate::err!(Unsupported, "outputs of type {kind:?} are not supported")),
    }
}

fn sizes(shape: &[i64]) -> Vec<usize> {
    shape.iter().map(|&d| usize::try_from(d).unwrap_or(0)).collect()
}
