//! What crosses the border of an engine.

use std::borrow::Cow;

use ndarray::{ArrayD, ArrayViewD, IxDyn};

use crate::error::Result;

/// A dense tensor on the host. Half-precision ports are converted at the border.
#[derive(Clone, Debug, PartialEq)]
pub enum Data {
    /// Floats.
    F32(ArrayD<f32>),
    /// Labels and indices.
    I64(ArrayD<i64>),
}

impl Data {
    /// Floats of a given shape, from row-major data.
    pub fn floats(shape: &[usize], data: Vec<f32>) -> Result<Self> {
        let len = data.len();
        ArrayD::from_shape_vec(IxDyn(shape), data)
            .map(Self::F32)
            .map_err(|_| crate::err!(Shape, "{len} numbers given for shape {shape:?}"))
    }

    /// Dimensions.
    pub fn shape(&self) -> &[usize] {
        match self {
            Self::F32(a) => a.shape(),
            Self::I64(a) => a.shape(),
        }
    }

    /// The same in row-major order; copied only where it is not.
    pub fn row_major(&self) -> Cow<'_, Self> {
        match self {
            Self::F32(a) if !a.is_standard_layout() => {
                Cow::Owned(Self::F32(a.as_standard_layout().into_owned()))
            }
            Self::I64(a) if !a.is_standard_layout() => {
                Cow::Owned(Self::I64(a.as_standard_layout().into_owned()))
            }
            _ => Cow::Borrowed(self),
        }
    }

    /// Whether it holds floats.
    pub fn is_float(&self) -> bool {
        matches!(self, Self::F32(_))
    }

    /// `f32` or `i64`, for messages.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::F32(_) => "f32",
            Self::I64(_) => "i64",
        }
    }

    /// The floats.
    ///
    /// # Errors
    /// [`Shape`](crate::ErrorKind::Shape) where it holds integers.
    pub fn as_f32(&self) -> Result<ArrayViewD<'_, f32>> {
        match self {
            Self::F32(a) => Ok(a.view()),
            Self::I64(_) => Err(crate::err!(Shape, "an i64 tensor stands where f32 is needed")),
        }
    }

    /// The floats, without a copy.
    ///
    /// # Errors
    /// [`Shape`](crate::ErrorKind::Shape) where it holds integers.
    pub fn into_f32(self) -> Result<ArrayD<f32>> {
        match self {
            Self::F32(a) => Ok(a),
            Self::I64(_) => Err(crate::err!(Shape, "an i64 tensor stands where f32 is needed")),
        }
    }
}

impl<D: ndarray::Dimension> From<ndarray::Array<f32, D>> for Data {
    fn from(a: ndarray::Array<f32, D>) -> Self {
        Self::F32(a.into_dyn())
    }
}

impl<D: ndarray::Dimension> From<ndarray::Array<i64, D>> for Data {
    fn from(a: ndarray::Array<i64, D>) -> Self {
        Self::I64(a.into_dyn())
    }
}
