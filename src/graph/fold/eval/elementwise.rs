//! Arithmetic, comparison, choice and conversion, element by element.

use super::{Call, Kernel, broadcast};
use crate::graph::{DType, Tensor};

pub(super) const KERNELS: &[(&str, Kernel)] = &[
    ("Abs", |c| unary(c, f64::abs, i64::wrapping_abs)),
    ("Ceil", |c| float(c, f64::ceil)),
    ("Cos", |c| float(c, f64::cos)),
    ("Exp", |c| float(c, f64::exp)),
    ("Floor", |c| float(c, f64::floor)),
    ("Log", |c| float(c, f64::ln)),
    ("Neg", |c| unary(c, |x| -x, i64::wrapping_neg)),
    ("Reciprocal", |c| float(c, f64::recip)),
    ("Relu", |c| unary(c, |x| if x < 0.0 { 0.0 } else { x }, |x| x.max(0))),
    ("Round", |c| float(c, f64::round_ties_even)),
    ("Sigmoid", |c| float(c, |x| 1.0 / (1.0 + (-x).exp()))),
    ("Sin", |c| float(c, f64::sin)),
    ("Sqrt", |c| float(c, f64::sqrt)),
    ("Tanh", |c| float(c, f64::tanh)),
    ("Add", |c| binary(c, |a, b| a + b, |a, b| Some(a.wrapping_add(b)))),
    ("Div", |c| binary(c, |a, b| a / b, i64::checked_div)),
    ("Mul", |c| binary(c, |a, b| a * b, |a, b| Some(a.wrapping_mul(b)))),
    ("Pow", |c| binary(c, f64::powf, |a, b| a.checked_pow(u32::try_from(b).ok()?))),
    ("Sub", |c| binary(c, |a, b| a - b, |a, b| Some(a.wrapping_sub(b)))),
    ("And", |c| compare(c, |_, _| false, |a, b| a != 0 && b != 0)),
    ("Equal", |c| compare(c, |a, b| a == b, |a, b| a == b)),
    ("Greater", |c| compare(c, |a, b| a > b, |a, b| a > b)),
    ("GreaterOrEqual", |c| compare(c, |a, b| a >= b, |a, b| a >= b)),
    ("Less", |c| compare(c, |a, b| a < b, |a, b| a < b)),
    ("LessOrEqual", |c| compare(c, |a, b| a <= b, |a, b| a <= b)),
    ("Or", |c| compare(c, |_, _| false, |a, b| a != 0 || b != 0)),
    ("Not", |c| unary(c, |_| 0.0, |x| i64::from(x == 0))),
    ("Cast", cast),
    ("CastLike", cast),
    ("Where", choose),
];

fn ints(dtype: DType, shape: &[usize], data: &[i64]) -> Option<Vec<Tensor>> {
    Some(vec![Tensor::i64(shape, data).ok()?.cast(dtype)])
}

fn floats(dtype: DType, shape: &[usize], data: &[f64]) -> Option<Vec<Tensor>> {
    Some(vec![Tensor::from_f64(dtype, shape, data).ok()?])
}

fn unary(c: &Call, f: fn(f64) -> f64, i: fn(i64) -> i64) -> Option<Vec<Tensor>> {
    let x = c.tensor(0)?;
    if x.dtype().is_float() {
        return floats(x.dtype(), x.shape(), &x.to_f64().into_iter().map(f).collect::<Vec<_>>());
    }
    ints(x.dtype(), x.shape(), &x.to_i64().ok()?.into_iter().map(i).collect::<Vec<_>>())
}

fn float(c: &Call, f: fn(f64) -> f64) -> Option<Vec<Tensor>> {
    c.tensor(0).filter(|x| x.dtype().is_float())?;
    unary(c, f, |x| x)
}

/// Both operands as `read` gives them, broadcast to the result and joined by `f`.
fn pairs<T: Copy, U>(
    c: &Call,
    read: impl Fn(&Tensor) -> Option<Vec<T>>,
    f: impl Fn(T, T) -> Option<U>,
) -> Option<Vec<U>> {
    let ([a, b], (_, shape)) = ([c.tensor(0)?, c.tensor(1)?], c.result()?);
    let (x, y) = (read(a)?, read(b)?);
    let (i, j) = (broadcast(a.shape(), shape)?, broadcast(b.shape(), shape)?);
    i.into_iter().zip(j).map(|(i, j)| f(*x.get(i)?, *y.get(j)?)).collect()
}

fn binary(c: &Call, f: fn(f64, f64) -> f64, i: fn(i64, i64) -> Option<i64>) -> Option<Vec<Tensor>> {
    if c.node.inputs.len() != 2 {
        return None;
    }
    let (dtype, shape) = c.result()?;
    if dtype.is_float() {
        return floats(dtype, shape, &pairs(c, |t| Some(t.to_f64()), |a, b| Some(f(a, b)))?);
    }
    ints(dtype, shape, &pairs(c, |t| t.to_i64().ok(), i)?)
}

fn compare(c: &Call, f: fn(f64, f64) -> bool, i: fn(i64, i64) -> bool) -> Option<Vec<Tensor>> {
    let (dtype, shape) = c.result()?;
    let yes = if c.tensor(0)?.dtype().is_float() {
        pairs(c, |t| Some(t.to_f64()), |a, b| Some(i64::from(f(a, b))))?
    } else {
        pairs(c, |t| t.to_i64().ok(), |a, b| Some(i64::from(i(a, b))))?
    };
    ints(dtype, shape, &yes)
}

fn cast(c: &Call) -> Option<Vec<Tensor>> {
    Some(vec![c.tensor(0)?.cast(c.result()?.0)])
}

/// On bytes, so that every dtype is exact.
fn choose(c: &Call) -> Option<Vec<Tensor>> {
    let (dtype, shape) = c.result()?;
    let [condition, yes, no] = [c.tensor(0)?, c.tensor(1)?, c.tensor(2)?];
    let at = |t: &Tensor| broadcast(t.shape(), shape);
    let (i, j, k) = (at(condition)?, at(yes)?, at(no)?);
    let size = dtype.size();
    let mut bytes = Vec::with_capacity(i.len() * size);
    for ((i, j), k) in i.into_iter().zip(j).zip(k) {
        let (from, at) = if *condition.bytes().get(i)? != 0 { (yes, j) } else { (no, k) };
        bytes.extend_from_slice(from.bytes().get(at * size..(at + 1) * size)?);
    }
    Some(vec![Tensor::new(dtype, shape.to_vec(), bytes).ok()?])
}
