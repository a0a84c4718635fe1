//! Where queries meet keys: `softmax(s q k^T) v` as four values, between which tokens can join.

use super::linear::Form;
use super::site::Layer;
use super::trace::{Source, Trace};
use crate::graph::{Dim, Graph, Node, ValueId};

/// One attention, as tokens that join it see it.
#[derive(Clone, Debug, PartialEq)]
pub struct Meeting {
    /// `[.., heads, places, width]`, or with batch and heads in one axis.
    pub queries: ValueId,
    /// What the softmax reads, `[.., places, keys]`.
    pub scores: ValueId,
    /// What the softmax gives.
    pub weights: ValueId,
    /// Weights times values, `[.., places, value width]`.
    pub answer: ValueId,
    /// Factor between `q k^T` and `scores`, wherever the exporter put it behind the queries.
    pub scale: f64,
    /// Number of heads.
    pub heads: usize,
    /// Width of a key.
    pub width: usize,
    /// Width of a value.
    pub values: usize,
    /// Whether keys are what their layer gives, rescaled: not so where they are normalized or turned.
    pub plain: bool,
    /// The layers that make keys and values of prompts; a prefix brings its own.
    pub made: Option<Box<[Layer; 2]>>,
}

impl Meeting {
    /// Width of a token: of its keys in all heads, or of what the key layer reads.
    pub fn inputs(&self) -> usize {
        self.made.as_ref().map_or(self.heads * self.width, |made| made[0].linear.inputs)
    }

    /// Width of a token's values in all heads; 0 where a layer makes them.
    pub fn outputs(&self) -> usize {
        if self.made.is_some() { 0 } else { self.heads * self.values }
    }

    /// The value that stands for what tokens are compared with.
    pub fn reads(&self) -> ValueId {
        if self.made.is_some() { self.weights } else { self.queries }
    }

    /// The meeting of tokens that pass the key and value layers, if that makes them what the image's own tokens are: rows of
    /// one value through float weights, every head with keys of its own, nothing behind the layers but a factor.
    pub fn made_by(self, graph: &Graph, keys: Layer, values: Layer) -> Option<Self> {
        let plain = |layer: &Layer, width: usize| {
            let float = graph.dtype(layer.linear.weight).is_ok_and(|dtype| dtype.is_float());
            float && layer.linear.form == Form::Rows && layer.columns.len() == self.heads * width
        };
        let fits = plain(&keys, self.width) && plain(&values, self.values);
        (self.plain && fits && keys.linear.x == values.linear.x)
            .then(|| Self { made: Some(Box::new([keys, values])), ..self })
    }
}

/// The attention of two products with `softmax` between them, if it is one of rows: queries left of keys, weights left of
/// values.
pub fn around(
    trace: &Trace,
    scores: &Node,
    softmax: &Node,
    product: &Node,
    keys: &Source,
) -> Option<Meeting> {
    let graph = trace.graph;
    let (read, weights) = (softmax.input(0)?, softmax.output().ok()?);
    let rank = graph.shape(read).ok()?.rank();
    let last = rank as i64 - 1;
    let axis = softmax.int("axis", if graph.opset() < 13 { 1 } else { -1 });
    let rows = scores.is("MatMul") && product.is("MatMul") && product.input(0) == Some(weights);
    if !rows || !(axis == -1 || axis == last) {
        return None;
    }
    let (queries, answer) = (scores.input(0)?, product.output().ok()?);
    let shape = graph.shape(queries).ok()?;
    let [.., _, width] = shape.as_slice() else { return None };
    let heads = match shape.as_slice() {
        [.., heads, _, _] if shape.rank() > 3 => heads.known()?,
        // Batch and heads in one axis.
        [both, _, _] => both.divide(&batch(graph)?).known()?,
        _ => return None,
    };
    let (behind, reached) = gain(trace, read, scores.output().ok()?);
    if !reached {
        return None;
    }
    let (before, plain) = gain(trace, scores.input(1)?, keys.linear.y);
    Some(Meeting {
        queries,
        scores: read,
        weights,
        answer,
        scale: behind * before,
        heads,
        width: width.known()?,
        values: graph.shape(answer).ok()?.last()?.known()?,
        plain,
        made: None,
    })
}

fn batch(graph: &Graph) -> Option<Dim> {
    graph.shape(*graph.inputs.first()?).ok()?.first().cloned()
}

/// The factor by which `v` was scaled on the way from `from`, as far back as nothing else happened but moves and constant
/// sums (masks, relative positions), which do not touch tokens that join; and whether that is all the way.
fn gain(trace: &Trace, mut v: ValueId, from: ValueId) -> (f64, bool) {
    let mut gain = 1.0;
    while v != from {
        let Some((factor, before)) = factor(trace, v) else { return (gain, false) };
        (gain, v) = (gain * factor, before);
    }
    (gain, true)
}

/// The one value that `v` was made from, and the factor between the two.
fn factor(trace: &Trace, v: ValueId) -> Option<(f64, ValueId)> {
    const MOVES: [&str; 9] =
        ["Reshape", "Transpose", "Split", "Slice", "Gather", "Squeeze", "Unsqueeze", "Identity", "Add"];
    let (_, node) = trace.producer(v)?;
    let mut data = trace.data(node).map(|(_, v)| v);
    let before = data.next().filter(|_| data.next().is_none())?;
    let constant = || {
        let tensor = node.inputs.iter().flatten().find_map(|&v| trace.graph.constant(v))?;
        (tensor.len() == 1).then(|| tensor.to_f64()[0])
    };
    match () {
        () if node.is("Mul") => Some((constant()?, before)),
        () if node.is("Div") && node.input(0) == Some(before) => Some((1.0 / constant()?, before)),
        () if MOVES.iter().any(|op| node.is(op)) => Some((1.0, before)),
        () => None,
    }
}
