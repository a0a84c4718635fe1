//! Shape and dtype inference: one rule per operator, and the integers that shape arithmetic is made of.
//!
//! A rule sees the operands of a node and says dtype and shape of its results. Rules stand in tables of
//! `(operator, since-version, rule)`, one table a family; the row with the highest since-version that the
//! graph's opset reaches is the one that holds.
//!
//! | file | family |
//! |---|---|
//! | `elementwise` | one result element per operand element, broadcast |
//! | `matrix` | products: MatMul, Gemm, Einsum |
//! | `layout` | the same elements arranged otherwise: Reshape, Transpose, Concat, Slice |
//! | `index` | picked, counted, made: Gather, TopK, Range, Shape |
//! | `reduce` | sums, means, extremes over axes |
//! | `spatial` | images: Conv, pools, Resize |
//! | `norm` | normalizations with more than one result, and Dropout |
//! | `quantize` | integer forms |
//! | `term` | symbolic integers |
//! | `facts` | the contents of small integer tensors, for Shape -> Gather -> Concat -> Reshape chains |
//! | `context` | what a rule sees, and the dimension algebra |
//!
//! Conventions. A symbolic dimension stands for a number of at least one. Where `N` meets 1 the result is
//! `N`; where `N` meets a number `k > 1` it is `k`, since a graph that runs has `N = k` or `N = 1`; where it
//! meets another symbol nothing is known. Two different numbers are an error.
//!
//! Invariant: what is written to a value holds for every run that does not fail. What is not known is left
//! as it was (a file may have declared it), never guessed.
//!
//! Does *not* compute values other than small integers; that is [`fold`](super::fold).
//! Source: the ONNX operator specification, versions 13 to 22.

mod context;
mod elementwise;
mod facts;
mod index;
mod layout;
mod matrix;
mod norm;
mod quantize;
mod reduce;
mod spatial;
mod term;

use super::{DType, Dim, Graph, NodeId, Shape};
use crate::error::{Context as _, Result};
use context::Operands;
pub(in crate::graph) use context::resolve;
pub use facts::Facts;
pub use layout::Span;
pub use term::Term;

/// Dtype and shape of one result, as far as they follow.
#[derive(Clone, Debug)]
struct Info {
    dtype: DType,
    shape: Option<Shape>,
}

type Rule = fn(&Operands) -> Result<Vec<Info>>;

/// Operator, the opset version that brought this form, and its rule.
type Row = (&'static str, i64, Rule);

static TABLES: &[&[Row]] = &[
    elementwise::ROWS,
    matrix::ROWS,
    layout::ROWS,
    index::ROWS,
    reduce::ROWS,
    spatial::ROWS,
    norm::ROWS,
    quantize::ROWS,
];

fn rule(op: &str, opset: i64) -> Option<Rule> {
    let rows = TABLES.iter().copied().flatten();
    rows.filter(|r| r.0 == op && r.1 <= opset).max_by_key(|r| r.1).map(|r| r.2)
}

/// Infers dtype and shape of the results of one node from its operands and constants.
///
/// # Errors
/// `Unsupported` for an operator without a rule, `Shape` for operands that do not fit; both name the node
/// and the shapes it got. Operands of unknown shape are no error: the results stay unknown.
pub fn node(graph: &mut Graph, id: NodeId) -> Result<()> {
    let (label, opset) = (graph.node(id).label(), graph.opset());
    if !apply(graph, id, &Facts::default())? {
        crate::bail!(Unsupported, "{label} has no shape rule at opset {opset}; add one to graph/infer");
    }
    Ok(())
}

/// Infers all nodes in order. An operator without a rule leaves its results as they were declared.
///
/// # Errors
/// `Shape` for operands that do not fit, naming node and shapes.
pub fn all(graph: &mut Graph) -> Result<()> {
    facts(graph).map(drop)
}

/// As [`all`], and returns the integers that were followed.
///
/// # Errors
/// As [`all`].
pub fn facts(graph: &mut Graph) -> Result<Facts> {
    let mut facts = Facts::default();
    for i in 0..graph.nodes().len() {
        facts.step(graph, NodeId(i as u32))?;
    }
    Ok(facts)
}

/// Whether there is a rule for this node.
pub fn supports(graph: &Graph, id: NodeId) -> bool {
    let node = graph.node(id);
    node.is(&node.op) && rule(&node.op, graph.opset()).is_some()
}

/// Writes what the rule says; `false` if there is none.
fn apply(graph: &mut Graph, id: NodeId, facts: &Facts) -> Result<bool> {
    let node = graph.node(id);
    let Some(rule) = rule(&node.op, graph.opset()).filter(|_| node.is(&node.op)) else {
        return Ok(false);
    };
    let operands = Operands::new(graph, node, facts);
    if !operands.known() {
        return Ok(true);
    }
    let infos = rule(&operands).at(|| operands.describe())?;
    let outputs = node.outputs.clone();
    for (v, info) in outputs.into_iter().zip(infos) {
        let Some(v) = v else { continue };
        let value = graph.value_mut(v);
        value.dtype = Some(info.dtype);
        if let Some(shape) = info.shape {
            value.shape = Some(complete(shape, value.shape.as_ref()));
        }
    }
    Ok(true)
}

/// Fills what did not follow from what was declared.
fn complete(mut inferred: Shape, declared: Option<&Shape>) -> Shape {
    if let Some(declared) = declared.filter(|d| d.rank() == inferred.rank()) {
        for (dim, known) in inferred.iter_mut().zip(declared.iter()) {
            if *dim == Dim::Unknown {
                *dim = known.clone();
            }
        }
    }
    inferred
}
