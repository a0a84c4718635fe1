//! Sums and extremes over axes, and the matrix product.

use super::{Call, Kernel, broadcast, strides, walk};
use crate::graph::Tensor;
use crate::graph::infer::resolve;

pub(super) const KERNELS: &[(&str, Kernel)] = &[
    ("MatMul", matmul),
    ("ReduceMax", |c| reduce(c, f64::NEG_INFINITY, f64::max, |x, _| x)),
    ("ReduceMean", |c| float(c, 0.0, |a, x| a + x, |a, n| a / n)),
    ("ReduceMin", |c| reduce(c, f64::INFINITY, f64::min, |x, _| x)),
    ("ReduceProd", |c| reduce(c, 1.0, |a, x| a * x, |x, _| x)),
    ("ReduceSum", |c| reduce(c, 0.0, |a, x| a + x, |x, _| x)),
    ("ReduceSumSquare", |c| reduce(c, 0.0, |a, x| a + x * x, |x, _| x)),
    ("ReduceL2", |c| float(c, 0.0, |a, x| a + x * x, |a, _| a.sqrt())),
];

/// Most multiplications that a product is folded with.
const PRODUCTS: usize = 1 << 26;

/// Largest integer up to which f64 is exact.
const EXACT: f64 = 9_007_199_254_740_992.0;

fn float(c: &Call, init: f64, f: fn(f64, f64) -> f64, last: fn(f64, f64) -> f64) -> Option<Vec<Tensor>> {
    c.tensor(0).filter(|x| x.dtype().is_float())?;
    reduce(c, init, f, last)
}

/// Folds `f` over the reduced axes, then applies `last` to the result and the number of elements.
fn reduce(c: &Call, init: f64, f: fn(f64, f64) -> f64, last: fn(f64, f64) -> f64) -> Option<Vec<Tensor>> {
    let (t, (dtype, shape)) = (c.tensor(0)?, c.result()?);
    let rank = t.shape().len();
    let given = match (c.node.ints("axes"), c.node.input(1)) {
        (Some(axes), _) => axes.to_vec(),
        (None, Some(_)) => c.ints(1)?,
        (None, None) => Vec::new(),
    };
    if given.is_empty() && c.node.int("noop_with_empty_axes", 0) != 0 {
        return None;
    }
    let all = given.is_empty();
    let axes: Vec<usize> = given.iter().map(|&a| resolve(a, rank).ok()).collect::<Option<_>>()?;
    let own = strides(t.shape());
    let (reduced, kept): (Vec<usize>, Vec<usize>) = (0..rank).partition(|i| all || axes.contains(i));
    let along = |axes: &[usize]| {
        let sizes: Vec<usize> = axes.iter().map(|&i| t.shape()[i]).collect();
        walk(&sizes, &axes.iter().map(|&i| own[i]).collect::<Vec<_>>(), 0)
    };
    let (offsets, inner, values) = (along(&kept), along(&reduced), t.to_f64());
    let one = |o: &usize| last(inner.iter().fold(init, |a, i| f(a, values[o + i])), inner.len() as f64);
    let out: Vec<f64> = offsets.iter().map(one).collect();
    if !dtype.is_float() && !out.iter().chain(&values).all(|x| x.abs() <= EXACT) {
        return None;
    }
    Some(vec![Tensor::from_f64(dtype, shape, &out).ok()?])
}

/// Matrices of rank 2 and more; batch axes are broadcast. Sums in f64.
fn matmul(c: &Call) -> Option<Vec<Tensor>> {
    let ([a, b], (dtype, shape)) = ([c.tensor(0)?, c.tensor(1)?], c.result()?);
    let ([a_batch @ .., m, k], [b_batch @ .., _, n], [batch @ .., _, _]) = (a.shape(), b.shape(), shape)
    else {
        return None;
    };
    let count: usize = shape.iter().product();
    if !dtype.is_float() || count.checked_mul(*k)? > PRODUCTS {
        return None;
    }
    let (x, y) = (a.to_f64(), b.to_f64());
    let (at_a, at_b) = (broadcast(a_batch, batch)?, broadcast(b_batch, batch)?);
    let mut out = Vec::with_capacity(count);
    for (i, j) in at_a.into_iter().zip(at_b) {
        let (x, y) = (&x[i * m * k..(i + 1) * m * k], &y[j * k * n..(j + 1) * k * n]);
        for row in 0..*m {
            out.extend((0..*n).map(|col| (0..*k).map(|l| x[row * k + l] * y[l * n + col]).sum::<f64>()));
        }
    }
    Some(vec![Tensor::from_f64(dtype, shape, &out).ok()?])
}
