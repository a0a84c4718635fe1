//! Which columns of a fused layer reach the queries, keys or values.
//!
//! The answer is found by running the reshapes, transposes, slices and joins between the layer and the attention
//! on a tensor whose every element is its own column number.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use super::linear::{Form, Linear};
use super::trace::Step;
use crate::error::Result;
use crate::graph::{DType, Emit, Graph, Node, Shape, Tensor, ValueId, fold};

/// Most numbers of a tensor that is run: the fused layer of a ViT-B at 1024 x 1024 pixels gives 9.4 million. A file may claim any.
const MOST: usize = 10_000_000;

/// Columns of a layer's output, rising.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Columns(Vec<usize>);

impl Columns {
    /// The first `n`.
    pub fn all(n: usize) -> Self {
        Self((0..n).collect())
    }

    /// How many.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Column `i` of the adapter in the layer's output.
    pub fn at(&self, i: usize) -> usize {
        self.0[i]
    }

    /// From the first to the last, where none between them is missing.
    pub fn range(&self) -> Option<Range<usize>> {
        let (first, last) = (*self.0.first()?, *self.0.last()?);
        (last + 1 - first == self.0.len()).then_some(first..last + 1)
    }
}

/// The columns of `linear` that any of `paths` carries on.
///
/// # Errors
/// [`Shape`](crate::ErrorKind::Shape) where shapes are open, [`Unsupported`](crate::ErrorKind::Unsupported) where a
/// step cannot be run on numbers.
pub fn of(graph: &Graph, linear: &Linear, paths: &[Vec<Step>]) -> Result<Columns> {
    let mut seen = BTreeSet::new();
    for steps in paths {
        let carried = carried(graph, linear, steps)?;
        seen.extend(carried.into_iter().filter(|&c| c >= 0.0).map(|c| c as usize));
    }
    Ok(Columns(seen.into_iter().collect()))
}

/// Dimensions of `v` for a batch of one, where they are few enough to be run on.
fn lengths(graph: &Graph, v: ValueId) -> Result<Vec<usize>> {
    let mut shape: Shape = graph.shape(v)?.clone();
    if let Some(symbol) = fold::batch_symbol(graph) {
        shape = shape.bind(symbol, 1);
    }
    let known =
        shape.known().ok_or_else(|| crate::err!(Shape, "{shape} is open where q, k and v are made"))?;
    let numbers = known.iter().try_fold(1, |all: usize, &n| all.checked_mul(n));
    match numbers {
        Some(n) if n <= MOST => Ok(known),
        _ => Err(crate::err!(Unsupported, "{shape} is more than is followed where q, k and v are made")),
    }
}

fn carried(graph: &Graph, linear: &Linear, steps: &[Step]) -> Result<Vec<f64>> {
    let shape = lengths(graph, linear.y)?;
    let inner: usize = match linear.form {
        Form::Rows => 1,
        Form::Map => shape[2..].iter().product(),
    };
    let all = 0..shape.iter().product::<usize>();
    let numbers: Vec<f64> = all.map(|i| (i / inner.max(1) % linear.outputs.max(1)) as f64).collect();
    let mut small = Graph::new("columns", graph.opset());
    let mut at = small.add_constant("x", Tensor::from_f64(DType::F64, &shape, &numbers)?);
    for step in steps {
        at = copy(graph, &mut small, step, at)?;
    }
    // Folding leaves the node behind an output alone, so the output is one step further on.
    let mut emit = Emit::new(&mut small, "columns");
    let end = emit.neg(at)?;
    small.outputs = vec![end];
    let small = fold::constants(small)?;
    let last = small.nodes().last().and_then(|n| n.input(0)).and_then(|v| small.constant(v));
    match last {
        Some(tensor) => Ok(tensor.to_f64()),
        None => Err(crate::err!(Unsupported, "cannot follow the columns of q, k and v through the graph")),
    }
}

/// Copies one moving node, reading `at` in place of the operand that the path came through; elements that come
/// from elsewhere are -1.
fn copy(from: &Graph, to: &mut Graph, step: &Step, at: ValueId) -> Result<ValueId> {
    let node = from.node(step.node);
    let mut constants: BTreeMap<ValueId, ValueId> = BTreeMap::new();
    let mut inputs = Vec::with_capacity(node.inputs.len());
    for (i, v) in node.inputs.iter().enumerate() {
        inputs.push(match v {
            None => None,
            Some(_) if i == step.input => Some(at),
            Some(v) => Some(match (constants.get(v), from.constant(*v)) {
                (Some(&made), _) => made,
                (None, constant) => {
                    let tensor = match constant {
                        Some(tensor) => tensor.clone(),
                        None => foreign(from, *v)?,
                    };
                    let made = to.add_constant("c", tensor);
                    constants.insert(*v, made);
                    made
                }
            }),
        });
    }
    let outputs: Vec<_> = node.outputs.iter().map(|_| Some(to.add_value("y", None, None))).collect();
    let result = outputs[step.output];
    let id = to.add_node(Node { inputs, outputs, ..node.clone() });
    crate::graph::infer::node(to, id)?;
    result.ok_or_else(|| crate::err!(Bug, "a step without a result"))
}

fn foreign(graph: &Graph, v: ValueId) -> Result<Tensor> {
    let shape = lengths(graph, v)?;
    Tensor::from_f64(DType::F64, &shape, &vec![-1.0; shape.iter().product()])
}
