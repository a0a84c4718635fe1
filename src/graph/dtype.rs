//! Element types, numbered as ONNX numbers them.

use crate::error::Result;

/// Element type of a tensor; the discriminants are ONNX's `TensorProto.DataType`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(i32)]
#[allow(missing_docs)]
pub enum DType {
    F32 = 1,
    U8 = 2,
    I8 = 3,
    U16 = 4,
    I16 = 5,
    I32 = 6,
    I64 = 7,
    Bool = 9,
    F16 = 10,
    F64 = 11,
    U32 = 12,
    U64 = 13,
    BF16 = 16,
}

impl DType {
    /// From ONNX's number. Strings, complex and 4/8-bit float types are [`Unsupported`](crate::error::ErrorKind::Unsupported).
    pub fn from_onnx(number: i32) -> Result<Self> {
        use DType::*;
        [F32, U8, I8, U16, I16, I32, I64, Bool, F16, F64, U32, U64, BF16]
            .into_iter()
            .find(|d| *d as i32 == number)
            .ok_or_else(|| crate::err!(Unsupported, "tensor element type {number} is not supported"))
    }

    /// Bytes of one element.
    pub fn size(self) -> usize {
        use DType::*;
        match self {
            U8 | I8 | Bool => 1,
            U16 | I16 | F16 | BF16 => 2,
            F32 | I32 | U32 => 4,
            F64 | I64 | U64 => 8,
        }
    }

    /// Whether gradients make sense for it.
    pub fn is_float(self) -> bool {
        matches!(self, Self::F16 | Self::BF16 | Self::F32 | Self::F64)
    }

    /// Lower-case name, as in the text dump and in `manifest.json`.
    pub fn name(self) -> &'static str {
        use DType::*;
        match self {
            F32 => "f32",
            U8 => "u8",
            I8 => "i8",
            U16 => "u16",
            I16 => "i16",
            I32 => "i32",
            I64 => "i64",
            Bool => "bool",
            F16 => "f16",
            F64 => "f64",
            U32 => "u32",
            U64 => "u64",
            BF16 => "bf16",
        }
    }
}
