//! Elements picked by index, and tensors made from numbers.

use super::context::{Operands, one};
use super::{Info, Row, Term};
use crate::error::Result;
use crate::graph::{Attr, DType, Dim, Shape};

pub(super) const ROWS: &[Row] = &[
    ("Constant", 1, constant),
    ("ConstantOfShape", 9, constant_of_shape),
    ("Gather", 1, gather),
    ("GatherElements", 11, gather_elements),
    ("GatherND", 11, gather_nd),
    ("NonZero", 9, non_zero),
    ("OneHot", 9, one_hot),
    ("Range", 11, range),
    ("Shape", 1, shape_of),
    ("Size", 1, size),
    ("TopK", 10, top_k),
];

/// The axes of the indices take the place of `axis`.
fn gather(o: &Operands) -> Result<Vec<Info>> {
    let (data, indices) = (o.shape(0)?, o.shape(1)?);
    let axis = o.axis(o.node.int("axis", 0), data.rank())?;
    o.one(Shape([&data[..axis], indices.as_slice(), &data[axis + 1..]].concat()))
}

fn gather_elements(o: &Operands) -> Result<Vec<Info>> {
    let (data, indices) = (o.shape(0)?, o.shape(1)?);
    o.axis(o.node.int("axis", 0), data.rank())?;
    if data.rank() != indices.rank() {
        crate::bail!(Shape, "indices {indices} of rank {}; rank {} would fit", indices.rank(), data.rank());
    }
    o.one(indices.clone())
}

fn gather_nd(o: &Operands) -> Result<Vec<Info>> {
    let (data, indices) = (o.shape(0)?, o.shape(1)?);
    let batch = usize::try_from(o.node.int("batch_dims", 0)).unwrap_or(0);
    let Some((last, outer)) = indices.split_last() else {
        crate::bail!(Shape, "indices of rank 0; rank 1 at least would fit");
    };
    let Some(depth) = last.known() else {
        return Ok(vec![Info { dtype: o.dtype(0)?, shape: None }]);
    };
    let Some(inner) = data.get(batch.saturating_add(depth)..) else {
        crate::bail!(Shape, "indices name {depth} axes after {batch} of batch, more than {data} has");
    };
    o.one(Shape([outer, inner].concat()))
}

fn non_zero(o: &Operands) -> Result<Vec<Info>> {
    one(DType::I64, Shape(vec![Dim::Known(o.shape(0)?.rank()), Dim::Unknown]))
}

fn one_hot(o: &Operands) -> Result<Vec<Info>> {
    let indices = o.shape(0)?;
    let axis = o.axis(o.node.int("axis", -1), indices.rank() + 1)?;
    let depth = match o.tensor(1) {
        // The depth may be a float.
        Some(t) => t.to_f64().first().map_or(Dim::Unknown, |&d| Dim::Known(d.max(0.0) as usize)),
        None => o.terms(1).and_then(|t| t.first().map(Term::dim)).unwrap_or(Dim::Unknown),
    };
    let mut out = indices.clone();
    out.insert(axis, depth);
    one(o.dtype(2)?, out)
}

fn top_k(o: &Operands) -> Result<Vec<Info>> {
    let mut out = o.shape(0)?.clone();
    let axis = o.axis(o.node.int("axis", -1), out.rank())?;
    let k = o.terms(1).and_then(|t| t.first().map(Term::dim)).unwrap_or(Dim::Unknown);
    if let (Some(k), Some(n)) = (k.known(), out[axis].known())
        && k > n
    {
        crate::bail!(Shape, "the {k} largest of {n}; at most {n} would fit");
    }
    out[axis] = k;
    let indices = Info { dtype: DType::I64, shape: Some(out.clone()) };
    Ok(vec![Info { dtype: o.dtype(0)?, shape: Some(out) }, indices])
}

/// The axes that a `Shape` node reports, as `start..end`.
pub(super) fn reported(o: &Operands) -> Result<std::ops::Range<usize>> {
    let rank = o.shape(0)?.rank() as i64;
    let wrap = |x: i64| (if x < 0 { x + rank } else { x }).clamp(0, rank) as usize;
    let (start, end) = (wrap(o.node.int("start", 0)), wrap(o.node.int("end", rank)));
    Ok(start..end.max(start))
}

fn shape_of(o: &Operands) -> Result<Vec<Info>> {
    one(DType::I64, Shape::fixed(&[reported(o)?.len()]))
}

fn size(_: &Operands) -> Result<Vec<Info>> {
    one(DType::I64, Shape::default())
}

fn constant_of_shape(o: &Operands) -> Result<Vec<Info>> {
    let dtype = match o.node.attrs.get("value") {
        Some(Attr::Tensor(t)) => t.dtype(),
        _ => DType::F32,
    };
    let dims = match (o.terms(0), o.length(0)?) {
        (Some(terms), _) => Some(Shape(terms.iter().map(Term::dim).collect())),
        (None, rank) => rank.map(|r| Shape(vec![Dim::Unknown; r])),
    };
    Ok(vec![Info { dtype, shape: dims }])
}

/// `ceil((limit - start) / delta)` elements, none if that is negative.
fn range(o: &Operands) -> Result<Vec<Info>> {
    let float = |i| o.tensor(i).and_then(|t| t.to_f64().first().copied());
    let term = |i| o.terms(i).and_then(|t| t.first().cloned()).unwrap_or(Term::Unknown);
    let length = match (float(0), float(1), float(2)) {
        (Some(start), Some(limit), Some(delta)) if delta != 0.0 => {
            Dim::Known(((limit - start) / delta).ceil().max(0.0) as usize)
        }
        _ => match (term(1).sub(&term(0)), term(2)) {
            (distance, Term::Number(1)) => distance.dim(),
            (Term::Number(distance), Term::Number(delta)) if delta != 0 => {
                Dim::Known((distance as f64 / delta as f64).ceil().max(0.0) as usize)
            }
            _ => Dim::Unknown,
        },
    };
    one(o.dtype(0)?, Shape(vec![length]))
}

fn constant(o: &Operands) -> Result<Vec<Info>> {
    let attrs = &o.node.attrs;
    let (name, attr) = attrs
        .iter()
        .find(|(name, _)| name.starts_with("value"))
        .ok_or_else(|| crate::err!(Parse, "a Constant without a value"))?;
    match attr {
        Attr::Tensor(t) => one(t.dtype(), Shape::fixed(t.shape())),
        Attr::Int(_) => one(DType::I64, Shape::default()),
        Attr::Float(_) => one(DType::F32, Shape::default()),
        Attr::Ints(x) => one(DType::I64, Shape::fixed(&[x.len()])),
        Attr::Floats(x) => one(DType::F32, Shape::fixed(&[x.len()])),
        _ => Err(crate::err!(Unsupported, "a Constant from attribute {name}; numbers are supported")),
    }
}
