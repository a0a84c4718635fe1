//! Fixing a symbolic batch, and computing before the first run what does not depend on data.
//!
//! Exporters leave arithmetic behind: constants that are transposed and cast at every run, and, with a
//! dynamic batch, hundreds of nodes that compute shapes. [`constants`] replaces
//!
//! | what | by |
//! |---|---|
//! | a node whose operands are constants (a table of operators, [`LIMIT`] on growth, [`MOST`] on all together) | its results |
//! | an integer tensor that follows from shapes | a constant |
//! | a `Reshape` operand with one open entry | a constant with -1 |
//! | another operand that needs a symbol, such as that of `Expand` | `Concat` of `Gather(Shape(input))` and constants |
//! | Identity, Dropout, Cast, Reshape, Expand, .. that change nothing | their operand |
//!
//! Invariant: results are the same for every input, up to the rounding of one operation: arithmetic is done
//! in f64 (i64 for integers) and rounded to the dtype after every node, as engines round. Nodes that compute
//! a graph output are not folded. Idempotent.
//!
//! Does *not* fuse or reorder arithmetic. Weights stored in int8, f16 or bf16 stay so: a `DequantizeLinear`, and the `Cast`
//! of a matrix to more bytes, are left to the engine.

mod eval;
mod lengths;
mod pass;

use super::{Dim, Graph, infer, rewrite};
use crate::error::Result;

/// Bytes by which the results of a folded node may exceed its operands.
pub const LIMIT: usize = 16 << 20;

/// Bytes that the results of all folded nodes may have together, beyond a few times those of the constants that were there. A file of
/// many small nodes, each with a large result, is not folded further.
pub const MOST: usize = 128 << 20;

/// Fixes `symbol` to `n` in all inputs and infers everything anew. A symbol that is not there changes nothing.
///
/// # Errors
/// `InvalidArgument` if `n` is 0, `Shape` if the graph does not work with `n`.
pub fn bind(mut graph: Graph, symbol: &str, n: usize) -> Result<Graph> {
    if n == 0 {
        crate::bail!(InvalidArgument, "{symbol} = 0; a batch of at least 1 would fit");
    }
    for v in (0..graph.values().len()).map(|i| super::ValueId(i as u32)) {
        let value = graph.value_mut(v);
        value.shape = value.shape.take().map(|s| s.bind(symbol, n));
    }
    infer::all(&mut graph)?;
    Ok(graph)
}

/// The symbol of the batch: first dimension of the first input of rank 4 (images), or else of the first input.
pub fn batch_symbol(graph: &Graph) -> Option<&str> {
    let shape = |v: &super::ValueId| graph.value(*v).shape.as_ref();
    let image = graph.inputs.iter().filter_map(shape).find(|s| s.rank() == 4);
    let shape = image.or_else(|| graph.inputs.first().and_then(shape))?;
    match shape.first()? {
        Dim::Symbolic { symbol, times: 1 } => Some(symbol),
        _ => None,
    }
}

/// Folds constants and shape arithmetic, and drops what nothing needs. See the module page.
///
/// # Errors
/// `Shape` for a node whose operands do not fit.
pub fn constants(graph: Graph) -> Result<Graph> {
    Ok(rewrite::prune(pass::run(graph)?))
}
