//! Products: the last two axes are matrices, the axes before them are broadcast.

use std::collections::BTreeMap;

use super::context::{Operands, agree, broadcast, one};
use super::{Info, Row};
use crate::error::{Context as _, Result};
use crate::graph::{DType, Dim, Shape};

pub(super) const ROWS: &[Row] = &[
    ("MatMul", 1, matmul),
    ("MatMulInteger", 10, matmul_integer),
    ("Gemm", 7, gemm),
    ("Einsum", 12, einsum),
];

fn one_dtype(o: &Operands) -> Result<DType> {
    let (a, b) = (o.dtype(0)?, o.dtype(1)?);
    if a != b {
        crate::bail!(Shape, "factors are {} and {}; cast one of them", a.name(), b.name());
    }
    Ok(a)
}

/// `[.., m, k] x [.., k, n] = [.., m, n]`; a rank-1 factor is a row on the left, a column on the right.
fn product(a: &Shape, b: &Shape) -> Result<Shape> {
    let (Some(k), true) = (a.last(), b.rank() > 0) else {
        crate::bail!(Shape, "a rank-0 factor; rank 1 at least would fit");
    };
    let inner = &b[b.rank().saturating_sub(2)];
    agree(k, inner).at(|| format!("the last axis of {a} against the second last of {b}"))?;
    let (rows, columns) = (a.rank() > 1, b.rank() > 1);
    let batch = |s: &Shape| s[..s.rank().saturating_sub(2)].to_vec();
    let mut out = broadcast(&batch(a), &batch(b)).at(|| "the batch axes".into())?;
    if rows {
        out.push(a[a.rank() - 2].clone());
    }
    if columns {
        out.push(b[b.rank() - 1].clone());
    }
    Ok(out)
}

fn matmul(o: &Operands) -> Result<Vec<Info>> {
    one(one_dtype(o)?, product(o.shape(0)?, o.shape(1)?)?)
}

fn matmul_integer(o: &Operands) -> Result<Vec<Info>> {
    one(DType::I32, product(o.shape(0)?, o.shape(1)?)?)
}

fn gemm(o: &Operands) -> Result<Vec<Info>> {
    let matrix = |i: usize, flag: &str| -> Result<Shape> {
        let s = o.shape(i)?;
        match (s.as_slice(), o.node.int(flag, 0) != 0) {
            ([a, b], false) => Ok(Shape(vec![a.clone(), b.clone()])),
            ([a, b], true) => Ok(Shape(vec![b.clone(), a.clone()])),
            _ => Err(crate::err!(Shape, "factor {i} is {s}; a matrix, rank 2, would fit")),
        }
    };
    let out = product(&matrix(0, "transA")?, &matrix(1, "transB")?)?;
    if o.has(2) {
        broadcast(&out, o.shape(2)?).at(|| "the added operand".into())?;
    }
    one(one_dtype(o)?, out)
}

/// Letters name axes; without an arrow the result has the letters that occur once, sorted.
fn einsum(o: &Operands) -> Result<Vec<Info>> {
    let equation: String = o.node.str("equation", "").chars().filter(|c| !c.is_whitespace()).collect();
    if equation.contains('.') {
        crate::bail!(Unsupported, "an ellipsis in equation {equation:?}; name every axis");
    }
    let (left, right) = equation.split_once("->").map_or((&*equation, None), |(l, r)| (l, Some(r)));
    let mut dims: BTreeMap<char, (Dim, usize)> = BTreeMap::new();
    for (i, term) in left.split(',').enumerate() {
        let shape = o.shape(i)?;
        if term.chars().count() != shape.rank() {
            crate::bail!(Shape, "{term:?} of equation {equation:?} names another rank than {shape}");
        }
        for (c, d) in term.chars().zip(shape.iter()) {
            let seen = dims.entry(c).or_insert_with(|| (d.clone(), 0));
            seen.0 = agree(&seen.0, d).at(|| format!("axis {c} of {equation:?}"))?;
            seen.1 += 1;
        }
    }
    let once = || dims.iter().filter(|(_, d)| d.1 == 1).map(|(c, _)| *c).collect();
    let letters: String = right.map_or_else(once, Into::into);
    let dim = |c: char| {
        dims.get(&c).map(|d| d.0.clone()).ok_or_else(|| {
            crate::err!(Shape, "axis {c} of {equation:?} stands only on the right; name it on the left")
        })
    };
    o.one(Shape(letters.chars().map(dim).collect::<Result<_>>()?))
}
