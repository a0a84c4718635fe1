//! Operators whose results have the shape of an operand, or of all operands broadcast.

use super::context::{Operands, broadcast, one};
use super::{Info, Row};
use crate::error::Result;
use crate::graph::{DType, Dim, Shape};

pub(super) const ROWS: &[Row] = &[
    ("Abs", 1, same),
    ("Acos", 7, same),
    ("Asin", 7, same),
    ("Atan", 7, same),
    ("Ceil", 1, same),
    ("Celu", 12, same),
    ("Clip", 1, same),
    ("Cos", 7, same),
    ("Cosh", 9, same),
    ("CumSum", 11, same),
    ("Elu", 1, same),
    ("Erf", 9, same),
    ("Exp", 1, same),
    ("Floor", 1, same),
    ("Gelu", 20, same),
    ("HardSigmoid", 1, same),
    ("HardSwish", 14, same),
    ("Hardmax", 13, along_axis),
    ("Identity", 1, same),
    ("LeakyRelu", 1, same),
    ("Log", 1, same),
    ("LogSoftmax", 13, along_axis),
    ("LpNormalization", 1, along_axis),
    ("Mish", 18, same),
    ("Neg", 1, same),
    ("Not", 1, same),
    ("PRelu", 1, same),
    ("Reciprocal", 1, same),
    ("Relu", 1, same),
    ("Round", 11, same),
    ("ScatterElements", 11, same),
    ("ScatterND", 11, same),
    ("Selu", 1, same),
    ("Sigmoid", 1, same),
    ("Sign", 9, same),
    ("Sin", 7, same),
    ("Sinh", 9, same),
    ("Softmax", 13, along_axis),
    ("Softplus", 1, same),
    ("Softsign", 1, same),
    ("Sqrt", 1, same),
    ("Tan", 7, same),
    ("Tanh", 1, same),
    ("ThresholdedRelu", 10, same),
    ("Trilu", 14, same),
    ("Add", 7, variadic),
    ("And", 7, variadic),
    ("Div", 7, variadic),
    ("Max", 8, variadic),
    ("Mean", 8, variadic),
    ("Min", 8, variadic),
    ("Mod", 10, variadic),
    ("Mul", 7, variadic),
    ("Or", 7, variadic),
    ("Sub", 7, variadic),
    ("Sum", 8, variadic),
    ("Xor", 7, variadic),
    ("Pow", 7, pow),
    ("Equal", 7, comparison),
    ("Greater", 7, comparison),
    ("GreaterOrEqual", 12, comparison),
    ("Less", 7, comparison),
    ("LessOrEqual", 12, comparison),
    ("IsInf", 10, predicate),
    ("IsNaN", 9, predicate),
    ("Where", 9, choose),
    ("Cast", 1, cast),
    ("CastLike", 15, cast_like),
];

fn same(o: &Operands) -> Result<Vec<Info>> {
    o.one(o.shape(0)?.clone())
}

fn along_axis(o: &Operands) -> Result<Vec<Info>> {
    o.axis(o.node.int("axis", -1), o.shape(0)?.rank())?;
    same(o)
}

/// All operands from `first` on, broadcast; they must have one dtype.
fn joined(o: &Operands, first: usize) -> Result<(DType, Shape)> {
    let dtype = o.dtype(first)?;
    let mut shape = o.shape(first)?.clone();
    for i in first + 1..o.node.inputs.len() {
        let other = o.dtype(i)?;
        if other != dtype {
            let (a, b) = (dtype.name(), other.name());
            crate::bail!(Shape, "operands are {a} and {b}; cast one of them");
        }
        shape = broadcast(&shape, o.shape(i)?)?;
    }
    Ok((dtype, shape))
}

fn variadic(o: &Operands) -> Result<Vec<Info>> {
    let (dtype, shape) = joined(o, 0)?;
    one(dtype, shape)
}

/// The exponent may have a dtype of its own.
fn pow(o: &Operands) -> Result<Vec<Info>> {
    o.one(broadcast(o.shape(0)?, o.shape(1)?)?)
}

fn comparison(o: &Operands) -> Result<Vec<Info>> {
    one(DType::Bool, joined(o, 0)?.1)
}

fn predicate(o: &Operands) -> Result<Vec<Info>> {
    one(DType::Bool, o.shape(0)?.clone())
}

fn choose(o: &Operands) -> Result<Vec<Info>> {
    if o.dtype(0)? != DType::Bool {
        crate::bail!(Shape, "the condition is {}; bool would fit", o.dtype(0)?.name());
    }
    let (dtype, shape) = joined(o, 1)?;
    let condition: &[Dim] = o.shape(0)?;
    one(dtype, broadcast(condition, &shape)?)
}

fn cast(o: &Operands) -> Result<Vec<Info>> {
    let to = i32::try_from(o.node.int("to", 0)).unwrap_or(0);
    one(DType::from_onnx(to)?, o.shape(0)?.clone())
}

fn cast_like(o: &Operands) -> Result<Vec<Info>> {
    one(o.dtype(1)?, o.shape(0)?.clone())
}
