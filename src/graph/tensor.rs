//! Constant tensors: a dtype, a shape, and shared little-endian bytes.

use std::fmt;
use std::sync::Arc;

use half::{bf16, f16};

use super::DType;
use crate::error::Result;

/// A constant of known dtype and shape. Cloning shares the bytes.
#[derive(Clone, PartialEq, Eq)]
pub struct Tensor {
    dtype: DType,
    shape: Vec<usize>,
    bytes: Arc<[u8]>,
}

/// Number of elements of `shape`, refusing an overflow.
pub(crate) fn volume(shape: &[usize]) -> Result<usize> {
    shape
        .iter()
        .try_fold(1usize, |a, &d| a.checked_mul(d))
        .ok_or_else(|| crate::err!(Shape, "shape {shape:?} has more elements than memory can hold"))
}

macro_rules! constructors {
    ($($(#[$doc:meta])* $name:ident($t:ty) = $dtype:ident;)*) => {$(
        $(#[$doc])*
        pub fn $name(shape: &[usize], data: &[$t]) -> Result<Self> {
            Self::new(DType::$dtype, shape.to_vec(), bytemuck::cast_slice(data))
        }
    )*};
}

impl Tensor {
    /// From little-endian bytes; their number must be `dtype.size() * product(shape)`.
    pub fn new(dtype: DType, shape: Vec<usize>, bytes: impl Into<Arc<[u8]>>) -> Result<Self> {
        let bytes = bytes.into();
        let want = volume(&shape)?.checked_mul(dtype.size());
        if want != Some(bytes.len()) {
            crate::bail!(
                Shape,
                "{} bytes given for a {} tensor of shape {shape:?}",
                bytes.len(),
                dtype.name()
            );
        }
        Ok(Self { dtype, shape, bytes })
    }

    constructors! {
        /// From f32 elements in row-major order.
        f32(f32) = F32;
        /// From f64 elements in row-major order.
        f64(f64) = F64;
        /// From i64 elements in row-major order.
        i64(i64) = I64;
        /// From f16 elements in row-major order.
        f16(f16) = F16;
    }

    /// A rank-1 i64 tensor, as `Reshape` and `ReduceSum` take their operands.
    pub fn ints(data: &[i64]) -> Self {
        Self { dtype: DType::I64, shape: vec![data.len()], bytes: bytemuck::cast_slice(data).into() }
    }

    /// A rank-0 tensor of `value` in `dtype` (rounded where it must be).
    pub fn scalar(dtype: DType, value: f64) -> Self {
        Self { dtype, shape: Vec::new(), bytes: encode(dtype, &[value]).into() }
    }

    /// Any dtype from f64 elements, rounded where the dtype demands.
    pub fn from_f64(dtype: DType, shape: &[usize], data: &[f64]) -> Result<Self> {
        Self::new(dtype, shape.to_vec(), encode(dtype, data))
    }

    /// Element type.
    pub fn dtype(&self) -> DType {
        self.dtype
    }

    /// Dimensions.
    pub fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// Number of elements.
    pub fn len(&self) -> usize {
        self.bytes.len() / self.dtype.size()
    }

    /// Whether it has no element.
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// The little-endian bytes.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// All elements as f64 (i64 beyond 2^53 is rounded).
    pub fn to_f64(&self) -> Vec<f64> {
        decode(self.dtype, &self.bytes)
    }

    /// All elements as f32; exact for f32 data.
    pub fn to_f32(&self) -> Vec<f32> {
        match self.dtype {
            DType::F32 => bytemuck::pod_collect_to_vec(&self.bytes),
            _ => self.to_f64().into_iter().map(|x| x as f32).collect(),
        }
    }

    /// All elements of an integer or bool tensor as i64.
    pub fn to_i64(&self) -> Result<Vec<i64>> {
        match self.dtype {
            DType::I64 => Ok(bytemuck::pod_collect_to_vec(&self.bytes)),
            d if d.is_float() => {
                crate::bail!(Shape, "a {} tensor stands where integers are needed", d.name())
            }
            _ => Ok(self.to_f64().into_iter().map(|x| x as i64).collect()),
        }
    }

    /// The same numbers in another dtype.
    #[must_use]
    pub fn cast(&self, dtype: DType) -> Self {
        if dtype == self.dtype {
            return self.clone();
        }
        let bytes = match (self.to_i64(), dtype) {
            (Ok(v), DType::I64) => bytemuck::cast_slice(&v).to_vec(),
            _ => encode(dtype, &self.to_f64()),
        };
        Self { dtype, shape: self.shape.clone(), bytes: bytes.into() }
    }

    /// The same elements under another shape of equal volume.
    pub fn reshape(&self, shape: &[usize]) -> Result<Self> {
        if volume(shape)? != self.len() {
            crate::bail!(Shape, "cannot view {:?} as {shape:?}", self.shape);
        }
        Ok(Self { dtype: self.dtype, shape: shape.to_vec(), bytes: self.bytes.clone() })
    }
}

fn encode(dtype: DType, data: &[f64]) -> Vec<u8> {
    fn all<const N: usize>(data: &[f64], one: impl Fn(f64) -> [u8; N]) -> Vec<u8> {
        data.iter().flat_map(|&x| one(x)).collect()
    }
    match dtype {
        DType::F32 => all(data, |x| (x as f32).to_le_bytes()),
        DType::F64 => all(data, f64::to_le_bytes),
        DType::F16 => all(data, |x| f16::from_f64(x).to_le_bytes()),
        DType::BF16 => all(data, |x| bf16::from_f64(x).to_le_bytes()),
        DType::I64 => all(data, |x| (x as i64).to_le_bytes()),
        DType::I32 => all(data, |x| (x as i32).to_le_bytes()),
        DType::I16 => all(data, |x| (x as i16).to_le_bytes()),
        DType::I8 => all(data, |x| (x as i8).to_le_bytes()),
        DType::U64 => all(data, |x| (x as u64).to_le_bytes()),
        DType::U32 => all(data, |x| (x as u32).to_le_bytes()),
        DType::U16 => all(data, |x| (x as u16).to_le_bytes()),
        DType::U8 => all(data, |x| (x as u8).to_le_bytes()),
        DType::Bool => all(data, |x| [u8::from(x != 0.0)]),
    }
}

fn decode(dtype: DType, bytes: &[u8]) -> Vec<f64> {
    fn all<const N: usize>(bytes: &[u8], one: impl Fn([u8; N]) -> f64) -> Vec<f64> {
        bytes.as_chunks::<N>().0.iter().map(|c| one(*c)).collect()
    }
    match dtype {
        DType::F32 => all(bytes, |c| f64::from(f32::from_le_bytes(c))),
        DType::F64 => all(bytes, f64::from_le_bytes),
        DType::F16 => all(bytes, |c| f16::from_le_bytes(c).to_f64()),
        DType::BF16 => all(bytes, |c| bf16::from_le_bytes(c).to_f64()),
        DType::I64 => all(bytes, |c| i64::from_le_bytes(c) as f64),
        DType::I32 => all(bytes, |c| f64::from(i32::from_le_bytes(c))),
        DType::I16 => all(bytes, |c| f64::from(i16::from_le_bytes(c))),
        DType::I8 => all(bytes, |c| f64::from(i8::from_le_bytes(c))),
        DType::U64 => all(bytes, |c| u64::from_le_bytes(c) as f64),
        DType::U32 => all(bytes, |c| f64::from(u32::from_le_bytes(c))),
        DType::U16 => all(bytes, |c| f64::from(u16::from_le_bytes(c))),
        DType::U8 => all(bytes, |[c]: [u8; 1]| f64::from(c)),
        DType::Bool => all(bytes, |[c]: [u8; 1]| f64::from(u8::from(c != 0))),
    }
}

impl fmt::Debug for Tensor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{:?}", self.dtype.name(), self.shape)?;
        if self.len() <= 8 {
            write!(f, " = {:?}", self.to_f64())?;
        }
        Ok(())
    }
}
