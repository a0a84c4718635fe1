//! A small evaluator of constant nodes: one kernel per operator, found in a table.
//!
//! Dtypes and shapes of the results come from inference; a kernel only computes elements. `None` from a
//! kernel means that it cannot, and the node stays.

mod elementwise;
mod layout;
mod reduce;

use crate::graph::{DType, Graph, Node, Tensor};

/// A node with constant operands, and what inference says of its results.
struct Call<'a> {
    node: &'a Node,
    graph: &'a Graph,
    results: Vec<(DType, Vec<usize>)>,
}

impl<'a> Call<'a> {
    /// Operand `i`.
    fn tensor(&self, i: usize) -> Option<&'a Tensor> {
        self.graph.constant(self.node.input(i)?)
    }

    /// Operand `i` as integers.
    fn ints(&self, i: usize) -> Option<Vec<i64>> {
        self.tensor(i)?.to_i64().ok()
    }

    /// Dtype and shape of the first result.
    fn result(&self) -> Option<(DType, &[usize])> {
        self.results.first().map(|(dtype, shape)| (*dtype, shape.as_slice()))
    }
}

type Kernel = fn(&Call) -> Option<Vec<Tensor>>;

static KERNELS: &[&[(&str, Kernel)]] = &[elementwise::KERNELS, layout::KERNELS, reduce::KERNELS];

/// The results of `node`, if its operands are constants, its operator has a kernel, and the results are not
/// more than `limit` bytes larger than the operands, nor larger than `left`.
pub(super) fn node(graph: &Graph, node: &Node, limit: usize, mut left: usize) -> Option<Vec<Tensor>> {
    let (_, kernel) = KERNELS.iter().copied().flatten().find(|(op, _)| node.is(op))?;
    let mut room = limit;
    for v in node.inputs.iter().flatten() {
        room += graph.constant(*v)?.bytes().len();
    }
    let mut results = Vec::new();
    for v in &node.outputs {
        let value = graph.value((*v)?);
        let (dtype, shape) = (value.dtype?, value.shape.as_ref()?.known()?);
        let bytes = shape.iter().try_fold(dtype.size(), |a, &d| a.checked_mul(d))?;
        room = room.checked_sub(bytes)?;
        left = left.checked_sub(bytes)?;
        results.push((dtype, shape));
    }
    // Nothing to compute, however long the other axes are.
    if !results.is_empty() && results.iter().all(|(_, shape)| shape.contains(&0)) {
        let empty = |(dtype, shape): (DType, Vec<usize>)| Tensor::new(dtype, shape, Vec::new()).ok();
        return results.into_iter().map(empty).collect();
    }
    let tensors = kernel(&Call { node, graph, results: results.clone() })?;
    let right =
        |(t, (dtype, shape)): (&Tensor, &(DType, Vec<usize>))| t.dtype() == *dtype && t.shape() == shape;
    (tensors.len() == results.len() && tensors.iter().zip(&results).all(right)).then_some(tensors)
}

/// Row-major strides of `shape`; of one without elements they mean nothing.
fn strides(shape: &[usize]) -> Vec<i64> {
    let mut strides = vec![1i64; shape.len()];
    for i in (1..shape.len()).rev() {
        strides[i - 1] = strides[i].wrapping_mul(shape[i] as i64);
    }
    strides
}

/// Flat positions visited by an odometer over `shape` that moves by `strides[i]` along axis `i`.
fn walk(shape: &[usize], strides: &[i64], start: i64) -> Vec<usize> {
    if shape.contains(&0) {
        return Vec::new();
    }
    let mut positions = vec![start];
    for (&n, &stride) in shape.iter().zip(strides) {
        positions = positions.iter().flat_map(|p| (0..n as i64).map(move |i| p + i * stride)).collect();
    }
    positions.into_iter().map(|p| p as usize).collect()
}

/// For each element of `to`, the position in `from` that broadcasts to it.
fn broadcast(from: &[usize], to: &[usize]) -> Option<Vec<usize>> {
    let lead = to.len().checked_sub(from.len())?;
    let fits = |(&f, &t): (&usize, &usize)| f == t || f == 1;
    if !from.iter().zip(&to[lead..]).all(fits) {
        return None;
    }
    let own = strides(from);
    let stride = |i: usize| if i < lead || from[i - lead] == 1 { 0 } else { own[i - lead] };
    Some(walk(to, &(0..to.len()).map(stride).collect::<Vec<_>>(), 0))
}
