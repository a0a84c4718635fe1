//! Tensors, attributes and shapes as messages, both ways.

use std::sync::Arc;

use prost::bytes::Bytes;

use super::External;
use super::schema::{
    AttributeProto, DimensionProto, EXTERNAL, Present, TensorProto, TensorShapeProto, TensorTypeProto,
    TypeProto, ValueInfoProto, attribute_type,
};
use crate::error::{Context, Result};
use crate::graph::{Attr, DType, Dim, Shape, Tensor, Value};

/// The tensor in a message. No more is allocated than the file, or the external file, holds.
pub fn tensor(proto: &TensorProto, external: &dyn External) -> Result<Tensor> {
    if proto.segment == Some(Present {}) {
        crate::bail!(Unsupported, "the tensor is cut into segments; save it whole");
    }
    let dtype = DType::from_onnx(proto.data_type)?;
    let dims = proto.dims.iter().map(|&d| usize::try_from(d).ok()).collect::<Option<Vec<usize>>>();
    let size = |dims: &[usize]| dims.iter().try_fold(dtype.size(), |a, &d| a.checked_mul(d));
    let Some((shape, want)) = dims.and_then(|d| size(&d).map(|n| (d, n))) else {
        crate::bail!(Parse, "{:?} is not the shape of a tensor that memory can hold", proto.dims);
    };
    let bytes = match (&proto.raw_data, proto.data_location) {
        (None, EXTERNAL) => load(proto, external, want)?,
        (Some(raw), 0) if listed(proto) == 0 => Arc::from(&raw[..]),
        (None, 0) => typed(proto, dtype, want / dtype.size())?.into(),
        (_, 0 | EXTERNAL) => {
            crate::bail!(Parse, "the data is given twice (raw, and as a list or in another file)")
        }
        (_, other) => crate::bail!(Parse, "data location {other} does not exist"),
    };
    if let (DType::Bool, Some(bad)) = (dtype, bytes.iter().find(|b| **b > 1)) {
        crate::bail!(Parse, "a bool tensor holds the byte {bad}; only 0 and 1 are allowed");
    }
    Tensor::new(dtype, shape, bytes).map_err(|e| crate::err!(Parse, "{e}"))
}

/// Numbers in all lists of a message together.
fn listed(p: &TensorProto) -> usize {
    p.float_data.len() + p.int32_data.len() + p.int64_data.len() + p.double_data.len() + p.uint64_data.len()
}

/// The little-endian bytes of the list that holds `dtype`; `int32_data` also carries what is narrower.
fn typed(p: &TensorProto, dtype: DType, count: usize) -> Result<Vec<u8>> {
    fn all<T: Copy, const N: usize>(
        list: &[T],
        count: usize,
        one: impl Fn(T) -> Option<[u8; N]>,
    ) -> Result<Vec<u8>> {
        if list.len() != count {
            crate::bail!(Parse, "{} numbers are given where the shape needs {count}", list.len());
        }
        let bytes: Option<Vec<[u8; N]>> = list.iter().map(|&x| one(x)).collect();
        bytes
            .map(Vec::into_flattened)
            .ok_or_else(|| crate::err!(Parse, "a number does not fit the tensor's element type"))
    }
    let bits = |x: i32| u16::try_from(x).ok().map(u16::to_le_bytes);
    let bytes = match dtype {
        DType::F32 => all(&p.float_data, count, |x| Some(x.to_le_bytes())),
        DType::F64 => all(&p.double_data, count, |x| Some(x.to_le_bytes())),
        DType::I64 => all(&p.int64_data, count, |x| Some(x.to_le_bytes())),
        DType::U64 => all(&p.uint64_data, count, |x| Some(x.to_le_bytes())),
        DType::U32 => all(&p.uint64_data, count, |x| u32::try_from(x).ok().map(u32::to_le_bytes)),
        DType::I32 => all(&p.int32_data, count, |x| Some(x.to_le_bytes())),
        DType::I16 => all(&p.int32_data, count, |x| i16::try_from(x).ok().map(i16::to_le_bytes)),
        DType::I8 => all(&p.int32_data, count, |x| i8::try_from(x).ok().map(i8::to_le_bytes)),
        DType::U8 | DType::Bool => all(&p.int32_data, count, |x| u8::try_from(x).ok().map(u8::to_le_bytes)),
        DType::U16 | DType::F16 | DType::BF16 => all(&p.int32_data, count, bits),
    }?;
    match listed(p) == count {
        true => Ok(bytes),
        false => Err(crate::err!(Parse, "the data is given twice, in lists of different types")),
    }
}

/// The bytes of a tensor that lies in another file.
fn load(p: &TensorProto, external: &dyn External, want: usize) -> Result<Arc<[u8]>> {
    let entry = |key: &str| p.external_data.iter().find(|e| e.key == key).map(|e| e.value.as_str());
    let number = |key: &str| {
        let parse = |text: &str| text.parse::<u64>();
        entry(key)
            .map(parse)
            .transpose()
            .map_err(|_| crate::err!(Parse, "the external {key} is not a number"))
    };
    let location =
        entry("location").ok_or_else(|| crate::err!(Parse, "the external data has no location"))?;
    if let Some(length) = number("length")?.filter(|&n| n != want as u64) {
        crate::bail!(Parse, "the external data has {length} bytes and the shape needs {want}");
    }
    external.load(location, number("offset")?.unwrap_or(0), want)
}

/// A tensor's bytes, lent to a message without a copy.
struct Lent(Tensor);

impl AsRef<[u8]> for Lent {
    fn as_ref(&self) -> &[u8] {
        self.0.bytes()
    }
}

/// A tensor with its bytes inside the message.
pub fn tensor_proto(name: &str, tensor: &Tensor) -> TensorProto {
    TensorProto {
        name: name.into(),
        dims: tensor.shape().iter().map(|&d| d as i64).collect(),
        data_type: tensor.dtype() as i32,
        raw_data: Some(Bytes::from_owner(Lent(tensor.clone()))),
        ..TensorProto::default()
    }
}

/// The value of an attribute.
pub fn attr(proto: AttributeProto, external: &dyn External) -> Result<Attr> {
    let text = |b: Bytes| {
        String::from_utf8(b.into())
            .map_err(|e| crate::err!(Unsupported, "a string is not UTF-8").caused_by(e))
    };
    use attribute_type::{FLOAT, FLOATS, INT, INTS, STRING, STRINGS, TENSOR};
    match (proto.r#type, proto.t) {
        (FLOAT, None) => Ok(Attr::Float(proto.f.unwrap_or_default())),
        (INT, None) => Ok(Attr::Int(proto.i.unwrap_or_default())),
        (STRING, None) => text(proto.s.unwrap_or_default()).map(Attr::Str),
        (FLOATS, None) => Ok(Attr::Floats(proto.floats)),
        (INTS, None) => Ok(Attr::Ints(proto.ints)),
        (STRINGS, None) => proto.strings.into_iter().map(text).collect::<Result<_>>().map(Attr::Strings),
        (TENSOR, Some(t)) => tensor(&t, external).map(Attr::Tensor),
        (kind @ 5..=14, _) => Err(crate::err!(
            Unsupported,
            "the attribute is a {}, which is not supported; simplify the model (onnxsim) or export it without control flow",
            attribute_type::name(kind)
        )),
        (kind, _) => Err(crate::err!(Parse, "the attribute does not hold the {} it declares", attribute_type::name(kind))),
    }
    .at(|| format!("attribute {:?}", proto.name))
}

/// An attribute as a message.
pub fn attr_proto(name: &str, attr: &Attr) -> AttributeProto {
    use attribute_type::{FLOAT, FLOATS, INT, INTS, STRING, STRINGS, TENSOR};
    let bytes = |s: &String| Bytes::copy_from_slice(s.as_bytes());
    let empty = AttributeProto { name: name.into(), ..AttributeProto::default() };
    match attr {
        Attr::Float(x) => AttributeProto { r#type: FLOAT, f: Some(*x), ..empty },
        Attr::Int(x) => AttributeProto { r#type: INT, i: Some(*x), ..empty },
        Attr::Str(x) => AttributeProto { r#type: STRING, s: Some(bytes(x)), ..empty },
        Attr::Tensor(x) => AttributeProto { r#type: TENSOR, t: Some(tensor_proto("", x).into()), ..empty },
        Attr::Floats(x) => AttributeProto { r#type: FLOATS, floats: x.clone(), ..empty },
        Attr::Ints(x) => AttributeProto { r#type: INTS, ints: x.clone(), ..empty },
        Attr::Strings(x) => {
            AttributeProto { r#type: STRINGS, strings: x.iter().map(bytes).collect(), ..empty }
        }
    }
}

/// The shape that a message declares; `unnamed(axis)` stands for dimensions without number and name.
pub fn shape(proto: &TensorShapeProto, unnamed: impl Fn(usize) -> Dim) -> Shape {
    let dims = proto.dim.iter().enumerate().map(|(axis, d)| dim(d).unwrap_or_else(|| unnamed(axis)));
    Shape(dims.collect())
}

/// A number or a name; `None` for neither, and for the negative numbers and `?` of some exporters.
fn dim(proto: &DimensionProto) -> Option<Dim> {
    match (proto.dim_value, proto.dim_param.as_deref()) {
        (Some(n), _) => usize::try_from(n).ok().map(Dim::Known),
        (None, None | Some("" | "?")) => None,
        (None, Some(name)) => Some(symbol(name)),
    }
}

/// `197*N` is 197 times `N`, as [`Dim`] prints it; anything else is a name.
fn symbol(text: &str) -> Dim {
    let product = text.split_once('*').and_then(|(k, name)| Some((k.trim().parse().ok()?, name.trim())));
    match product {
        Some((k @ 1.., name)) if !name.is_empty() => Dim::symbol(name).times(&Dim::Known(k)),
        _ => Dim::symbol(text),
    }
}

/// Name, dtype and shape of a graph input or output.
pub fn value_info(value: &Value) -> ValueInfoProto {
    let dim = |d: &Dim| match d {
        Dim::Known(n) => DimensionProto { dim_value: Some(*n as i64), dim_param: None },
        Dim::Symbolic { .. } => DimensionProto { dim_value: None, dim_param: Some(d.to_string()) },
        Dim::Unknown => DimensionProto::default(),
    };
    let shape = |s: &Shape| TensorShapeProto { dim: s.iter().map(dim).collect() };
    let tensor_type =
        |dtype| TensorTypeProto { elem_type: dtype as i32, shape: value.shape.as_ref().map(shape) };
    ValueInfoProto {
        name: value.name.clone(),
        r#type: value.dtype.map(|d| TypeProto { tensor_type: Some(tensor_type(d)) }),
    }
}
