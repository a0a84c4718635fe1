//! Reverse-mode differentiation, graph to graph.
//!
//! Floor 2. Training is compiled into an inference graph: [`differentiate`] takes a graph with a scalar loss
//! and appends the nodes that compute `d loss / d v` for every wanted value `v`. Only standard ONNX
//! operators are appended, in the form that the graph's own opset (13 to 22) demands, so any engine that
//! runs inference can run the result.
//!
//! ```text
//!   x --> f --> y --> ... --> loss          the given nodes, untouched
//!              |                |
//!   dx <-- f' <+-- dy <-- ... <- 1          appended, in reverse order
//! ```
//!
//! | file | holds |
//! |---|---|
//! | `needed` | which values lie between the wanted ones and the loss; nothing else is differentiated |
//! | `walk` | the one reverse walk: rule lookup, accumulation |
//! | `unbroadcast` | sums a gradient back over broadcast axes, or spreads it, in one place |
//! | `recompute` | activations computed a second time instead of kept |
//! | `slabs` | gradients of parts of a value, put side by side |
//! | `forms` | operator forms that depend on the opset, read and written |
//! | `gelu` | a function of five nodes whose gradient is cheaper as one |
//! | `rules` | the table (operator, since-version) -> gradient rule, and the rules in families |
//! | `loss` | cross-entropy over a padded class capacity |
//!
//! Invariants: the given nodes keep their ids and order; a frozen weight gets no gradient, not even an
//! unused one; "this operator has no gradient" is a row of the table, and an operator without a row on a
//! needed path is an error, so silence is never an answer. Shapes must have been inferred; one symbolic
//! batch dimension is carried through.
//!
//! Does not choose outputs, does not fold or fuse, knows nothing about adapters, engines or optimizers.
//! Second derivatives come from calling it again on the result, as long as the appended operators have rules.
//!
//! The design (a table of local rules over one reverse walk, with the un-broadcasting and the sum of several
//! uses done by the walk) is the usual one of reverse accumulation: Griewank and Walther, *Evaluating
//! Derivatives*, SIAM 2008, chapter 3.

mod forms;
mod gelu;
pub mod loss;
mod needed;
mod recompute;
pub mod rules;
mod slabs;
mod unbroadcast;
mod walk;

use std::collections::BTreeSet;
use std::ops::RangeInclusive;

use crate::error::Result;
use crate::graph::{Attrs, Dim, Graph, Node, ValueId};
use needed::Needed;

/// Versions of the standard operator set that can be differentiated.
pub const OPSETS: RangeInclusive<i64> = 13..=22;

/// Appends to `graph` the gradients of the scalar `loss` with respect to each value of `wrt`.
///
/// `wrt` may name graph inputs, constants or computed values. Returned are the graph and one gradient for
/// each value of `wrt`, in order, with its dtype and shape, each a value of its own named `grad.<name>`.
/// The outputs of the graph are left to the caller.
///
/// # Errors
/// `InvalidArgument`: `loss` has more than one element, or a value of `wrt` is not a float, or `loss` does
/// not depend on it (a gradient of zeros would hide a graph that was put together wrongly).
/// `Unsupported`: the opset, or an operator without a rule between `wrt` and `loss`; the node is named.
/// `Shape`: shapes on the path were not inferred.
pub fn differentiate(graph: Graph, loss: ValueId, wrt: &[ValueId]) -> Result<(Graph, Vec<ValueId>)> {
    differentiate_between(graph, loss, wrt, &[])
}

/// The same with less kept: of the values between two neighbours in one of `chains` nothing stays for the backward pass, which computes
/// them again when it comes there. Everything must pass every value of a chain in turn; what stands before the last one stays.
///
/// # Errors
/// As [`differentiate`].
pub fn differentiate_between(
    mut graph: Graph,
    loss: ValueId,
    wrt: &[ValueId],
    chains: &[Vec<ValueId>],
) -> Result<(Graph, Vec<ValueId>)> {
    check(&graph, loss, wrt)?;
    let needed = Needed::find(&graph, loss, wrt)?;
    let (given, nodes) = (graph.values().len(), graph.nodes().len());
    let (grads, all) = walk::reverse(&mut graph, loss, wrt, &needed)?;
    for chain in chains {
        recompute::between(&mut graph, nodes, chain, &all)?;
    }
    let named = name(&mut graph, given, wrt, &grads)?;
    Ok((graph, named))
}

fn check(graph: &Graph, loss: ValueId, wrt: &[ValueId]) -> Result<()> {
    let opset = graph.opset();
    if !OPSETS.contains(&opset) {
        crate::bail!(
            Unsupported,
            "gradients are written for opset {} to {}, and the graph has {opset}; convert the model first",
            OPSETS.start(),
            OPSETS.end()
        );
    }
    let shape = graph.shape(loss)?;
    if !graph.dtype(loss)?.is_float() || shape.volume() != Dim::Known(1) {
        crate::bail!(
            InvalidArgument,
            "the loss {:?} has shape {shape}; reduce it to one float first",
            graph.value(loss).name
        );
    }
    match wrt.iter().find(|v| graph.value(**v).dtype.is_some_and(|d| !d.is_float())) {
        Some(v) => Err(crate::err!(InvalidArgument, "{:?} is not a float value", graph.value(*v).name)),
        None => Ok(()),
    }
}

/// Gives every gradient a value and a name of its own, so that all of them can be graph outputs.
fn name(graph: &mut Graph, given: usize, wrt: &[ValueId], grads: &[ValueId]) -> Result<Vec<ValueId>> {
    let mut taken = BTreeSet::new();
    let mut named = Vec::with_capacity(grads.len());
    for (&v, &grad) in wrt.iter().zip(grads) {
        let own = grad.index() >= given && graph.constant(grad).is_none() && taken.insert(grad);
        let hint = format!("grad.{}", graph.value(v).name);
        if own {
            graph.rename(grad, &hint);
            named.push(grad);
            continue;
        }
        let (dtype, shape) = (graph.dtype(v)?, graph.shape(v)?.clone());
        let copy = graph.add_value(&hint, Some(dtype), Some(shape));
        graph.add_node(Node {
            name: graph.value(copy).name.clone(),
            domain: String::new(),
            op: "Identity".into(),
            inputs: vec![Some(grad)],
            outputs: vec![Some(copy)],
            attrs: Attrs::new(),
        });
        named.push(copy);
    }
    Ok(named)
}
