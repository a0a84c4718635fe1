//! Reductions, and what is made of them: softmax and normalization.

use ndarray::{ArrayViewD, Axis, IxDyn};

use super::elementwise::zip;
use super::{Array, Call, Evaluate, axis};

pub(super) const FAMILY: &[(&str, Evaluate)] = &[
    ("GlobalAveragePool", |c| over(c.x(0), &(2..c.x(0).ndim()).collect::<Vec<_>>(), true, mean)),
    ("LayerNormalization", layer_norm),
    ("LpNormalization", lp_norm),
    ("LogSoftmax", |c| log_softmax(c)),
    ("ReduceL1", |c| reduce(c, 18, |v| v.iter().map(|x| x.abs()).sum())),
    ("ReduceL2", |c| reduce(c, 18, |v| v.iter().map(|x| x * x).sum::<f64>().sqrt())),
    ("ReduceLogSumExp", |c| reduce(c, 18, |v| v.iter().map(|x| x.exp()).sum::<f64>().ln())),
    ("ReduceMax", |c| reduce(c, 18, |v| v.iter().copied().fold(f64::NEG_INFINITY, f64::max))),
    ("ReduceMean", |c| reduce(c, 18, mean)),
    ("ReduceMin", |c| reduce(c, 18, |v| v.iter().copied().fold(f64::INFINITY, f64::min))),
    ("ReduceProd", |c| reduce(c, 18, |v| v.iter().product())),
    ("ReduceSum", |c| reduce(c, 13, |v| v.iter().sum())),
    ("ReduceSumSquare", |c| reduce(c, 18, |v| v.iter().map(|x| x * x).sum())),
    ("Softmax", |c| log_softmax(c).mapv(f64::exp)),
];

type Fold = fn(&[f64]) -> f64;

fn mean(v: &[f64]) -> f64 {
    v.iter().sum::<f64>() / v.len() as f64
}

/// `fold` over the elements along `axes`.
fn over(x: &Array, axes: &[usize], keep: bool, fold: Fold) -> Array {
    let rank = x.ndim();
    let rest: Vec<usize> = (0..rank).filter(|a| !axes.contains(a)).collect();
    let order: Vec<usize> = rest.iter().chain(axes).copied().collect();
    let outer: Vec<usize> = rest.iter().map(|a| x.shape()[*a]).collect();
    let inner: usize = axes.iter().map(|a| x.shape()[*a]).product();
    let turned = x.view().permuted_axes(IxDyn(&order));
    let elements: Vec<f64> = turned.iter().copied().collect();
    let folded: Vec<f64> = elements.chunks(inner).map(fold).collect();
    let mut y = Array::from_shape_vec(IxDyn(&outer), folded).unwrap();
    if keep {
        for a in 0..rank {
            if axes.contains(&a) {
                y.insert_axis_inplace(Axis(a));
            }
        }
    }
    y
}

fn reduce(c: &Call, moved: i64, fold: Fold) -> Array {
    let x = c.x(0);
    let given = c.axes("axes", moved, 1).unwrap_or_default();
    let mut axes: Vec<usize> = given.iter().map(|a| axis(*a, x.ndim())).collect();
    if axes.is_empty() {
        if c.node.int("noop_with_empty_axes", 0) != 0 {
            return x.clone();
        }
        axes = (0..x.ndim()).collect();
    }
    over(x, &axes, c.node.int("keepdims", 1) != 0, fold)
}

fn log_softmax(c: &Call) -> Array {
    let a = axis(c.node.int("axis", -1), c.x(0).ndim());
    let mut y = c.x(0).clone();
    for mut lane in y.lanes_mut(Axis(a)) {
        let high = lane.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let log = lane.iter().map(|x| (x - high).exp()).sum::<f64>().ln();
        lane.mapv_inplace(|x| x - high - log);
    }
    y
}

fn layer_norm(c: &Call) -> Array {
    let x = c.x(0);
    let axes: Vec<usize> = (axis(c.node.int("axis", -1), x.ndim())..x.ndim()).collect();
    let epsilon = f64::from(c.node.float("epsilon", 1e-5));
    let centred = x - &over(x, &axes, true, mean);
    let variance = over(&centred, &axes, true, |v| v.iter().map(|x| x * x).sum::<f64>() / v.len() as f64);
    let z = zip(&centred, &variance, |x, v| x / (v + epsilon).sqrt());
    let scaled = zip(&z, c.x(1), |z, s| z * s);
    let bias: ArrayViewD<f64> = c.has(2).map_or_else(|| ndarray::aview0(&0.0).into_dyn(), |b| b.view());
    zip(&scaled, &bias.to_owned(), |y, b| y + b)
}

/// `x / |x|` along one axis, p = 2.
fn lp_norm(c: &Call) -> Array {
    let x = c.x(0);
    let along = axis(c.node.int("axis", -1), x.ndim());
    let length = over(x, &[along], true, |v| v.iter().map(|x| x * x).sum::<f64>().sqrt());
    zip(x, &length, |x, n| x / n)
}
