//! ONNX Runtime's own operators, written out in standard ones.
//!
//! Its optimizers fuse what they find into operators of the domain `com.microsoft`. Other engines do not know them, and
//! nothing can be differentiated through them, so they are taken apart again when a model is read. Each form follows
//! ONNX Runtime's `ContribOperators.md`. A form that is not covered (a mask, a past, packed operands) is an error that
//! names the node; an operator that is not in the table is left as it is.
//!
//! | file | operators |
//! |---|---|
//! | `activation` | `Gelu`, `BiasGelu`, `FastGelu`, `QuickGelu`, and what `FusedConv` and `FusedGemm` end with |
//! | `norm` | `SkipLayerNormalization`, `SimplifiedLayerNormalization`, `SkipSimplifiedLayerNormalization` |
//! | `product` | `FusedMatMul`, `FusedConv`, `FusedGemm` |
//! | `attention` | `Attention`, `MultiHeadAttention` |

mod activation;
mod attention;
mod norm;
mod product;

use crate::error::{Context, Result};
use crate::graph::{Attrs, Emit, Graph, Node, ValueId, infer};

/// The domain of ONNX Runtime's operators.
const DOMAIN: &str = "com.microsoft";

/// First opset with `LayerNormalization`. Opsets 13 to 16 mean the same as 17 for every operator of inference, and
/// ONNX Runtime writes the operator into them.
const LAYER_NORMALIZATION: i64 = 17;

/// Appends standard operators; gives the results of the node, in order, `None` for those without a meaning at inference.
type Rule = fn(&mut Emit, &Node) -> Result<Vec<Option<ValueId>>>;

static RULES: &[(&str, Rule)] = &[
    ("Attention", attention::packed),
    ("BiasGelu", activation::bias_gelu),
    ("FastGelu", activation::fast_gelu),
    ("FusedConv", product::conv),
    ("FusedGemm", product::gemm),
    ("FusedMatMul", product::matmul),
    ("Gelu", activation::gelu),
    ("MultiHeadAttention", attention::separate),
    ("QuickGelu", activation::quick_gelu),
    ("SimplifiedLayerNormalization", norm::simplified),
    ("SkipLayerNormalization", norm::skip),
    ("SkipSimplifiedLayerNormalization", norm::skip_simplified),
];

/// Names of the operators that are written out.
pub fn written_out() -> impl Iterator<Item = &'static str> {
    RULES.iter().map(|r| r.0)
}

/// `SimplifiedLayerNormalization` is written into the standard domain, where it does not exist.
fn rule(node: &Node) -> Option<Rule> {
    let foreign = node.domain == DOMAIN || node.op == "SimplifiedLayerNormalization";
    RULES.iter().find(|(op, _)| foreign && *op == node.op).map(|r| r.1)
}

/// The graph without the operators of the table.
///
/// # Errors
/// [`Unsupported`](crate::ErrorKind::Unsupported) for a form that is not covered, naming the node.
pub(super) fn standard(mut graph: Graph) -> Result<Graph> {
    let normalizes = |n: &Node| n.op.ends_with("LayerNormalization");
    if graph.opset() < LAYER_NORMALIZATION && graph.nodes().iter().any(normalizes) {
        graph.opsets.insert(String::new(), LAYER_NORMALIZATION);
    }
    if !graph.nodes().iter().any(|n| rule(n).is_some()) {
        return Ok(graph);
    }
    let mut facts = infer::Facts::default();
    for node in std::mem::take(graph.nodes_mut()) {
        match rule(&node) {
            None => {
                let id = graph.add_node(node);
                facts.step(&mut graph, id)?;
            }
            Some(rule) => write_out(&mut graph, &node, rule).at(|| node.label())?,
        }
    }
    if !graph.nodes().iter().any(|n| n.domain == DOMAIN) {
        graph.opsets.remove(DOMAIN);
    }
    Ok(graph)
}

/// The results keep their values: each is an `Identity` of what the rule gave, which folding removes.
fn write_out(graph: &mut Graph, node: &Node, rule: Rule) -> Result<()> {
    let scope = if node.name.is_empty() { &node.op } else { &node.name };
    let results = rule(&mut Emit::new(graph, scope), node)?;
    for (i, out) in node.outputs.iter().enumerate() {
        let Some(out) = *out else { continue };
        let Some(result) = results.get(i).copied().flatten() else {
            crate::bail!(Unsupported, "result {i} is used; only inference forms can be written out");
        };
        let id = graph.add_node(Node {
            name: String::new(),
            domain: String::new(),
            op: "Identity".into(),
            inputs: vec![Some(result)],
            outputs: vec![Some(out)],
            attrs: Attrs::new(),
        });
        infer::node(graph, id)?;
    }
    Ok(())
}

/// Refuses operands from `first` on that are given.
fn without(node: &Node, first: usize, what: &str) -> Result<()> {
    match (first..node.inputs.len()).find(|&i| node.input(i).is_some()) {
        Some(i) => {
            Err(crate::err!(Unsupported, "operand {i} ({what}) is given; export the model without it"))
        }
        None => Ok(()),
    }
}
