//! The graph that ends in features, with head, loss and gradients appended.

use super::rows::Rows;
use super::views;
use super::{Branches, Manifest, Views};
use crate::adapter::{Slot, Spine};
use crate::autodiff;
use crate::error::Result;
use crate::graph::{Dim, Emit, Graph, Shape, ValueId, rewrite};

/// A training step.
#[derive(Clone, Debug)]
pub struct Joint {
    /// Standard ONNX operators only.
    pub graph: Graph,
    /// Meaning of every input and output, in graph order.
    pub manifest: Manifest,
    /// Rows of the head; classes beyond the ones learned are masked.
    pub capacity: usize,
}

/// What a training step minimises.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum Objective {
    /// Cross-entropy of a linear head.
    #[default]
    Linear,
    /// Cross-entropy of a cosine head on several views, and distance from old prototypes.
    Views(Views),
    /// The same over the features of two branches, as released.
    Branches(Branches),
    /// Cross-entropy of a linear head, or of given vectors, and the distance to features that another network gave, of length 1:
    /// `weight mean_j (z / |z| - beside)_j^2`.
    Twin {
        /// Weight of the distance.
        weight: f32,
        /// Inverse temperature of given vectors.
        given: Option<f32>,
    },
    /// Cross-entropy of `scale cos(z, W)`, where nobody trains `W`.
    Given {
        /// Inverse temperature.
        scale: f32,
    },
}

/// Appends a linear head, loss and gradients to `graph`, whose single output is the features, `[batch, width]`.
///
/// `slots` are its injected adapters. `capacity` is the number of rows of the head, a power of two, so that
/// a new class does not change the graph.
///
/// # Errors
/// [`Unsupported`](crate::ErrorKind::Unsupported) where an operator between an adapter and the loss has no
/// gradient rule.
pub fn joint(graph: Graph, slots: &[Slot], capacity: usize) -> Result<Joint> {
    minimising(&Objective::Linear, graph, slots, capacity, false)
}

/// The same for any objective; that of two branches starts from two outputs. Inputs are in the order tokens, labels, class_mask, sample_weights, what else the objective
/// reads, what it trains, adapters; outputs are loss, logits and the gradients of what is trained. With `recompute` less is kept on the way:
/// the backward pass computes what stands inside of all parts of blocks but the last again.
///
/// # Errors
/// As [`joint`].
pub fn minimising(
    objective: &Objective,
    mut graph: Graph,
    slots: &[Slot],
    capacity: usize,
    recompute: bool,
) -> Result<Joint> {
    let branches = if matches!(objective, Objective::Branches(_)) { 2 } else { 1 };
    if graph.outputs.len() != branches {
        crate::bail!(
            InvalidArgument,
            "a joint graph starts from a graph whose outputs are the features of {branches} passes"
        );
    }
    let outputs = graph.outputs.clone();
    let spine = |&v: &ValueId| Spine::of(&graph, v).map(|spine| spine.cuts().collect());
    let chains: Vec<_> =
        if recompute { outputs.iter().map(spine).collect::<Result<_>>()? } else { Vec::new() };
    let features = outputs[0];
    let tokens = graph.inputs[0];
    let rows = Rows::add(&mut graph, tokens, features, capacity)?;
    let Head { logits, loss, data, trained } = match objective {
        Objective::Linear => linear(&mut graph, features, &rows)?,
        Objective::Views(views) => views.append(&mut graph, features, &rows)?,
        Objective::Branches(two) => two.append(&mut graph, [features, outputs[1]], &rows)?,
        Objective::Twin { weight, given } => twin(&mut graph, features, &rows, *weight, *given)?,
        Objective::Given { scale } => given(&mut graph, features, &rows, *scale)?,
    };
    graph.rename(logits, "logits");
    graph.rename(loss, "loss");

    let adapters = slots.iter().flat_map(Slot::adapters);
    let wrt: Vec<ValueId> = trained.into_iter().chain(adapters).collect();
    let (mut graph, gradients) = autodiff::differentiate_between(graph, loss, &wrt, &chains)?;
    for (&v, &g) in wrt.iter().zip(&gradients) {
        let name = format!("{}.grad", graph.value(v).name);
        graph.rename(g, &name);
    }
    let told = [tokens, rows.labels, rows.class_mask, rows.sample_weights];
    graph.inputs = told.into_iter().chain(data).chain(wrt).collect();
    graph.outputs = [loss, logits].into_iter().chain(gradients).collect();
    graph.name = "joint".into();
    // Rules look at what was appended and may find a shorter way; what they replaced goes.
    let graph = rewrite::prune(graph);
    graph.verify()?;
    let manifest = Manifest::describe(&graph)?;
    Ok(Joint { graph, manifest, capacity })
}

/// What an objective appends.
pub(super) struct Head {
    pub(super) logits: ValueId,
    pub(super) loss: ValueId,
    /// Inputs that it reads and that are not trained.
    pub(super) data: Vec<ValueId>,
    /// Inputs that are.
    pub(super) trained: Vec<ValueId>,
}

/// `[capacity, width]`.
fn weight(graph: &mut Graph, features: ValueId, rows: &Rows) -> Result<ValueId> {
    let (float, width) = (graph.dtype(features)?, graph.shape(features)?.last().cloned());
    let width = width.ok_or_else(|| crate::err!(Shape, "features have no width"))?;
    Ok(graph.add_input("head_weight", float, Shape(vec![Dim::Known(rows.capacity), width])))
}

/// `weight` has rows of length 1.
fn given(graph: &mut Graph, features: ValueId, rows: &Rows, scale: f32) -> Result<Head> {
    let weight = weight(graph, features, rows)?;
    let mut emit = Emit::new(graph, "head");
    let unit = views::unit(&mut emit, features)?;
    let unit = emit.scale(unit, f64::from(scale))?;
    let turned = emit.swap(weight)?;
    let logits = emit.matmul(unit, turned)?;
    let loss = cross_entropy(&mut emit, &[logits], rows)?;
    Ok(Head { logits, loss, data: vec![weight], trained: Vec::new() })
}

fn twin(graph: &mut Graph, features: ValueId, rows: &Rows, weight: f32, scale: Option<f32>) -> Result<Head> {
    let (float, shape) = (graph.dtype(features)?, graph.shape(features)?.clone());
    let head = match scale {
        Some(scale) => given(graph, features, rows, scale)?,
        None => linear(graph, features, rows)?,
    };
    let beside = graph.add_input("beside", float, shape);
    let mut emit = Emit::new(graph, "twin");
    let own = views::unit(&mut emit, features)?;
    let apart = emit.sub(own, beside)?;
    let square = emit.mul(apart, apart)?;
    let mean = emit.reduce_mean(square, &[1])?;
    let mean = emit.scale(mean, f64::from(weight))?;
    let distance = views::weighted(&mut emit, mean, rows.sample_weights)?;
    let loss = emit.add(head.loss, distance)?;
    let data = [beside].into_iter().chain(head.data).collect();
    Ok(Head { loss, data, ..head })
}

fn linear(graph: &mut Graph, features: ValueId, rows: &Rows) -> Result<Head> {
    let (float, weight) = (graph.dtype(features)?, weight(graph, features, rows)?);
    let bias = graph.add_input("head_bias", float, Shape::fixed(&[rows.capacity]));
    let mut emit = Emit::new(graph, "head");
    let turned = emit.swap(weight)?;
    let product = emit.matmul(features, turned)?;
    let logits = emit.add(product, bias)?;
    let loss = cross_entropy(&mut emit, &[logits], rows)?;
    Ok(Head { logits, loss, data: Vec::new(), trained: vec![weight, bias] })
}

pub(super) fn cross_entropy(emit: &mut Emit<'_>, logits: &[ValueId], rows: &Rows) -> Result<ValueId> {
    emit.set_scope("loss");
    autodiff::loss::cross_entropy(emit, logits, rows.labels, rows.class_mask, rows.sample_weights)
}
