//! Products: `MatMul`, `Gemm`, `Einsum`.

use std::collections::BTreeMap;

use ndarray::{Ix2, IxDyn, s};

use super::elementwise::{common, zip};
use super::{Array, Call, Evaluate};

pub(super) const FAMILY: &[(&str, Evaluate)] = &[("Einsum", einsum), ("Gemm", gemm), ("MatMul", matmul)];

fn matmul(c: &Call) -> Array {
    let (mut a, mut b) = (c.x(0).clone(), c.x(1).clone());
    let (row, column) = (a.ndim() == 1, b.ndim() == 1);
    if row {
        a.insert_axis_inplace(ndarray::Axis(0));
    }
    if column {
        b.insert_axis_inplace(ndarray::Axis(1));
    }
    let split = |x: &Array| (x.shape()[..x.ndim() - 2].to_vec(), x.shape()[x.ndim() - 2..].to_vec());
    let ((lead_a, size_a), (lead_b, size_b)) = (split(&a), split(&b));
    let lead = common(&lead_a, &lead_b);
    let batch: usize = lead.iter().product();
    let flat = |x: &Array, size: &[usize]| {
        let full = x.broadcast(IxDyn(&[&lead[..], size].concat())).unwrap();
        full.to_shape((batch, size[0], size[1])).unwrap().into_owned()
    };
    let (fa, fb) = (flat(&a, &size_a), flat(&b, &size_b));
    let mut y = ndarray::Array3::zeros((batch, size_a[0], size_b[1]));
    for i in 0..batch {
        y.slice_mut(s![i, .., ..]).assign(&fa.slice(s![i, .., ..]).dot(&fb.slice(s![i, .., ..])));
    }
    let mut shape = lead;
    shape.extend((!row).then_some(size_a[0]));
    shape.extend((!column).then_some(size_b[1]));
    y.into_shape_with_order(IxDyn(&shape)).unwrap()
}

fn gemm(c: &Call) -> Array {
    let turned = |i: usize, flag: &str| {
        let x = c.x(i).view().into_dimensionality::<Ix2>().unwrap();
        if c.node.int(flag, 0) == 0 { x } else { x.reversed_axes() }
    };
    let product = turned(0, "transA").dot(&turned(1, "transB")) * f64::from(c.node.float("alpha", 1.0));
    let beta = f64::from(c.node.float("beta", 1.0));
    let product = product.into_dyn();
    c.has(2).map_or(product.clone(), |bias| zip(&product, bias, |p, b| p + beta * b))
}

/// Two operands and an arrow, every letter an axis.
fn einsum(c: &Call) -> Array {
    let equation: String = c.node.str("equation", "").chars().filter(|c| !c.is_whitespace()).collect();
    let (left, out) = equation.split_once("->").unwrap();
    let (a, b) = left.split_once(',').unwrap();
    let mut sizes = BTreeMap::new();
    for (term, x) in [(a, c.x(0)), (b, c.x(1))] {
        sizes.extend(term.chars().zip(x.shape().iter().copied()));
    }
    let letters: Vec<char> = sizes.keys().copied().collect();
    let all: Vec<usize> = sizes.values().copied().collect();
    let shape: Vec<usize> = out.chars().map(|l| sizes[&l]).collect();
    let mut y = Array::zeros(IxDyn(&shape));
    for flat in 0..all.iter().product::<usize>() {
        let (mut rest, mut at) = (flat, BTreeMap::new());
        for (letter, size) in letters.iter().zip(&all) {
            at.insert(*letter, rest % size);
            rest /= size;
        }
        let index = |term: &str| IxDyn(&term.chars().map(|l| at[&l]).collect::<Vec<_>>());
        y[index(out)] += c.x(0)[index(a)] * c.x(1)[index(b)];
    }
    y
}
