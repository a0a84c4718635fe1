//! Attributes of a node.

use std::collections::BTreeMap;

use super::Tensor;

/// One attribute value. Sub-graphs (`If`, `Loop`, `Scan`) are refused while decoding.
#[derive(Clone, Debug, PartialEq)]
#[allow(missing_docs)]
pub enum Attr {
    Int(i64),
    Float(f32),
    Str(String),
    Tensor(Tensor),
    Ints(Vec<i64>),
    Floats(Vec<f32>),
    Strings(Vec<String>),
}

/// Attributes by name, ordered.
pub type Attrs = BTreeMap<String, Attr>;

impl From<i64> for Attr {
    fn from(x: i64) -> Self {
        Self::Int(x)
    }
}

impl From<f32> for Attr {
    fn from(x: f32) -> Self {
        Self::Float(x)
    }
}

impl From<&str> for Attr {
    fn from(x: &str) -> Self {
        Self::Str(x.into())
    }
}

impl From<Vec<i64>> for Attr {
    fn from(x: Vec<i64>) -> Self {
        Self::Ints(x)
    }
}

impl From<&[i64]> for Attr {
    fn from(x: &[i64]) -> Self {
        Self::Ints(x.to_vec())
    }
}

impl From<Tensor> for Attr {
    fn from(x: Tensor) -> Self {
        Self::Tensor(x)
    }
}
