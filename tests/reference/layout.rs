//! Operators that move elements.

use ndarray::{Axis, IxDyn, Slice};

use super::elementwise::common;
use super::{Array, Call, Evaluate, axis};

pub(super) const FAMILY: &[(&str, Evaluate)] = &[
    ("Concat", concat),
    ("Expand", expand),
    ("Flatten", flatten),
    ("Gather", gather),
    ("GatherND", gather_nd),
    ("Pad", pad),
    ("Range", range),
    ("Reshape", reshape),
    ("ScatterND", scatter_nd),
    ("Shape", |c| vector(c.x(0).shape())),
    ("Slice", slice),
    ("Squeeze", squeeze),
    ("Tile", tile),
    ("Transpose", transpose),
    ("Unsqueeze", unsqueeze),
];

fn vector(x: &[usize]) -> Array {
    x.iter().map(|n| *n as f64).collect::<ndarray::Array1<f64>>().into_dyn()
}

fn viewed(x: &Array, shape: &[usize]) -> Array {
    let elements: Vec<f64> = x.iter().copied().collect();
    Array::from_shape_vec(IxDyn(shape), elements).unwrap()
}

fn reshape(c: &Call) -> Array {
    let x = c.x(0);
    let mut shape = c.ints(1).unwrap();
    for (i, n) in shape.iter_mut().enumerate() {
        if *n == 0 {
            *n = x.shape()[i] as i64;
        }
    }
    let rest: i64 = shape.iter().filter(|n| **n > 0).product();
    let shape: Vec<usize> =
        shape.iter().map(|n| if *n == -1 { x.len() / rest as usize } else { *n as usize }).collect();
    viewed(x, &shape)
}

fn flatten(c: &Call) -> Array {
    let x = c.x(0);
    let a = match c.node.int("axis", 1) {
        a if a == x.ndim() as i64 => x.ndim(),
        a => axis(a, x.ndim()),
    };
    viewed(x, &[x.shape()[..a].iter().product(), x.shape()[a..].iter().product()])
}

fn squeeze(c: &Call) -> Array {
    let x = c.x(0);
    let axes = c.ints(1).map(|a| a.iter().map(|a| axis(*a, x.ndim())).collect::<Vec<_>>());
    let gone = |i: &usize| axes.as_ref().map_or(x.shape()[*i] == 1, |a| a.contains(i));
    let shape: Vec<usize> = (0..x.ndim()).filter(|i| !gone(i)).map(|i| x.shape()[i]).collect();
    viewed(x, &shape)
}

fn unsqueeze(c: &Call) -> Array {
    let x = c.x(0);
    let axes = c.ints(1).unwrap();
    let rank = x.ndim() + axes.len();
    let axes: Vec<usize> = axes.iter().map(|a| axis(*a, rank)).collect();
    let mut rest = x.shape().iter();
    let shape: Vec<usize> =
        (0..rank).map(|i| if axes.contains(&i) { 1 } else { *rest.next().unwrap() }).collect();
    viewed(x, &shape)
}

fn transpose(c: &Call) -> Array {
    let x = c.x(0);
    let order: Vec<usize> = match c.node.ints("perm") {
        Some(p) => p.iter().map(|a| *a as usize).collect(),
        None => (0..x.ndim()).rev().collect(),
    };
    x.view().permuted_axes(IxDyn(&order)).as_standard_layout().to_owned()
}

fn concat(c: &Call) -> Array {
    let a = axis(c.node.int("axis", 0), c.x(0).ndim());
    let parts: Vec<_> = (0..c.x.len()).map(|i| c.x(i).view()).collect();
    ndarray::concatenate(Axis(a), &parts).unwrap()
}

pub(super) fn split(c: &Call) -> Vec<Array> {
    let x = c.x(0);
    let a = axis(c.node.int("axis", 0), x.ndim());
    let parts = c.node.outputs.len();
    let even = || {
        assert!(c.opset < 18 || c.node.int("num_outputs", 0) == parts as i64, "opset 18 wants num_outputs");
        let size = x.shape()[a].div_ceil(parts);
        (0..parts).map(|i| size.min(x.shape()[a] - i * size) as i64).collect()
    };
    let mut start = 0;
    let mut cut = |n: i64| {
        let part =
            x.slice_axis(Axis(a), Slice::new(start as isize, Some((start + n) as isize), 1)).to_owned();
        start += n;
        part
    };
    c.ints(1).unwrap_or_else(even).into_iter().map(&mut cut).collect()
}

fn slice(c: &Call) -> Array {
    let x = c.x(0);
    let (starts, ends) = (c.ints(1).unwrap(), c.ints(2).unwrap());
    let axes = c.ints(3).unwrap_or_else(|| (0..starts.len() as i64).collect());
    let steps = c.ints(4).unwrap_or_else(|| vec![1; starts.len()]);
    let mut y = x.clone();
    for (i, a) in axes.iter().enumerate() {
        let a = axis(*a, x.ndim());
        let n = x.shape()[a] as i64;
        let front = |at: i64| if at < 0 { at.saturating_add(n) } else { at };
        let (low, high) = if steps[i] > 0 { (0, n) } else { (-1, n - 1) };
        let (mut at, end) = (front(starts[i]).clamp(low.max(0), high), front(ends[i]).clamp(low, high));
        let mut rows = Vec::new();
        while (steps[i] > 0 && at < end) || (steps[i] < 0 && at > end) {
            rows.push(at as usize);
            at += steps[i];
        }
        y = y.select(Axis(a), &rows);
    }
    y
}

fn gather(c: &Call) -> Array {
    let (x, index) = (c.x(0), c.x(1));
    let a = axis(c.node.int("axis", 0), x.ndim());
    let rows: Vec<usize> = index.iter().map(|i| axis(*i as i64, x.shape()[a])).collect();
    let picked = x.select(Axis(a), &rows);
    viewed(&picked, &[&x.shape()[..a], index.shape(), &x.shape()[a + 1..]].concat())
}

fn expand(c: &Call) -> Array {
    let target: Vec<usize> = c.ints(1).unwrap().iter().map(|n| *n as usize).collect();
    let shape = common(c.x(0).shape(), &target);
    c.x(0).broadcast(IxDyn(&shape)).unwrap().to_owned()
}

fn tile(c: &Call) -> Array {
    let mut y = c.x(0).clone();
    for (a, n) in c.ints(1).unwrap().iter().enumerate() {
        let copies: Vec<_> = (0..*n).map(|_| y.view()).collect();
        y = ndarray::concatenate(Axis(a), &copies).unwrap();
    }
    y
}

fn pad(c: &Call) -> Array {
    assert_eq!(c.node.str("mode", "constant"), "constant");
    let x = c.x(0);
    let pads = c.ints(1).unwrap();
    assert!(c.opset >= 18 || c.has(3).is_none(), "axes came with opset 18");
    let axes = c.ints(3).unwrap_or_else(|| (0..x.ndim() as i64).collect());
    let fill = c.has(2).map_or(0.0, |v| v.sum());
    let mut y = x.clone();
    for (i, a) in axes.iter().enumerate() {
        let a = axis(*a, x.ndim());
        let (before, after) = (pads[i], pads[i + axes.len()]);
        let n = y.shape()[a] as i64;
        y = y
            .slice_axis(
                Axis(a),
                Slice::new((-before).max(0) as isize, Some((n - (-after).max(0)) as isize), 1),
            )
            .to_owned();
        let border = |n: i64| {
            let mut shape = y.shape().to_vec();
            shape[a] = n.max(0) as usize;
            Array::from_elem(IxDyn(&shape), fill)
        };
        let (front, back) = (border(before), border(after));
        y = ndarray::concatenate(Axis(a), &[front.view(), y.view(), back.view()]).unwrap();
    }
    y
}

fn range(c: &Call) -> Array {
    let [start, limit, step] = [0, 1, 2].map(|i| c.x(i).iter().copied().next().unwrap());
    let count = ((limit - start) / step).ceil().max(0.0) as usize;
    (0..count).map(|i| start + i as f64 * step).collect::<ndarray::Array1<f64>>().into_dyn()
}

/// The leading part of an index that each row of `indices` names.
fn rows(indices: &Array) -> Vec<Vec<usize>> {
    let depth = *indices.shape().last().unwrap();
    let all: Vec<usize> = indices.iter().map(|&i| i as usize).collect();
    all.chunks(depth).map(<[usize]>::to_vec).collect()
}

fn at<'a>(x: &'a Array, row: &[usize]) -> ndarray::ArrayViewD<'a, f64> {
    row.iter().fold(x.view(), |x, &i| x.index_axis_move(Axis(0), i))
}

fn gather_nd(c: &Call) -> Array {
    let (x, indices) = (c.x(0), c.x(1));
    let depth = *indices.shape().last().unwrap();
    let shape = [&indices.shape()[..indices.ndim() - 1], &x.shape()[depth..]].concat();
    let elements = rows(indices).iter().flat_map(|r| at(x, r).iter().copied().collect::<Vec<_>>()).collect();
    Array::from_shape_vec(IxDyn(&shape), elements).unwrap()
}

fn scatter_nd(c: &Call) -> Array {
    let (mut y, indices, updates) = (c.x(0).clone(), c.x(1), c.x(2));
    let count = rows(indices).len();
    let flat = updates.to_shape((count, updates.len() / count)).unwrap();
    for (row, update) in rows(indices).iter().zip(flat.rows()) {
        let mut to = row.iter().fold(y.view_mut(), |y, &i| y.index_axis_move(Axis(0), i));
        to.iter_mut().zip(update).for_each(|(t, u)| *t = *u);
    }
    y
}
